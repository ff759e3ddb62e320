// An editor is its host's: it may be read-only, filtered, bound to another document, or taken away.
import "./dom.js";
import { history, historyKeymap, redo as commandsRedo, undo as commandsUndo, undoDepth } from "@codemirror/commands";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { EditorView, keymap, runScopeHandlers, ViewPlugin } from "@codemirror/view";
import { vim } from "@replit/codemirror-vim";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { InklogDocument } from "@inklog/client";
import { presenceOf } from "@inklog/client/presence";
import { inklogExtension, redo, remoteCursors, undo } from "../src/index.js";
import { Room } from "./room.js";

function show(extensions: Extension, doc = ""): EditorView {
  return new EditorView({ parent: document.body, state: EditorState.create({ doc, extensions }) });
}

const text = (view: EditorView) => view.state.doc.toString();
const type = (view: EditorView, insert: string, at = view.state.doc.length) =>
  view.dispatch({ changes: { from: at, insert }, selection: { anchor: at + insert.length }, userEvent: "input.type" });
const press = (view: EditorView, key: string) =>
  runScopeHandlers(view, new KeyboardEvent("keydown", { key, ctrlKey: true }), "editor");
const browserUndo = (view: EditorView) => {
  const event = new InputEvent("beforeinput", { inputType: "historyUndo", cancelable: true, bubbles: true });
  view.contentDOM.dispatchEvent(event);
  return event.defaultPrevented;
};

/** A room with one document that has a text. */
async function written(text: string): Promise<{ room: Room; doc: InklogDocument }> {
  const room = new Room(3);
  const doc = room.document("ada");
  await room.calm();
  doc.insert(0, text);
  await room.calm();
  return { room, doc };
}

for (const [how, is] of [["after", (ours: Extension) => [ours, EditorState.readOnly.of(true)]], ["before", (ours: Extension) => [EditorState.readOnly.of(true), ours]]] as const)
  test(`a host's readOnly ${how} the extension holds, for undo and redo as well, and others' edits still come`, async () => {
    const { room, doc } = await written("");
    const view = show(is(inklogExtension(doc)));
    await room.calm();
    doc.insert(0, "by another part");
    assert.equal(text(view), "by another part");
    assert.equal(view.state.readOnly, true);
    assert.equal(undo(view), false);
    assert.equal(redo(view), false);
    assert.equal(commandsUndo(view), false);
    press(view, "z");
    assert.equal(browserUndo(view), true, "and the browser does not do it by itself");
    assert.equal(doc.text, "by another part");
    view.destroy();
  });

test("a host's readOnly that comes and goes is followed", async () => {
  const { room, doc } = await written("");
  const lock = new Compartment();
  const view = show([inklogExtension(doc), lock.of([])]);
  await room.calm();
  type(view, "one");
  view.dispatch({ effects: lock.reconfigure(EditorState.readOnly.of(true)) });
  press(view, "z");
  assert.equal(doc.text, "one");
  view.dispatch({ effects: lock.reconfigure([]) });
  assert.equal(view.state.readOnly, false);
  press(view, "z");
  assert.equal(doc.text, "");
  view.destroy();
});

test("an editor that cannot be typed in is not changed by a key either", async () => {
  const { room, doc } = await written("");
  const view = show([inklogExtension(doc), EditorView.editable.of(false)]);
  await room.calm();
  doc.insert(0, "kept");
  press(view, "z");
  browserUndo(view);
  assert.equal(doc.text, "kept");
  view.destroy();
});

test("until the text is here the editor is read-only, also where the host says otherwise", async () => {
  const room = new Room(1);
  const doc = room.document("ada");
  const view = show([EditorState.readOnly.of(false), inklogExtension(doc)]);
  assert.equal(view.state.readOnly, true);
  type(view, "lost?");
  assert.equal(text(view), "");
  await room.calm();
  assert.equal(view.state.readOnly, false);
  view.destroy();
});

