// Undo and redo of one's own edits, on the usual keys and for the browser's own commands (a menu, a shaken phone).
import { Prec, type Extension } from "@codemirror/state";
import { EditorView, keymap, type Command } from "@codemirror/view";
import { bindingOf } from "./sync.js";

/** Undoes the user's last step; returns false if the editor is read-only. */
export const undo: Command = (view) => step(view, "undo");

/** Redoes the step that was undone last; returns false if the editor is read-only. */
export const redo: Command = (view) => step(view, "redo");

function step(view: EditorView, which: "undo" | "redo"): boolean {
  const binding = bindingOf(view);
  if (!binding || view.state.readOnly) return false;
  const spec = binding.step(which);
  if (spec) view.dispatch(spec);
  return true;
}

/** What the host does not let be typed in, no key changes. */
const typed = (command: Command): Command => (view) => view.state.facet(EditorView.editable) && command(view);

// Above all others: with a `history()` beside it, its keys would take back what others typed.
export const undoKeys: Extension = Prec.highest([
  keymap.of([
    { key: "Mod-z", run: typed(undo), preventDefault: true },
    { key: "Mod-y", mac: "Mod-Shift-z", run: typed(redo), preventDefault: true },
    { linux: "Ctrl-Shift-z", win: "Ctrl-Shift-z", run: typed(redo), preventDefault: true },
  ]),
  EditorView.domEventHandlers({
    beforeinput(event, view) {
      const command = event.inputType === "historyUndo" ? undo : event.inputType === "historyRedo" ? redo : null;
      if (!command) return false;
      // The browser would change the text by itself.
      event.preventDefault();
      typed(command)(view);
      return true;
    },
  }),
]);
