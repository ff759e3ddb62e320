import { EditorState, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, type DecorationSet } from "@codemirror/view";
import type { InklogDocument } from "@inklog/client";
import type { Change } from "@inklog/client/crdt";
import { normalise } from "@inklog/client/lines";
import { useHistory } from "@inklog/react";
import { useDeferredValue, useEffect, useRef, useState } from "react";
import { useAgentNames } from "../agents";
import { CloseIcon } from "../Icons";

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** The document's past: a slider over its events, and the text as it was after each. */
export function Past({ doc, close }: { doc: InklogDocument; close: () => void }) {
  const { supported, events, error, at, refresh } = useHistory(doc);
  const [chosen, setChosen] = useState<number | null>(null);
  const nameOf = useAgentNames(doc);
  const slider = useRef<HTMLInputElement>(null);
  const count = Math.min(chosen ?? events.length, events.length);
  const shown = useDeferredValue(count);
  const event = events[count - 1];
  useEffect(() => slider.current?.focus(), [supported]);

  const said = event ? `Event ${count} of ${events.length}, ${nameOf(event.agent)}, ${TIME.format(event.at)}` : "Before the first event";
  return (
    <section className="past" aria-label="History">
      <PastText {...at(shown)} />
      <div className="past-bar">
        {error && <p role="alert">Could not fetch the history: the server does not respond. <button type="button" className="button" onClick={refresh}>Try again</button></p>}
        {supported === false && <p>This server does not provide a document's history.</p>}
        {supported && (
          <>
            <p className="past-what">
              <strong dir="auto" title={event?.agent}>{event ? nameOf(event.agent) : "Empty"}</strong>
              <span>{event ? TIME.format(event.at) : "before the first event"}</span>
              <span className="past-count">{count} / {events.length}</span>
            </p>
            <div className="past-slide">
              <button type="button" className="button-quiet" aria-label="One event back" disabled={count === 0} onClick={() => setChosen(count - 1)}>‹</button>
              <input ref={slider} type="range" min={0} max={events.length} value={count} aria-label="Event" aria-valuetext={said} style={{ "--part": events.length ? count / events.length : 1 }} onChange={(change) => setChosen(change.target.valueAsNumber)} />
              <button type="button" className="button-quiet" aria-label="One event forward" disabled={count === events.length} onClick={() => setChosen(count + 1)}>›</button>
              <button type="button" className="button-quiet" title="Fetch newer events" onClick={() => { setChosen(null); refresh(); }}>Newest</button>
              <button type="button" className="button-quiet" aria-label="Close the history" onClick={close}><CloseIcon /></button>
            </div>
          </>
        )}
      </div>
    </section>
  );
}

const setMarks = StateEffect.define<DecorationSet>();
const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (set, tr) => tr.effects.reduce((was, effect) => (effect.is(setMarks) ? effect.value : was), set),
  provide: (field) => EditorView.decorations.from(field),
});
const written = Decoration.mark({ class: "past-written" });

/** The text of then, with what the event wrote marked. Not React's: it may be a million characters long. */
function PastText({ text, changes }: { text: string; changes: readonly Change[] }) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  useEffect(() => {
    const made = (view.current = new EditorView({
      parent: place.current!,
      extensions: [marks, EditorView.lineWrapping, EditorState.readOnly.of(true), EditorView.editable.of(false), EditorView.contentAttributes.of({ "aria-label": "Text at this event", tabindex: "0" })],
    }));
    return () => made.destroy();
  }, []);
  useEffect(() => {
    const editor = view.current!;
    const range = writtenIn(text, changes);
    const [from, to] = range ? [normalise(text.slice(0, range[0])).length, normalise(text.slice(0, range[1])).length] : [0, 0];
    editor.dispatch({
      changes: { from: 0, to: editor.state.doc.length, insert: text },
      effects: [
        setMarks.of(from < to ? Decoration.set(written.range(from, to)) : Decoration.none),
        ...(range ? [EditorView.scrollIntoView(from, { y: "center" })] : []),
      ],
    });
  }, [text, changes]);
  return <div className="writing" ref={place} />;
}

/** The part of the text around all that the changes wrote. */
function writtenIn(text: string, changes: readonly Change[]): [number, number] | null {
  let range: [number, number] | null = null;
  for (const { at, del, ins } of changes) {
    const move = (p: number) => (p <= at ? p : Math.max(at, p - del) + ins.length);
    range = range ? [Math.min(move(range[0]), at), Math.max(move(range[1]), at + ins.length)] : [at, at + ins.length];
  }
  return range && [Math.min(range[0], text.length), Math.min(range[1], text.length)];
}
