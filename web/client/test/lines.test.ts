import assert from "node:assert/strict";
import { test } from "node:test";
import { LineMap, normalise, wellFormed, type View } from "../src/lines.js";

/** mulberry32 */
function random(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const viewOf = (text: string): View => ({
  isBreak: (at) => text[at] === "\n",
  breaks: text.split("\n").length - 1,
});
const splice = (text: string, from: number, to: number, ins: string) => text.slice(0, from) + ins + text.slice(to);

function checkPositions(map: LineMap, doc: string, view: string): void {
  let shown = 0;
  for (let at = 0; at <= doc.length; at++) {
    const inside = doc[at - 1] === "\r" && doc[at] === "\n";
    if (inside) assert.equal(map.toView(at), shown - 1, `toView(${at}) inside a pair of ${JSON.stringify(doc)}`);
    else {
      assert.equal(map.toView(at), shown, `toView(${at}) of ${JSON.stringify(doc)}`);
      assert.equal(map.toDoc(shown), at, `toDoc(${shown}) of ${JSON.stringify(doc)}`);
      shown += 1;
    }
  }
  assert.equal(shown - 1, view.length);
}

test("positions and edits are translated as by looking at the whole text, over random edits on both sides", () => {
  const seed = Number(process.env["INKLOG_SEED"] ?? 1);
  for (let session = 0; session < 400; session++) {
    const pick = random(seed * 1_000_003 + session);
    const alphabet = [["a", "b", "\n", "\r", "\r\n"], ["x", "\r\n"], ["\r", "\n"], ["a", "\n"]][session % 4]!;
    const some = (max: number) => Array.from({ length: pick(max + 1) }, () => alphabet[pick(alphabet.length)]).join("");
    let doc = some(12);
    let view = normalise(doc);
    const map = new LineMap(doc);
    for (let step = 0; step < 40; step++) {
      const what = `seed ${seed}, session ${session}, step ${step}`;
      if (pick(2)) {
        const from = pick(view.length + 1);
        const change = { from, to: Math.min(view.length, from + pick(4)), insert: normalise(some(3)) };
        const edit = map.local(change, viewOf(view));
        const wanted = splice(view, change.from, change.to, change.insert);
        doc = splice(doc, edit.at, edit.at + edit.del, edit.ins);
        view = wanted;
        assert.equal(normalise(doc), wanted, `${what}: the editor keeps what was done in it`);
      } else {
        const at = pick(doc.length + 1);
        const edit = { at, del: pick(Math.min(4, doc.length - at + 1)), ins: some(3) };
        const change = map.remote(edit, viewOf(view));
        doc = splice(doc, at, at + edit.del, edit.ins);
        if (change) view = splice(view, change.from, change.to, change.insert);
        assert.equal(view, normalise(doc), `${what}: ${JSON.stringify(edit)} gave ${JSON.stringify(change)}`);
      }
      checkPositions(map, doc, view);
    }
  }
});

test("a new line in a document of \\r\\n is a \\r\\n", () => {
  const map = new LineMap("one\r\ntwo\r\n");
  assert.deepEqual(map.local({ from: 7, to: 7, insert: "\n" }, viewOf("one\ntwo\n")), { at: 8, del: 0, ins: "\r\n" });
});

test("halves of surrogate pairs that stand alone become U+FFFD", () => {
  assert.equal(wellFormed("a\ud83d😀\ude00b"), "a\ufffd😀\ufffdb");
});