test("a host's filters hold for what is typed, and cannot keep others' edits out", async () => {
  const { room, doc } = await written("head\n");
  const filters = [
    EditorState.changeFilter.of(() => [0, 4]),
    EditorState.transactionFilter.of((tr) => (tr.docChanged && tr.newDoc.length > 12 ? [] : tr)),
  ];
  for (const extensions of [[inklogExtension(doc), filters], [filters, inklogExtension(doc)]]) {
    const view = show(extensions);
    await room.calm();
    const before = doc.text;
    type(view, "no", 2);
    type(view, "far too much of it", 5);
    assert.equal(doc.text, before);
    type(view, "ok", 5);
    assert.equal(doc.text, before.slice(0, 5) + "ok" + before.slice(5));
    doc.delete(5, 2);
    doc.insert(2, "-------------");
    assert.equal(text(view), doc.text);
    doc.delete(2, 13);
    assert.equal(text(view), before);
    view.destroy();
  }
});

test("a filter of the host cannot bring half a pair in behind ours", async () => {
  const { room, doc } = await written("");
  const half = EditorState.transactionFilter.of((tr) => (tr.docChanged ? [tr, { changes: { from: 0, insert: "\ud83d" }, sequential: true }] : tr));
  const view = show([half, inklogExtension(doc)]);
  await room.calm();
  type(view, "a");
  assert.equal(text(view), "\ufffda");
  assert.equal(doc.text, text(view));
  view.destroy();
});

test("CodeMirror's own commands, with history() and without, take back one's own edits only", async () => {
  for (const extensions of [[], history(), [history(), keymap.of(historyKeymap)]]) {
    const { room, doc } = await written("theirs ");
    const view = show([extensions, inklogExtension(doc)]);
    await room.calm();
    const other = room.document("ben");
    await room.calm();
    type(view, "mine");
    await room.calm();
    other.insert(0, "more of ");
    await room.calm();
    assert.equal(undoDepth(view.state), 1);
    assert.equal(commandsUndo(view), true);
    assert.equal(text(view), "more of theirs ");
    assert.equal(doc.text, text(view));
    assert.equal(commandsRedo(view), true);
    assert.equal(text(view), "more of theirs mine");
    assert.equal(view.state.selection.main.head, 19, "the caret shows where");
    await room.calm();
    assert.equal(other.text, text(view));
    view.destroy();
  }
});

test("a step that nobody dispatches is shown all the same", async () => {
  const { room, doc } = await written("");
  const view = show(inklogExtension(doc));
  await room.calm();
  type(view, "mine");
  assert.equal(commandsUndo({ state: view.state, dispatch: () => {} }), true);
  await Promise.resolve();
  assert.equal(text(view), "");
  assert.equal(doc.text, "");
  view.destroy();
});

test("Vim's u and Ctrl-r undo and redo", async () => {
  const { room, doc } = await written("theirs ");
  const view = show([vim(), inklogExtension(doc)]);
  await room.calm();
  type(view, "mine");
  const down = (key: string, ctrlKey = false) =>
    view.contentDOM.dispatchEvent(new window.KeyboardEvent("keydown", { key, ctrlKey, bubbles: true, cancelable: true }));
  down("u");
  assert.equal(doc.text, "theirs ");
  assert.equal(text(view), "theirs ");
  down("r", true);
  assert.equal(doc.text, "theirs mine");
  assert.equal(text(view), "theirs mine");
  view.destroy();
});

