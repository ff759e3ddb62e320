// Dragged text. On a drop, CodeMirror removes the whole range that the text came from, including what others have typed
// into it meanwhile; this extension removes only the dragged characters.
import { StateEffect, StateField, type Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { normalise } from "@inklog/client/lines";

interface Span {
  from: number;
  to: number;
}

/** What is being dragged: its text when the drag began, and where its characters are now. */
interface Dragged {
  text: string;
  spans: readonly Span[];
}

const setDragged = StateEffect.define<Dragged | null>();

const dragged = StateField.define<Dragged | null>({
  create: () => null,
  update(is, tr) {
    for (const effect of tr.effects) if (effect.is(setDragged)) return effect.value;
    if (!is || !tr.docChanged) return is;
    const spans: Span[] = [];
    tr.changes.iterGaps((posA, posB, length) => {
      for (const span of is.spans) {
        const from = Math.max(span.from, posA);
        const to = Math.min(span.to, posA + length);
        if (from < to) spans.push({ from: from - posA + posB, to: to - posA + posB });
      }
    });
    return { ...is, spans };
  },
});

export const dragging: Extension = [
  dragged,
  EditorView.domEventObservers({
    dragstart(_, view) {
      const { from, to } = view.state.selection.main;
      const text = view.state.facet(EditorView.clipboardOutputFilter).reduce((text, filter) => filter(text, view.state), view.state.sliceDoc(from, to));
      view.dispatch({ effects: setDragged.of({ text, spans: [{ from, to }] }) });
    },
    dragend(_, view) {
      if (view.state.field(dragged, false)) view.dispatch({ effects: setDragged.of(null) });
    },
  }),
  EditorView.domEventHandlers({ drop }),
];

function drop(event: DragEvent, view: EditorView): boolean {
  const { state } = view;
  const given = event.dataTransfer?.files.length ? "" : event.dataTransfer?.getData("Text");
  if (!given || state.readOnly) return false;
  const is = state.field(dragged);
  // Browsers do not always report the end of a drag: this drop may belong to another one.
  const isOurs = is !== null && normalise(is.text) === normalise(given);
  const removed = isOurs && moves(view, event) ? is.spans : [];
  const insert = state.toText(state.facet(EditorView.clipboardInputFilter).reduce((text, filter) => filter(text, state), given));
  const at = view.posAtCoords({ x: event.clientX, y: event.clientY }, false);
  const changes = state.changes([...removed.map(({ from, to }) => ({ from, to })), { from: at, insert }]);
  view.focus();
  view.dispatch({
    changes,
    selection: { anchor: changes.mapPos(at, -1), head: changes.mapPos(at, 1) },
    effects: setDragged.of(null),
    userEvent: removed.length ? "move.drop" : "input.drop",
  });
  return true;
}

/** Whether dragging moves text rather than copying it, by CodeMirror's rule. */
function moves(view: EditorView, event: DragEvent): boolean {
  const [decided] = view.state.facet(EditorView.dragMovesSelection);
  if (decided) return decided(event);
  return /Mac/.test(navigator.platform) ? !event.altKey : !event.ctrlKey;
}
