// A word that an input method composes, and what others do meanwhile. A DOM without an input method: the view is told
// that it composes.
import "./dom.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { remoteCursors, undo } from "../src/index.js";
import { Room, type Desk } from "./room.js";

async function two(text: string): Promise<{ room: Room; ada: Desk; ben: Desk }> {
  const room = new Room(7);
  const [ada, ben] = [room.open("ada"), room.open("ben")];
  await room.calm();
  ben.doc.insert(0, text);
  await room.calm();
  ada.view.focus();
  return { room, ada, ben };
}

/** The word `old`, which begins there, becomes another. */
function compose({ view }: Desk, from: number, old: string, now: string, isFirst = false): void {
  (view as any).inputState.composing = 1;
  let same = 0;
  while (same < old.length && old[same] === now[same]) same++;
  view.dispatch({
    changes: { from: from + same, to: from + old.length, insert: now.slice(same) },
    selection: { anchor: from + now.length },
    userEvent: isFirst ? "input.type.compose.start" : "input.type.compose",
  });
}

async function end({ view }: Desk): Promise<void> {
  (view as any).inputState.composing = -1;
  view.contentDOM.dispatchEvent(new CompositionEvent("compositionend"));
  await new Promise((done) => setTimeout(done, 2));
}

test("what touches the word's line waits, the rest shows at once, and the word is whole in both texts", async () => {
  const { room, ada, ben } = await two("first\na b\nlast");
  compose(ada, 8, "", "に", true);
  await room.calm();
  assert.equal(ben.text, "first\na にb\nlast");
  ben.doc.edit([{ at: 9, del: 0, ins: "zz" }, { at: 8, del: 0, ins: "aa" }, { at: 0, del: 0, ins: "the " }]);
  ben.doc.edit([{ at: ben.doc.length, del: 0, ins: " one" }]);
  await room.calm(60_000);
  assert.equal(ada.text, "the first\na にb\nlast one");
  compose(ada, 12, "に", "にほ");
  compose(ada, 12, "にほ", "xにほ");
  await room.calm();
  assert.equal(ben.text, "the first\na aaxにほzzb\nlast one");
  assert.equal(remoteCursors(ben.view)[0]?.head, ben.doc.text.indexOf("zz"), "the caret is at the word's end");
  ben.doc.edit([{ at: 0, del: ben.doc.text.indexOf("aa"), ins: "" }]);
  await room.calm();
  assert.equal(ada.text, "the first\na xにほb\nlast one", "a deletion that reaches into the line waits as well");
  compose(ada, 12, "xにほ", "日本");
  await end(ada);
  await room.calm();
  assert.equal(ada.text, "aa日本zzb\nlast one");
  assert.equal(ben.text, ada.text);
  assert.equal(ada.view.state.selection.main.head, 4);
  assert.equal(room.thrown, undefined);
});

test("what is typed into the word's line by the same person is mapped right", async () => {
  const { room, ada, ben } = await two("one two");
  compose(ada, 3, "", "ん", true);
  await room.calm();
  ben.doc.edit([{ at: 0, del: 1, ins: "111" }]);
  await room.calm();
  ada.view.dispatch({ changes: { from: 8, insert: "!" } });
  ada.view.dispatch({ changes: { from: 0, insert: "(" } });
  assert.equal(ada.text, "(oneん two!");
  await room.calm();
  assert.match(ben.text, /^(\(111|111\()neん two!$/);
  await end(ada);
  assert.equal(ada.text, ben.text);
});

test("an end of which nobody tells is seen all the same; undo does not wait for one", async () => {
  const { room, ada, ben } = await two("one two");
  compose(ada, 3, "", "ん", true);
  await room.calm();
  ben.doc.insert(0, "held ");
  await room.calm();
  // What the focus has set off is past.
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(ada.text, "oneん two");
  (ada.view as any).inputState.composing = -1;
  await new Promise((done) => setTimeout(done, 450));
  assert.equal(ada.text, "held oneん two");
  compose(ada, 9, "", "に", true);
  await room.calm();
  ben.doc.insert(0, "un");
  await room.calm();
  undo(ada.view);
  assert.equal(ada.text, ada.doc.text);
  assert.match(ada.text, /^unheld one/);
});

test("an editor that is destroyed in the middle of a word leaves nothing behind", async () => {
  const { room, ada, ben } = await two("one two");
  compose(ada, 3, "", "ん", true);
  await room.calm();
  ben.doc.insert(0, "held ");
  await room.calm();
  ada.view.destroy();
  await new Promise((done) => setTimeout(done, 450));
  assert.equal(ada.doc.text, "held oneん two");
  assert.equal(room.thrown, undefined);
});

test("however much waits, it is one set", async () => {
  const { room, ada, ben } = await two("line\n");
  compose(ada, 4, "", "ん", true);
  await room.calm();
  for (let i = 0; i < 300; i++) ben.doc.edit([{ at: 0, del: i ? 1 : 0, ins: String(i % 10) }]);
  await room.calm();
  const { _ahead } = (ada.view as any).plugins.map(({ value }: any) => value).find((value: any) => value?._ahead);
  assert.deepEqual(_ahead.toJSON(), [[0, "9"], 6]);
  await end(ada);
  assert.equal(ada.text, "9lineん\n");
});

test("a word is one step of undo, however long it is composed, and the next word another", async () => {
  const { room, ada } = await two("[]");
  compose(ada, 1, "", "に", true);
  await room.calm(60_000);
  compose(ada, 1, "に", "にほ");
  await room.calm(60_000);
  compose(ada, 1, "にほ", "日本");
  await end(ada);
  await room.calm();
  compose(ada, 3, "", "ご", true);
  await room.calm(60_000);
  compose(ada, 3, "ご", "語");
  await end(ada);
  // Nor is what the application does after a word.
  ada.doc.insert(0, "> ");
  assert.equal(ada.text, "> [日本語]");
  for (const text of ["[日本語]", "[日本]", "[]"]) {
    assert.equal(undo(ada.view), true);
    assert.equal(ada.text, text);
  }
});
