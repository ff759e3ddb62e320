// An editor whose user may not change the document, or not any more.
import { window } from "./dom.js";
import { undo as commandsUndo } from "@codemirror/commands";
import { EditorView, runScopeHandlers } from "@codemirror/view";
import assert from "node:assert/strict";
import { test } from "node:test";
import { InklogDocument } from "../../client/src/index.js";
import { presenceOf } from "../../client/src/presence.js";
import { Device } from "../../client/test/sim/device.js";
import { Gate, type Right } from "../../client/test/sim/gate.js";
import { envOf } from "../../client/test/sim/network.js";
import { inklogExtension, redo, remoteCursors, undo } from "../src/index.js";
import { Room } from "./room.js";

function guarded(right: Right | null) {
  const room = new Room(5);
  const gate = (room.server.gate = new Gate(room.world));
  const open = (user: string) => {
    const tab = { dead: false, offline: false };
    const { world, network } = room;
    const options = { url: "ws://sim/dev", docId: "d", storage: new Device(world).storage(tab), WebSocket: network.socketOf(tab), token: () => gate.sign(user) };
    const doc = new InklogDocument(options, envOf(world, tab));
    const view = new EditorView({ parent: document.body, extensions: inklogExtension(doc, { user: { name: "Called so by themselves" } }) });
    return { doc, view };
  };
  gate.allow("ada", right);
  gate.allow("ben", "write");
  const become = async (user: string, doc: InklogDocument, right: Right | null) => {
    gate.allow(user, right);
    doc.reconnect();
    await room.calm();
  };
  return { room, gate, open, become };
}

const text = ({ state }: EditorView) => state.doc.toString();
const type = (view: EditorView, insert: string) => view.dispatch({ changes: { from: 0, insert }, userEvent: "input.type" });
const press = (view: EditorView, key: string) => runScopeHandlers(view, new KeyboardEvent("keydown", { key, ctrlKey: true }), "editor");
const fire = (view: EditorView, event: Event) => view.contentDOM.dispatchEvent(event);

/** Nothing that a person can do changes the text, and what they do to read it works. */
function isLocked(view: EditorView, doc: InklogDocument): void {
  const before = text(view);
  const { contentDOM, state } = view;
  assert.equal(state.readOnly, true);
  assert.equal(state.facet(EditorView.editable), false);
  assert.deepEqual(["contenteditable", "tabindex", "aria-readonly"].map((name) => contentDOM.getAttribute(name)), ["false", "0", "true"]);
  type(view, "typed");
  view.dispatch({ changes: { from: 0, insert: "語" }, userEvent: "input.type.compose" });
  for (const kind of ["paste", "cut", "drop"]) {
    const data = { getData: () => "by mouse", setData() {}, clearData() {}, files: [], types: ["text/plain"] };
    const event = Object.assign(new window.Event(kind, { bubbles: true, cancelable: true }), { clipboardData: data, dataTransfer: data, clientX: 0, clientY: 0 });
    view.dispatch({ selection: { anchor: 0, head: Math.min(1, state.doc.length) } });
    fire(view, event);
  }
  assert.deepEqual([undo(view), redo(view), commandsUndo(view)], [false, false, false]);
  press(view, "z");
  fire(view, new window.InputEvent("beforeinput", { inputType: "historyUndo", bubbles: true, cancelable: true }));
  assert.deepEqual([text(view), doc.text], [before, before]);
  view.focus();
  view.dispatch({ selection: { anchor: 0, head: before.length } });
  assert.deepEqual([view.root.activeElement === contentDOM, view.state.selection.main.to], [true, before.length]);
}

test("who may only read can select, and not change anything; others' edits and carets show", async () => {
  const { room, open } = guarded("read");
  const [ada, ben] = [open("ada"), open("ben")];
  isLocked(ada.view, ada.doc);
  await room.calm();
  type(ben.view, "by Ben");
  ben.view.dispatch({ selection: { anchor: 2 } });
  await room.calm();
  assert.equal(text(ada.view), "by Ben");
  isLocked(ada.view, ada.doc);
  assert.equal(remoteCursors(ada.view).length, 1);
  await room.calm();
  assert.equal(remoteCursors(ben.view).length, 1, "who reads is seen");
  ada.view.destroy();
  ben.view.destroy();
});

test("an editor is locked when the right goes, keeps what was typed, and goes on when it is back", async () => {
  const { room, open, become } = guarded("write");
  const { doc, view } = open("ada");
  await room.calm();
  type(view, "mine");
  await room.calm();
  await become("ada", doc, "read");
  isLocked(view, doc);
  await become("ada", doc, null);
  isLocked(view, doc);
  assert.equal(text(view), "mine");
  await become("ada", doc, "write");
  assert.deepEqual([view.state.readOnly, view.contentDOM.getAttribute("contenteditable"), view.contentDOM.hasAttribute("tabindex")], [false, "true", false]);
  type(view, "still ");
  assert.equal(doc.text, "still mine");
  assert.equal(undo(view), true);
  assert.equal(doc.text, "mine");
  view.destroy();
});

test("an edit that comes before the editor has heard of it is not taken", async () => {
  const { room, gate, open } = guarded("write");
  const { doc, view } = open("ada");
  await room.calm();
  type(view, "mine");
  let tried = "";
  doc.on("access", () => {
    type(view, "late ");
    view.dispatch({ changes: { from: 0, insert: "forced " }, filter: false });
    tried = doc.access!;
  });
  gate.allow("ada", "read");
  doc.reconnect();
  const { console: real } = globalThis;
  globalThis.console = { ...real, error: () => {} };
  await room.calm();
  globalThis.console = real;
  assert.deepEqual([tried, doc.text, text(view)], ["read", "mine", "mine"]);
  view.destroy();
});

test("a word that an input method composes ends when the right goes, and stays as far as it was written", async () => {
  const { room, open, become } = guarded("write");
  const { doc, view } = open("ada");
  await room.calm();
  view.dispatch({ changes: { from: 0, insert: "に" }, userEvent: "input.type.compose.start" });
  view.dispatch({ changes: { from: 1, insert: "ほ" }, userEvent: "input.type.compose" });
  await become("ada", doc, "read");
  view.dispatch({ changes: { from: 2, insert: "ん" }, userEvent: "input.type.compose" });
  assert.deepEqual([text(view), doc.text], ["にほ", "にほ"]);
  isLocked(view, doc);
  view.destroy();
});

test("a caret has the name that the server knows, whatever its user calls themselves", async () => {
  const { room, gate, open } = guarded("write");
  const [ada, ben] = [open("ada"), open("ben")];
  await room.calm();
  type(ada.view, "here");
  await room.calm();
  assert.deepEqual(remoteCursors(ben.view).map(({ name }) => name), ["ada's name"]);
  // Without a name in the token, it is the user's.
  const sign = gate.admit.bind(gate);
  gate.admit = (protocols) => {
    const identity = sign(protocols);
    return identity && { ...identity, name: undefined as any };
  };
  ada.doc.reconnect();
  await room.calm(60_000);
  assert.deepEqual(remoteCursors(ben.view).map(({ name }) => name), ["ada"]);
  assert.equal([...presenceOf(ben.doc).others.values()][0]!.state["name"], "Called so by themselves");
  ada.view.destroy();
  ben.view.destroy();
});
