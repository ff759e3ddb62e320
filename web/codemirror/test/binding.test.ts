import "./dom.js";
import { EditorSelection } from "@codemirror/state";
import { runScopeHandlers } from "@codemirror/view";
import assert from "node:assert/strict";
import { test } from "node:test";
import { presenceOf } from "@inklog/client/presence";
import { redo, remoteCursors, setInklogUser, undo } from "../src/index.js";
import { Room, type Desk } from "./room.js";

async function two(): Promise<{ room: Room; ada: Desk; ben: Desk }> {
  const room = new Room(7);
  const [ada, ben] = [room.open("ada"), room.open("ben")];
  await room.calm();
  return { room, ada, ben };
}

const type = ({ view }: Desk, insert: string, at = view.state.selection.main.head) =>
  view.dispatch({ changes: { from: at, insert }, selection: { anchor: at + insert.length }, userEvent: "input.type" });

test("what is typed in one editor shows in the other", async () => {
  const { room, ada, ben } = await two();
  type(ada, "Hello");
  await room.calm();
  assert.equal(ben.text, "Hello");
  type(ben, ", world", 5);
  type(ada, "Oh. ", 0);
  await room.calm();
  assert.equal(ada.text, "Oh. Hello, world");
  assert.equal(ben.text, ada.text);
});

test("nothing can be edited before the text is here", async () => {
  const room = new Room(1);
  const ada = room.open("ada");
  type(ada, "lost?");
  assert.equal(ada.text, "");
  assert.equal(ada.view.state.readOnly, true);
  await room.calm();
  assert.equal(ada.view.state.readOnly, false);
});

test("others' edits move the selection as their view of it moves", async () => {
  const { room, ada, ben } = await two();
  type(ada, "The quick brown fox");
  ada.view.dispatch({ selection: EditorSelection.single(4, 9) });
  await room.calm();
  type(ben, "See: ", 0);
  await room.calm();
  const { anchor, head } = ada.view.state.selection.main;
  assert.deepEqual([anchor, head], [9, 14]);
  const [cursor] = remoteCursors(ben.view);
  assert.deepEqual([cursor?.anchor, cursor?.head, cursor?.name], [9, 14, "ada"]);
});

test("typing beside another's caret leaves it where it was; typing at the edges of a selection stays out of it", async () => {
  const { room, ada, ben } = await two();
  type(ada, "abcd");
  ada.view.dispatch({ selection: EditorSelection.single(1, 3) });
  await room.calm();
  type(ben, "X", 3);
  type(ben, "Y", 1);
  await room.calm();
  assert.equal(ada.text, "aYbcXd");
  const { from, to } = ada.view.state.selection.main;
  assert.deepEqual([from, to], [2, 4]);
});

test("when all that was selected is deleted, what comes in its place is not selected", async () => {
  const { room, ada, ben } = await two();
  type(ada, "abcd");
  ada.view.dispatch({ selection: EditorSelection.single(1, 3) });
  await room.calm();
  ben.view.dispatch({ changes: { from: 0, to: 4 } });
  await room.calm();
  type(ben, "other", 0);
  await room.calm();
  assert.equal(ada.view.state.selection.main.empty, true);
  assert.equal(remoteCursors(ben.view)[0]?.head, ada.view.state.selection.main.head);
});

test("undo and redo take back one's own typing only, on the usual keys", async () => {
  const { room, ada, ben } = await two();
  type(ada, "mine");
  await room.calm();
  type(ben, "yours ", 0);
  await room.calm();
  const press = (key: string, shiftKey = false) =>
    runScopeHandlers(ada.view, new KeyboardEvent("keydown", { key, ctrlKey: true, shiftKey }), "editor");
  assert.equal(press("z"), true);
  assert.equal(ada.text, "yours ");
  assert.equal(press("z"), true, "the key is ours, also when there is nothing to undo");
  assert.equal(ada.text, "yours ");
  press("y");
  assert.equal(ada.text, "yours mine");
  assert.equal(ada.view.state.selection.main.head, 10, "the caret shows where");
  undo(ada.view);
  redo(ada.view);
  await room.calm();
  assert.equal(ben.text, "yours mine");
});