test("another document in the same editor: nothing of the first is in it, and nothing can be typed before it is there", async () => {
  for (const isReady of [true, false]) {
    const [a, b] = [await written("of A"), await written("of B")];
    const second = isReady ? b.doc : b.room.document("cyd");
    const slot = new Compartment();
    const view = show(slot.of(inklogExtension(a.doc)));
    await a.room.calm();
    assert.equal(text(view), "of A");
    view.dispatch({ effects: slot.reconfigure(inklogExtension(second)) });
    assert.equal(view.state.readOnly, true);
    type(view, "at once");
    await Promise.resolve();
    if (!isReady) {
      assert.equal(text(view), "");
      assert.equal(view.state.readOnly, true);
      type(view, "too early");
      assert.equal(text(view), "");
      a.doc.insert(0, "nor this ");
      assert.equal(text(view), "");
    }
    await b.room.calm();
    assert.equal(text(view), "of B");
    assert.equal(view.state.readOnly, false);
    type(view, ", typed");
    await b.room.calm();
    assert.equal(b.doc.text, "of B, typed");
    assert.match(a.doc.text, /^(nor this )?of A$/);
    // Undo is the second's, too.
    commandsUndo(view);
    assert.deepEqual([text(view), second.text], ["of B", "of B"]);
    view.destroy();
  }
});

test("through two documents at once, with the text in the same transaction, and back", async () => {
  const [a, b] = [await written("of A"), await written("of B")];
  const slot = new Compartment();
  const view = show(slot.of(inklogExtension(a.doc)));
  await a.room.calm();
  view.dispatch({ effects: slot.reconfigure(inklogExtension(new Room(9).document("nobody"))) });
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: "the host's" }, effects: slot.reconfigure(inklogExtension(b.doc)) });
  await b.room.calm();
  assert.equal(text(view), "of B");
  view.dispatch({ effects: slot.reconfigure(inklogExtension(a.doc)) });
  await a.room.calm();
  assert.equal(text(view), "of A");
  assert.deepEqual([a.doc.text, b.doc.text], ["of A", "of B"]);
  view.destroy();
});

test("the same document again: text and caret stay", async () => {
  const { room, doc } = await written("of A");
  const slot = new Compartment();
  const view = show(slot.of(inklogExtension(doc)));
  await room.calm();
  view.dispatch({ selection: { anchor: 2 } });
  view.dispatch({ effects: slot.reconfigure(inklogExtension(doc, { user: { name: "A" } })) });
  assert.equal(text(view), "of A");
  await room.calm();
  type(view, "!", 2);
  assert.equal(doc.text, "of! A");
  assert.equal(text(view), doc.text);
  view.destroy();
});

test("without the extension the editor is a plain one, with a history of its own", async () => {
  const { room, doc } = await written("of A");
  const slot = new Compartment();
  const view = show([history(), slot.of(inklogExtension(doc))]);
  await room.calm();
  type(view, "!");
  view.dispatch({ effects: slot.reconfigure([]) });
  assert.equal(text(view), "of A!");
  assert.equal(view.state.readOnly, false);
  type(view, " plain");
  doc.insert(0, "not here ");
  assert.equal(text(view), "of A! plain");
  assert.equal(doc.text, "not here of A!");
  assert.equal(commandsUndo(view), true);
  assert.equal(text(view), "of A!");
  assert.equal(undo(view), false);
  view.dispatch({ effects: slot.reconfigure(inklogExtension(doc)) });
  await room.calm();
  assert.equal(text(view), "not here of A!");
  view.destroy();
});

test("two editors on one document: both show it, and the others see the caret of the one that is used", async () => {
  const { room, doc } = await written("shared");
  const views = [show(inklogExtension(doc)), show(inklogExtension(doc))].reverse() as [EditorView, EditorView];
  const ben = room.open("ben");
  await room.calm();
  type(views[0], "!", 6);
  assert.equal(text(views[1]), "shared!");
  views[1].dispatch({ selection: { anchor: 3 } });
  await room.calm();
  type({ dispatch: ben.view.dispatch.bind(ben.view), state: ben.view.state } as EditorView, "We ", 0);
  await room.calm();
  assert.deepEqual(views.map(text), ["We shared!", "We shared!"]);
  assert.deepEqual(remoteCursors(ben.view).map(({ head }) => head), [6]);
  undo(views[1]);
  assert.deepEqual(views.map(text), ["We shared", "We shared"]);
  for (const view of views) view.destroy();
  await room.calm();
  assert.deepEqual(remoteCursors(ben.view), [], "nobody works in it any more");
  ben.leave();
});

