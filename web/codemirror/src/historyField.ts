// Makes CodeMirror's own `undo` and `redo`, which toolbars, Vim's `u` and `historyKeymap` use, call the document's.
// They read the state of `history()`, and this file puts another state in its place. A separate `history()`, such as
// the one in `basicSetup`, is then harmless; otherwise it would undo what others typed.
import { history, historyField } from "@codemirror/commands";
import { EditorState, type Extension, type Facet, type Transaction } from "@codemirror/state";
import type { InklogDocument } from "@inklog/client";
import { undoOf } from "@inklog/client/undo";

type Step = "undo" | "redo";

/** What `@codemirror/commands` expects of its history. This is undocumented, so it is checked before use. */
interface HistoryState {
  readonly done: readonly unknown[];
  readonly undone: readonly unknown[];
  isolate(): HistoryState;
  addMapping(): HistoryState;
  addSelection(): HistoryState;
  addChanges(event: unknown, time: unknown, userEvent: unknown, config: unknown, tr: Transaction): HistoryState;
  pop(side: 0 | 1, state: EditorState, onlySelection: boolean): Transaction | null;
}

const METHODS = ["isolate", "addMapping", "addSelection", "addChanges", "pop"] as const;

/** For `undoDepth`, which counts the entries. */
const ONE = [{ changes: true, selectionsAfter: [], toJSON: () => ({ selectionsAfter: [] }) }];

/** `take` undoes or redoes a step of the document, and returns the transaction that shows it in the editor. */
export function steps(doc: InklogDocument, owner: Facet<any, readonly unknown[]>, take: (state: EditorState, which: Step) => Transaction | null): Extension {
  const plain = EditorState.create({ extensions: history() }).field(historyField) as HistoryState;
  if (!METHODS.every((name) => typeof plain[name] === "function")) return [];
  const ours: HistoryState = {
    get done() {
      return undoOf(doc).canUndo ? ONE : [];
    },
    get undone() {
      return undoOf(doc).canRedo ? ONE : [];
    },
    isolate: () => ours,
    addMapping: () => ours,
    addSelection: () => ours,
    // An editor that is no longer bound to the document, and has a `history()`, continues with that.
    addChanges: (...given) => (given[4].state.facet(owner).length ? ours : plain.addChanges(...given)),
    pop: (side, state, onlySelection) => (onlySelection ? null : take(state, side === 0 ? "undo" : "redo")),
  };
  return historyField.init(() => ours);
}
