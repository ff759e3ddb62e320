// The keys of a text, from CodeMirror's commands. Its own keymaps hold those of programs, too (syntax, comments,
// indentation), which would bring parsers along, and take Alt+Left from the browser.
import * as run from "@codemirror/commands";
import type { Command, KeyBinding } from "@codemirror/view";

/** There is nothing but text: the browser must not begin to format it. */
const nothing: Command = () => true;

export const keys: readonly KeyBinding[] = [
  { key: "ArrowLeft", run: run.cursorCharLeft, shift: run.selectCharLeft, preventDefault: true },
  { key: "Mod-ArrowLeft", mac: "Alt-ArrowLeft", run: run.cursorGroupLeft, shift: run.selectGroupLeft, preventDefault: true },
  { mac: "Cmd-ArrowLeft", run: run.cursorLineBoundaryLeft, shift: run.selectLineBoundaryLeft, preventDefault: true },
  { key: "ArrowRight", run: run.cursorCharRight, shift: run.selectCharRight, preventDefault: true },
  { key: "Mod-ArrowRight", mac: "Alt-ArrowRight", run: run.cursorGroupRight, shift: run.selectGroupRight, preventDefault: true },
  { mac: "Cmd-ArrowRight", run: run.cursorLineBoundaryRight, shift: run.selectLineBoundaryRight, preventDefault: true },
  { key: "ArrowUp", run: run.cursorLineUp, shift: run.selectLineUp, preventDefault: true },
  { mac: "Cmd-ArrowUp", run: run.cursorDocStart, shift: run.selectDocStart },
  { mac: "Ctrl-ArrowUp", run: run.cursorPageUp, shift: run.selectPageUp },
  { key: "ArrowDown", run: run.cursorLineDown, shift: run.selectLineDown, preventDefault: true },
  { mac: "Cmd-ArrowDown", run: run.cursorDocEnd, shift: run.selectDocEnd },
  { mac: "Ctrl-ArrowDown", run: run.cursorPageDown, shift: run.selectPageDown },
  { key: "PageUp", run: run.cursorPageUp, shift: run.selectPageUp },
  { key: "PageDown", run: run.cursorPageDown, shift: run.selectPageDown },
  { key: "Home", run: run.cursorLineBoundaryBackward, shift: run.selectLineBoundaryBackward, preventDefault: true },
  { key: "Mod-Home", run: run.cursorDocStart, shift: run.selectDocStart },
  { key: "End", run: run.cursorLineBoundaryForward, shift: run.selectLineBoundaryForward, preventDefault: true },
  { key: "Mod-End", run: run.cursorDocEnd, shift: run.selectDocEnd },
  { key: "Mod-a", run: run.selectAll },
  { key: "Escape", run: run.simplifySelection },
  { key: "Enter", run: run.insertNewlineKeepIndent, shift: run.insertNewlineKeepIndent },
  { key: "Backspace", run: run.deleteCharBackwardStrict, shift: run.deleteCharBackwardStrict, preventDefault: true },
  { key: "Delete", run: run.deleteCharForward, preventDefault: true },
  { key: "Mod-Backspace", mac: "Alt-Backspace", run: run.deleteGroupBackward, preventDefault: true },
  { key: "Mod-Delete", mac: "Alt-Delete", run: run.deleteGroupForward, preventDefault: true },
  { mac: "Mod-Backspace", run: run.deleteLineBoundaryBackward, preventDefault: true },
  { mac: "Mod-Delete", run: run.deleteLineBoundaryForward, preventDefault: true },
  { key: "Alt-ArrowUp", run: run.moveLineUp },
  { key: "Alt-ArrowDown", run: run.moveLineDown },
  { key: "Shift-Alt-ArrowUp", run: run.copyLineUp },
  { key: "Shift-Alt-ArrowDown", run: run.copyLineDown },
  { key: "Mod-Alt-ArrowUp", run: run.addCursorAbove },
  { key: "Mod-Alt-ArrowDown", run: run.addCursorBelow },
  { key: "Shift-Mod-k", run: run.deleteLine },
  ...["Mod-b", "Mod-i", "Mod-u"].map((key) => ({ key, run: nothing, preventDefault: true })),
  ...run.emacsStyleKeymap.map(({ key, run, shift }) => ({ mac: key, run, shift })),
];
