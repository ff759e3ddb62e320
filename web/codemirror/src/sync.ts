// The extension around the binding: finds it from a view, and prevents what must not happen in the editor.
import { EditorState, Facet, Prec, StateField, Transaction, type Extension, type TransactionSpec } from "@codemirror/state";
import { EditorView, ViewPlugin } from "@codemirror/view";
import type { InklogDocument } from "@inklog/client";
import { wellFormed, type ViewChange } from "@inklog/client/lines";
import { Binding, fromInklog, opened, type InklogUser, type Openness, type RemoteCursor } from "./binding.js";
import { dragging } from "./drag.js";
import { steps } from "./historyField.js";
import { wholePairs } from "./pairs.js";

export interface SyncOptions {
  /** Default: the document's user, and a colour derived from the name. The effect `setInklogUser` changes it. */
  user?: Partial<InklogUser>;
}

const plugin = Facet.define<ViewPlugin<Binding>>();

export function sync(doc: InklogDocument, options: SyncOptions): Extension {
  const bindings = new Set<Binding>();
  const binding = ViewPlugin.define((view) => {
    const made = new Binding(view, doc, options.user ?? {}, () => bindings.delete(made));
    bindings.add(made);
    return made;
  });
  // One per document: if another document takes its place in the editor, the plugin starts anew.
  const openness = StateField.define<Openness>({
    create: () => (doc.readOnly ? "locked" : "waiting"),
    update: (is, tr) => tr.effects.reduce((is, effect) => (effect.is(opened) ? effect.value : is), is),
  });
  const isOpen = (state: EditorState) => state.field(openness) === "open";
  const isLocked = (state: EditorState) => state.field(openness) === "locked";
  return [
    binding,
    plugin.of(binding),
    openness,
    // Before the text has arrived, and after the document is closed, there is nothing to edit. Otherwise the host
    // decides.
    Prec.highest(EditorState.readOnly.computeN([openness], (state) => (isOpen(state) ? [] : [true]))),
    EditorState.changeFilter.of((tr) => isOpen(tr.startState) && !doc.readOnly && doc.status !== "closed"),
    // Somebody who may only read sees no caret that swallows typing, and no keyboard on a phone. Focus, selection and
    // copying work.
    Prec.highest(EditorView.editable.computeN([openness], (state) => (isLocked(state) ? [false] : []))),
    EditorView.contentAttributes.computeN([openness], (state) => (isLocked(state) ? [{ tabindex: "0", "aria-readonly": "true" }] : [])),
    // Runs after all other filters.
    Prec.highest(EditorState.transactionFilter.of(repaired)),
    EditorView.domEventObservers({ compositionend: releaseLater }),
    dragging,
    steps(doc, plugin, (state, which) => {
      const found = [...bindings].find(({ view }) => view.state === state);
      const spec = found?.step(which);
      return spec ? state.update(spec) : null;
    }),
  ];
}

export function bindingOf(view: EditorView): Binding | null {
  const found = view.state.facet(plugin)[0];
  return found ? view.plugin(found) : null;
}

/** The known positions of the others. */
export function remoteCursors(view: EditorView): RemoteCursor[] {
  return bindingOf(view)?.cursors() ?? [];
}

/** In the next task, the editor itself has seen the end of the composition. */
function releaseLater(_: Event, view: EditorView): void {
  setTimeout(() => bindingOf(view)?.release());
}

/** A document must not contain half a surrogate pair, so none may enter the editor. */
function repaired(tr: Transaction): TransactionSpec | readonly TransactionSpec[] {
  if (!tr.docChanged || tr.annotation(fromInklog)) return tr;
  const { doc } = tr.startState;
  let adjusted = false;
  const changes: ViewChange[] = [];
  tr.changes.iterChanges((from, to, _fromB, _toB, inserted) => {
    const change = wholePairs(doc, { from, to, insert: inserted.toString() });
    const insert = wellFormed(change.insert);
    adjusted ||= insert !== change.insert;
    changes.push({ ...change, insert });
  });
  // U+FFFD is as long as the half it replaces, so all positions stay valid.
  const { selection, effects, scrollIntoView } = tr;
  const userEvent = tr.annotation(Transaction.userEvent);
  return adjusted ? { changes, effects, scrollIntoView, ...(selection && { selection }), ...(userEvent && { userEvent }) } : tr;
}
