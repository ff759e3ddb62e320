import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";
import type { InklogDocument } from "@inklog/client";
import { useConnectionStatus } from "@inklog/react";
import { inklogExtension, remoteCursors, setInklogUser } from "@inklog/codemirror";
import { useEffect, useRef, type RefObject } from "react";
import { useReadOnly } from "./access/standing";
import { keys } from "./keys";
import { whenIdle } from "./part";
import { keepPlace, placeIn } from "./place";
import { preloadSearch, searching } from "./search";
import type { Me } from "./settings";
import { dropTyping, isCatching, takeTyping } from "./typeAhead";

const TITLE_MS = 1000;

interface Props {
  doc: InklogDocument | null;
  me: Me;
  view: RefObject<EditorView | null>;
  /** Told the first line, now and then. */
  titled: (title: string) => void;
  /** The text is here. */
  isReady: boolean;
  hidden: boolean;
}

/** Selections are drawn where the pointer is fine; a finger needs the system's own handles. */
const drawn = matchMedia("(pointer: fine)").matches ? [drawSelection({ cursorBlinkRate: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 1200 })] : [];

const writable = new Compartment();

/** How a text looks that can be written, and one that can only be read: without a caret, and without a phone's keyboard. */
const forms = (readOnly: boolean): Extension =>
  readOnly ? [EditorView.editable.of(false), EditorView.editorAttributes.of({ class: "reading" })] : placeholder("Write here.");

/** The text, in CodeMirror. */
export function Writing({ doc, me, view, titled, isReady, hidden }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const readOnly = useReadOnly(doc);
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
    let gone = false;
    let begun = false;
    const begin = () => {
      if (begun || gone) return;
      begun = true;
      handOver(editor, doc);
    };
    const editor = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        extensions: [
          inklogExtension(doc, { user: first.current }),
          ...drawn,
          EditorView.lineWrapping,
          writable.of(forms(doc.readOnly)),
          searching,
          keymap.of(keys),
          EditorView.contentAttributes.of({ "aria-label": "Text", tabindex: "0", spellcheck: "true", autocapitalize: "sentences", autocorrect: "on" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) timer ??= window.setTimeout(tell, TITLE_MS);
            // An update is no place for another.
            if (!begun && !update.state.readOnly) queueMicrotask(begin);
          }),
        ],
      }),
    });
    view.current = editor;
    const keep = () => begun && keepPlace(editor, doc);
    addEventListener("pagehide", keep);
    const stopWaiting = whenIdle(() => preloadSearch(editor));
    void doc.ready.then(() => {
      if (gone) return;
      tell();
      begin();
    });
    return () => {
      keep();
      gone = true;
      removeEventListener("pagehide", keep);
      stopWaiting();
      clearTimeout(timer);
      view.current = null;
      editor.destroy();
    };
  }, [doc, view, titled]);

  useEffect(() => view.current?.dispatch({ effects: writable.reconfigure(forms(readOnly)) }), [readOnly, view, doc]);
  useEffect(() => view.current?.dispatch({ effects: setInklogUser.of(me) }), [me, view, doc]);

  const isOffline = useConnectionStatus(doc) === "offline";
  return (
    <div className="writing" ref={place} data-ready={isReady || undefined} hidden={hidden}>
      {!isReady && (
        <p className="writing-note" role="status">
          {!isOffline ? "Fetching the text…" : `This document is not on this device yet. ${readOnly ? "It opens once there is a connection." : "What you write is merged into it once there is a connection."}`}
        </p>
      )}
    </div>
  );
}

/** The text is here: leads back to where the reader was, and takes the focus and what was typed meanwhile. */
function handOver(view: EditorView, doc: InklogDocument): void {
  const was = placeIn(doc);
  if (was) {
    const { anchor, head, top, px } = was;
    view.dispatch({ selection: { anchor, head }, effects: EditorView.scrollIntoView(top, { y: "start", yMargin: px }) });
  }
  if (doc.readOnly) return dropTyping();
  if (isCatching(doc.docId)) {
    takeTyping(doc.docId, (text) => {
      view.focus();
      if (text) view.dispatch(view.state.replaceSelection(text), { userEvent: "input.type", scrollIntoView: true });
    });
    return;
  }
  // Who is somewhere else on the page by now stays there.
  const isFree = document.activeElement === null || document.activeElement === document.body;
  if (drawn.length && isFree) view.focus();
}

/** Scrolls to where somebody is. */
export function showRemoteCursor(view: EditorView, agent: string): void {
  const cursor = remoteCursors(view).find((cursor) => cursor.agent === agent);
  if (cursor) view.dispatch({ effects: EditorView.scrollIntoView(cursor.head, { y: "center" }) });
}