test("an editor that goes before its document is ready, and one that comes when it is offline already", async () => {
  const room = new Room(2);
  const tab = { dead: false, offline: true, page: new EventTarget() };
  const doc = room.document("ada", undefined, tab);
  const early = show(inklogExtension(doc));
  early.destroy();
  await room.calm();
  assert.equal(doc.status, "offline");
  const view = show(inklogExtension(doc));
  await Promise.resolve();
  type(view, "begun offline");
  assert.equal(doc.text, "begun offline");
  assert.equal(presenceOf(doc).others.size, 0);
  view.destroy();
});

test("a document that is closed makes its editor read-only, at once for what changes the text", async () => {
  const { room, doc } = await written("of A");
  const view = show(inklogExtension(doc));
  await room.calm();
  const closed = doc.close();
  type(view, "lost?");
  assert.equal(text(view), "of A");
  assert.equal(doc.text, "of A");
  await room.calm();
  await closed;
  await Promise.resolve();
  assert.equal(view.state.readOnly, true);
  assert.equal(undo(view), false);
  const late = show(inklogExtension(doc));
  await room.calm();
  assert.deepEqual([text(late), late.state.readOnly], ["of A", true]);
  view.destroy();
  late.destroy();
});

test("when the document takes an edit not, or otherwise, the editor shows what the document has", async () => {
  const { room, doc } = await written("of A");
  const thrown: unknown[] = [];
  const view = show([inklogExtension(doc), EditorView.exceptionSink.of((error) => thrown.push(error))]);
  await room.calm();
  const edit = doc.edit;
  for (const bad of [() => { throw new Error("no") }, (edits: any) => edit.call(doc, [{ ...edits[0], ins: "other" }]), () => {}]) {
    thrown.length = 0;
    const before = doc.text;
    doc.edit = bad;
    type(view, "typed");
    doc.edit = edit;
    type(view, "and this");
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(text(view), doc.text);
    type(view, "!", 0);
    assert.equal(doc.text, text(view));
    assert.notEqual(doc.text, before);
  }
  doc.insert(0, "still bound ");
  assert.equal(text(view), doc.text);
  view.destroy();
});

test("a part of the host that writes into the document in the middle of an update of the editor", async () => {
  const { room, doc } = await written("of A");
  let budget = 0;
  const meddler = ViewPlugin.define(() => ({
    update: ({ docChanged, selectionSet }) => {
      if ((docChanged || selectionSet) && budget-- > 0) doc.insert(1, "~");
    },
  }));
  for (const extensions of [[meddler, inklogExtension(doc)], [inklogExtension(doc), meddler]]) {
    for (const [before, change] of [
      [3, { changes: { from: 4, insert: " typed" } }],
      [0, { changes: { from: 4, insert: " too" } }],
      [0, { selection: { anchor: 1 } }],
    ] as const) {
      budget = before;
      const view = show(extensions);
      await room.calm();
      const { text: was } = doc;
      budget = 1;
      view.dispatch(change);
      await Promise.resolve();
      await Promise.resolve();
      assert.equal(text(view), doc.text);
      assert.equal(doc.length, was.length + 1 + ("changes" in change ? change.changes.insert.length : 0));
      assert.ok(!("changes" in change) || doc.text.includes(change.changes.insert));
      view.destroy();
    }
  }
});

test("a part of the host that edits whenever the document changes", async () => {
  const { room, doc } = await written("of A");
  let budget = 0;
  doc.on("change", () => budget-- > 0 && doc.insert(0, "<"));
  const view = show(inklogExtension(doc));
  await room.calm();
  doc.on("change", () => budget-- > 0 && doc.insert(doc.length, ">"));
  budget = 4;
  type(view, "x", 2);
  await Promise.resolve();
  assert.equal(text(view), doc.text);
  assert.match(doc.text, /<ofx A/);
  view.destroy();
});
