// CodeMirror's own `undo` and `redo` call ours. Toolbars, Vim's `u` and `historyKeymap` know no others; they ask the
// state of `history()`, in whose place is what stands here. So a `history()` beside it, or one in `basicSetup`, does no
// harm: it would take back what others typed.
import { history, historyField } from "@codemirror/commands";
import { EditorState, type Extension, type Facet, type Transaction } from "@codemirror/state";
import type { InklogDocument } from "@inklog/client";
import { undoOf } from "@inklog/client/undo";

type Step = "undo" | "redo";

/** What `@codemirror/commands` asks of its history; it is not said anywhere, so it is looked at before it is used. */
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

/** For `undoDepth`, which counts. */
const ONE = [{ changes: true, selectionsAfter: [], toJSON: () => ({ selectionsAfter: [] }) }];

/** `take` makes a step of the document, and gives what shows it in the editor. */
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
    // An editor that was taken from the document, and has a `history()`, goes on with that.
    addChanges: (...given) => (given[4].state.facet(owner).length ? ours : plain.addChanges(...given)),
    pop: (side, state, onlySelection) => (onlySelection ? null : take(state, side === 0 ? "undo" : "redo")),
  };
  return historyField.init(() => ours);
}
