// Undo and redo of the user's own edits, on the usual keys and for the browser's commands (a menu, shaking a phone).
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

/** In an editor that is not editable, the keys change nothing. */
const typed = (command: Command): Command => (view) => view.state.facet(EditorView.editable) && command(view);

// Highest precedence: the keys of a separate `history()` would undo what others typed.
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
      // Otherwise the browser would change the text itself.
      event.preventDefault();
      typed(command)(view);
      return true;
    },
  }),
]);
