// Edits as large as a document. What CodeMirror itself takes for them is measured beside it, without the binding.
import "./dom.js";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import assert from "node:assert/strict";
import { test } from "node:test";
import { inklogExtension, undo } from "../src/index.js";
import { Room } from "./room.js";

const WORDS = 84_000;

/** Milliseconds of the processor, which other programs do not make more. */
const spent = (): number => process.cpuUsage().user / 1_000;

function timed(what: () => void): number {
  const began = spent();
  what();
  return spent() - began;
}

/** Leaves out what the document takes. */
function without(doc: any, name: string, taken: { ms: number }): void {
  const own = doc[name].bind(doc);
  doc[name] = (...given: unknown[]) => {
    const began = spent();
    try {
      return own(...given);
    } finally {
      taken.ms += spent() - began;
    }
  };
}

test(`replacing ${WORDS} words takes the binding less than a second, and so does another's doing it`, async () => {
  const room = new Room(1);
  const doc = room.document("ada");
  const view = new EditorView({ parent: document.body, extensions: inklogExtension(doc) });
  const second = new EditorView({ parent: document.body, extensions: inklogExtension(doc) });
  const plain = new EditorView({ parent: document.body });
  await room.calm();
  const text = "some word\n".repeat(WORDS);
  view.dispatch({ changes: { from: 0, insert: text } });
  plain.dispatch({ changes: { from: 0, insert: text } });
  const core = { ms: 0 };
  without(doc.core, "edit", core);
  let least = Infinity;
  // The first round pays for compiling.
  for (const [old, now] of [["word", "change"], ["change", "word"], ["word", "change"]] as const) {
    const length = old.length + 6;
    const changes = Array.from({ length: WORDS }, (_, i) => ({ from: i * length + 5, to: (i + 1) * length - 1, insert: now }));
    core.ms = 0;
    const bare = timed(() => plain.dispatch({ changes }));
    // Two editors: the second follows as it would follow another's edits.
    const both = timed(() => view.dispatch({ changes }));
    const replaced = `some ${now}\n`.repeat(WORDS);
    assert.ok(view.state.doc.toString() === replaced && second.state.doc.toString() === replaced && doc.text === replaced);
    const own = both - core.ms - 2 * bare;
    console.log(`${WORDS} words: ${both | 0} ms in all, of that the document ${core.ms | 0}, CodeMirror ${(2 * bare) | 0}, the binding ${own | 0}`);
    least = Math.min(least, own);
  }
  assert.ok(least < 1_000, `${least} ms`);
  const back = timed(() => undo(view));
  console.log(`undone in ${back | 0} ms, all told`);
  assert.ok(back < 4_000, `${back} ms`);
  assert.ok(view.state.doc.toString() === doc.text && second.state.doc.toString() === doc.text);
  assert.notEqual(doc.length, "some change\n".length * WORDS);
  view.dispatch({ changes: { from: 5, insert: "here " } });
  assert.equal(doc.text.slice(0, 10), "some here ");
  for (const one of [view, second, plain]) one.destroy();
});

test(`${WORDS} words of one line, replaced by another part of the page, are followed in a second`, async () => {
  const room = new Room(1);
  const doc = room.document("ada");
  const view = new EditorView({ parent: document.body, extensions: inklogExtension(doc) });
  await room.calm();
  doc.insert(0, "some word ".repeat(WORDS));
  view.dispatch({ selection: { anchor: 500_004 } });
  const edits = Array.from({ length: WORDS }, (_, i) => ({ at: (WORDS - 1 - i) * 10 + 5, del: 4, ins: "change" }));
  const core = { ms: 0 };
  without(doc.core, "edit", core);
  const own = timed(() => doc.edit(edits)) - core.ms;
  assert.equal(view.state.doc.toString(), "some change ".repeat(WORDS));
  assert.ok(own < 2_000, `${own} ms`);
  assert.equal(view.state.selection.main.head, 600_004, "the caret stays in its word");
  view.dispatch(view.state.replaceSelection("!"));
  assert.equal(doc.text.slice(600_000, 600_012), "some! change");
  view.destroy();
});

test("200,000 lines pasted, and a text of one line that is as long", async () => {
  const room = new Room(1);
  const doc = room.document("ada");
  const view = new EditorView({ parent: document.body, state: EditorState.create({ extensions: inklogExtension(doc) }) });
  await room.calm();
  for (const text of ["a line of text\n".repeat(200_000), "a line of text ".repeat(200_000)]) {
    const ms = timed(() => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }));
    assert.equal(doc.length, text.length);
    assert.ok(ms < 3_000, `${ms} ms`);
    const typing = timed(() => {
      for (let i = 0; i < 20; i++) view.dispatch({ changes: { from: 1_000_000 + i, insert: "x" } });
      doc.insert(2_000_000, "y");
    });
    assert.equal(view.state.doc.length, text.length + 21);
    assert.ok(typing < 1_000, `${typing} ms`);
  }
  view.destroy();
});
