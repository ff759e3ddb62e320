import { defaultKeymap } from "@codemirror/commands";
import { search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";
import type { InklogDocument } from "@inklog/client";
import { useConnectionStatus } from "@inklog/react";
import { inklogExtension, remoteCursors, setInklogUser } from "@inklog/codemirror";
import { useEffect, useRef, useState, type RefObject } from "react";
import type { Me } from "./settings";

const TITLE_MS = 1000;

interface Props {
  doc: InklogDocument | null;
  me: Me;
  view: RefObject<EditorView | null>;
  /** Told the first line, now and then. */
  titled: (title: string) => void;
  hidden: boolean;
}

/** Selections are drawn where the pointer is fine; a finger needs the system's own handles. */
const drawn = matchMedia("(pointer: fine)").matches ? [drawSelection({ cursorBlinkRate: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 1200 })] : [];

/** The text, in CodeMirror. */
export function Writing({ doc, me, view, titled, hidden }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [isReady, setReady] = useState(false);
  const first = useRef(me);
  useEffect(() => {
    if (!doc) return;
    let timer: number | undefined;
    let title: string | undefined;
    const tell = () => {
      timer = undefined;
      const line = editor.state.doc.line(1).text;
      if (line !== title) titled((title = line));
    };
    const editor = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        extensions: [
          inklogExtension(doc, { user: first.current }),
          ...drawn,
          EditorView.lineWrapping,
          placeholder("Write here."),
          search({ top: true }),
          keymap.of([...searchKeymap, ...defaultKeymap]),
          EditorView.contentAttributes.of({ "aria-label": "Text", spellcheck: "true", autocapitalize: "sentences", autocorrect: "on" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) timer ??= window.setTimeout(tell, TITLE_MS);
          }),
        ],
      }),
    });
    view.current = editor;
    let gone = false;
    void doc.ready.then(() => {
      if (gone) return;
      setReady(true);
      tell();
      if (drawn.length) editor.focus();
    });
    return () => {
      gone = true;
      clearTimeout(timer);
      view.current = null;
      editor.destroy();
    };
  }, [doc, view, titled]);

  useEffect(() => view.current?.dispatch({ effects: setInklogUser.of(me) }), [me, view, doc]);

  const isOffline = useConnectionStatus(doc) === "offline";
  return (
    <div className="writing" ref={place} data-ready={isReady || undefined} hidden={hidden}>
      {!isReady && (
        <p className="writing-note" role="status">
          {isOffline ? "This device has no copy of this document yet. What you write joins it when there is a connection." : "Fetching the text…"}
        </p>
      )}
    </div>
  );
}

/** Scrolls to where somebody is. */
export function showRemoteCursor(view: EditorView, agent: string): void {
  const cursor = remoteCursors(view).find((cursor) => cursor.agent === agent);
  if (cursor) view.dispatch({ effects: EditorView.scrollIntoView(cursor.head, { y: "center" }) });
}