test("the browser's own undo is ours, too", async () => {
  const { ada } = await two();
  type(ada, "mine");
  const event = new InputEvent("beforeinput", { inputType: "historyUndo", cancelable: true });
  ada.view.contentDOM.dispatchEvent(event);
  assert.equal(event.defaultPrevented, true);
  assert.equal(ada.text, "");
});

test("\\r\\n and \\r survive, and positions fit", async () => {
  const { room, ada, ben } = await two();
  ada.doc.insert(0, "one\r\ntwo\rthree\r\n");
  await room.calm();
  assert.equal(ben.text, "one\ntwo\nthree\n");
  type(ben, "!", 13);
  ben.view.dispatch({ changes: { from: 3, to: 4, insert: "\n\n" } });
  await room.calm();
  assert.equal(ada.text, "one\n\ntwo\nthree!\n");
  assert.equal(ada.doc.text, "one\r\n\r\ntwo\rthree!\r\n");
});

test("half a surrogate pair never reaches the document, and a change inside one becomes a whole one", async () => {
  const { room, ada, ben } = await two();
  type(ada, "a😀b");
  ada.view.dispatch({ changes: { from: 2, to: 3, insert: "\ude01" } });
  assert.equal(ada.text, "a😁b");
  ada.view.dispatch({ changes: { from: 0, insert: "\ud83d" } });
  assert.equal(ada.text, "\ufffda😁b");
  await room.calm();
  assert.equal(ben.text, ada.text);
});

test("several ranges and several transactions at once are one edit", async () => {
  const { room, ada, ben } = await two();
  type(ada, "a b c");
  ada.view.dispatch({ changes: [{ from: 0, to: 1, insert: "A" }, { from: 2, insert: "[" }, { from: 5, insert: "!" }] });
  const first = ada.view.state.update({ changes: { from: 0, insert: "1" } });
  ada.view.dispatch([first, first.state.update({ changes: { from: 2, insert: "2" } })]);
  await room.calm();
  assert.equal(ada.text, "1A2 [b c!");
  assert.equal(ben.text, ada.text);
});

test("a name and a colour change for the others; what is no cursor is none", async () => {
  const { room, ada, ben } = await two();
  type(ada, "x");
  ada.view.dispatch({ effects: setInklogUser.of({ name: "Ada Lovelace", color: "#123456" }) });
  await room.calm();
  const [cursor] = remoteCursors(ben.view);
  assert.deepEqual([cursor?.name, cursor?.color], ["Ada Lovelace", "#123456"]);
  presenceOf(ada.doc).set({ name: 7, cursor: { anchor: "x", head: null } });
  await room.calm();
  assert.deepEqual(remoteCursors(ben.view), []);
  ada.leave();
  // What she showed last may overtake that she left: then it lapses.
  await room.calm(80_000);
  assert.equal(presenceOf(ben.doc).others.size, 0);
});

test("a long name is cut between characters, as people see them", async () => {
  const { room, ada, ben } = await two();
  const family = "👩‍👩‍👧‍👦";
  type(ada, "x");
  ada.view.dispatch({ effects: setInklogUser.of({ name: "a".repeat(39) + family + "b".repeat(10_000), color: "#".repeat(10_000) }) });
  await room.calm();
  assert.equal(remoteCursors(ben.view)[0]?.name, "a".repeat(39) + family);
  presenceOf(ada.doc).set({ name: "   ", cursor: { anchor: { id: null, side: 1 }, head: { id: null, side: 1 } } });
  await room.calm();
  assert.equal(remoteCursors(ben.view)[0]?.name, "ada");
});

test("a name longer than a presence state may be is cut, and the typing goes on", async () => {
  const { room, ada, ben } = await two();
  type(ada, "x");
  ada.view.dispatch({ effects: setInklogUser.of({ name: "é".repeat(5_000) }) });
  type(ada, "y");
  await room.calm();
  assert.equal(remoteCursors(ben.view)[0]?.name, "é".repeat(40));
  assert.equal(ben.text, "xy");
});

test("an editor that comes later, or again, shows what there is", async () => {
  const { room, ada } = await two();
  type(ada, "before");
  await room.calm();
  const late = room.open("cyd");
  await room.calm();
  assert.equal(late.text, "before");
  late.leave();
  const again = room.open("cyd", late.device);
  await room.calm();
  type(again, "!", 6);
  await room.calm();
  assert.equal(ada.text, "before!");
});
