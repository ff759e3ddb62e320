// Undo and redo of one's own edits, on the usual keys and for the browser's own commands (a menu, a shaken phone).
import { Prec, type Extension } from "@codemirror/state";
import { EditorView, keymap, type Command } from "@codemirror/view";
import { bindingOf } from "./sync.js";

/** Takes back the last step of one's own. */
export const undo: Command = (view) => bindingOf(view)?.step("undo") ?? false;

/** Makes the step that was taken back last once more. */
export const redo: Command = (view) => bindingOf(view)?.step("redo") ?? false;

// Above all others: with a `history()` beside it, its keys would take back what others typed.
export const undoKeys: Extension = Prec.highest([
  keymap.of([
    { key: "Mod-z", run: undo, preventDefault: true },
    { key: "Mod-y", mac: "Mod-Shift-z", run: redo, preventDefault: true },
    { linux: "Ctrl-Shift-z", win: "Ctrl-Shift-z", run: redo, preventDefault: true },
  ]),
  EditorView.domEventHandlers({
    beforeinput(event, view) {
      const command = event.inputType === "historyUndo" ? undo : event.inputType === "historyRedo" ? redo : null;
      if (!command) return false;
      event.preventDefault();
      return command(view);
    },
  }),
]);
