import { useEffect, useId, useRef, type ReactNode } from "react";

interface Props {
  title: string;
  children: ReactNode;
  /** The label of what `onConfirm` does; without it there is only `dismiss`. */
  confirm?: string;
  onConfirm?: () => void;
  dismiss: string;
  /** Called when the dialog closes, whichever way. */
  close: () => void;
  /** Stays open after `onConfirm`. */
  stays?: boolean;
  wide?: boolean;
}

/** A question in a dialog. The choice that loses nothing has the focus. */
export function Ask({ title, children, confirm, onConfirm, dismiss, close, stays, wide }: Props) {
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
    onConfirm?.();
    if (!stays) dialog.current?.close();
  };
  return (
    <dialog ref={dialog} className="ask" data-wide={wide || undefined} aria-labelledby={id} onClose={close}>
      <h2 id={id} dir="auto">{title}</h2>
      {children}
      <p className="ask-ends">
        <button type="button" className="button" autoFocus onClick={() => dialog.current?.close()}>{dismiss}</button>
        {confirm && <button type="button" className="button button-main" onClick={agree}>{confirm}</button>}
      </p>
    </dialog>
  );
}
