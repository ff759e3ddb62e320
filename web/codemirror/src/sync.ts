// The extension around the binding: how it is found from a view, and what must not happen in the editor.
import { EditorState, Facet, Prec, StateField, Transaction, type Extension, type TransactionSpec } from "@codemirror/state";
import { EditorView, ViewPlugin } from "@codemirror/view";
import type { InklogDocument } from "@inklog/client";
import { wellFormed, type ViewChange } from "@inklog/client/lines";
import { Binding, fromInklog, opened, type InklogUser, type RemoteCursor } from "./binding.js";
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
  // Of this document alone: where another takes its place in the editor, that begins anew.
  const isOpen = StateField.define<boolean>({
    create: () => false,
    update: (is, tr) => tr.effects.reduce((is, effect) => (effect.is(opened) ? effect.value : is), is),
  });
  return [
    binding,
    plugin.of(binding),
    isOpen,
    // Until the text is here, and when the document is closed, there is nothing to edit. Else the host decides.
    Prec.highest(EditorState.readOnly.computeN([isOpen], (state) => (state.field(isOpen) ? [] : [true]))),
    EditorState.changeFilter.of((tr) => tr.startState.field(isOpen) && doc.status !== "closed"),
    // The last of all filters.
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

/** A task later, the editor itself has seen the end of the composition. */
function releaseLater(_: Event, view: EditorView): void {
  setTimeout(() => bindingOf(view)?.release());
}

/** No half of a pair may stand alone in a document, so none comes into the editor. */
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
  // U+FFFD takes as much room as the half that it stands for, so all places stay right.
  const { selection, effects, scrollIntoView } = tr;
  const userEvent = tr.annotation(Transaction.userEvent);
  return adjusted ? { changes, effects, scrollIntoView, ...(selection && { selection }), ...(userEvent && { userEvent }) } : tr;
}
