import { useEffect, useId, useRef, type ReactNode } from "react";

interface Props {
  title: string;
  children: ReactNode;
  /** The label of what `onYes` does; without it there is only `no`. */
  yes?: string;
  onYes?: () => void;
  no: string;
  /** Called when the dialog closes, whichever way. */
  close: () => void;
  /** Stays open after `onYes`. */
  stays?: boolean;
  wide?: boolean;
}

/** A question in a dialog. The choice that loses nothing has the focus. */
export function Ask({ title, children, yes, onYes, no, close, stays, wide }: Props) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const was = document.activeElement;
    dialog.current!.showModal();
    return () => {
      if (was instanceof HTMLElement && was.isConnected) was.focus();
    };
  }, []);
  const agree = () => {
    onYes?.();
    if (!stays) dialog.current?.close();
  };
  return (
    <dialog ref={dialog} className="ask" data-wide={wide || undefined} aria-labelledby={id} onClose={close}>
      <h2 id={id} dir="auto">{title}</h2>
      {children}
      <p className="ask-ends">
        <button type="button" className="button" autoFocus onClick={() => dialog.current?.close()}>{no}</button>
        {yes && <button type="button" className="button button-main" onClick={agree}>{yes}</button>}
      </p>
    </dialog>
  );
}
