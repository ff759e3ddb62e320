// The extension around the binding: how it is found from a view, and what must not happen in the editor.
import { EditorState, Facet, StateField, type Extension, type Transaction, type TransactionSpec } from "@codemirror/state";
import { EditorView, ViewPlugin } from "@codemirror/view";
import type { InklogDocument } from "@inklog/client";
import { wellFormed, type ViewChange } from "@inklog/client/lines";
import { Binding, filled, fromInklog, type InklogUser, type RemoteCursor } from "./binding.js";
import { wholePairs } from "./pairs.js";

export interface SyncOptions {
  /** Default: the document's user, and a colour made from the name. Changed by the effect `setInklogUser`. */
  user?: Partial<InklogUser>;
}

const plugin = Facet.define<ViewPlugin<Binding>>();

const isFilled = StateField.define<boolean>({
  create: () => false,
  update: (is, tr) => is || tr.effects.some((effect) => effect.is(filled)),
});

export function sync(doc: InklogDocument, options: SyncOptions): Extension {
  const binding = ViewPlugin.define((view) => new Binding(view, doc, options.user ?? {}));
  return [
    binding,
    // A task later, the editor itself has seen the end of the composition.
    EditorView.domEventHandlers({ compositionend: (_, view) => void setTimeout(() => view.plugin(binding)?.catchUp()) }),
    plugin.of(binding),
    isFilled,
    // Until the text is here, there is nothing to edit.
    EditorState.readOnly.compute([isFilled], (state) => !state.field(isFilled)),
    EditorState.changeFilter.of((tr) => tr.startState.field(isFilled) || tr.annotation(fromInklog) === true),
    EditorState.transactionFilter.of(repaired),
  ];
}

export function bindingOf(view: EditorView): Binding | null {
  const found = view.state.facet(plugin)[0];
  return found ? view.plugin(found) : null;
}

/** Where the others are, of whom it is known. */
export function remoteCursors(view: EditorView): RemoteCursor[] {
  return bindingOf(view)?.cursors() ?? [];
}

/** No half of a pair may stand alone in a document, so none comes into the editor. */
function repaired(tr: Transaction): TransactionSpec | readonly TransactionSpec[] {
  if (!tr.docChanged || tr.annotation(fromInklog)) return tr;
  const { doc } = tr.startState;
  let odd = false;
  const changes: ViewChange[] = [];
  tr.changes.iterChanges((from, to, _fromB, _toB, inserted) => {
    const change = wholePairs(doc, { from, to, insert: inserted.toString() });
    const insert = wellFormed(change.insert);
    odd ||= insert !== change.insert;
    changes.push({ ...change, insert });
  });
  // U+FFFD takes as much room as the half that it stands for, so all places stay right.
  const { selection, effects, scrollIntoView } = tr;
  return odd ? { changes, effects, scrollIntoView, ...(selection && { selection }) } : tr;
}
