// Changes that follow one another become one set, whatever their order, and at a cost that stays near their number.
import { ChangeSet } from "@codemirror/state";
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "../../client/test/sim/world.js";
import { coarse, leastChange, parted, textOf, Trail, viewOf } from "../src/trail.js";

test("random changes, in sweeps up and down, touching and not, give the text that they give one by one", () => {
  const { random } = new World(11);
  let breaks = 0;
  for (let round = 0; round < 3_000; round++) {
    const start = Array.from({ length: random.below(40) }, () => random.pick(["a", "b", "\n"])).join("");
    const trail = new Trail(textOf(start));
    let text = start;
    let near = random.below(text.length + 1);
    const step = random.pick([-3, -1, 0, 1, 3]);
    const count = 1 + random.below(8);
    for (let i = 0; i < count; i++) {
      if (random.chance(0.2)) near = random.below(text.length + 1);
      const from = Math.max(0, Math.min(text.length, near));
      const to = Math.min(text.length, from + random.below(4));
      const insert = Array.from({ length: random.below(4) }, () => random.pick(["x", "y", "\n"])).join("");
      if (random.chance(0.3)) {
        const at = random.below(text.length + 1);
        assert.equal(trail.view.isBreak(at), text[at] === "\n");
        breaks += text[at] === "\n" ? 1 : 0;
      }
      trail.add({ from, to, insert });
      text = text.slice(0, from) + insert + text.slice(to);
      near = from + (step > 0 ? insert.length : 0) + step;
    }
    assert.equal(trail.set()!.apply(textOf(start)).toString(), text);
  }
  assert.ok(breaks > 100);
  assert.equal(new Trail(textOf("a")).set(), null);
});

test("what touches a line is parted from the rest, and both together are the whole", () => {
  const { random } = new World(5);
  const doc = textOf("one\ntwo\nthree\nfour\nfive");
  for (let round = 0; round < 1_000; round++) {
    const changes = Array.from({ length: 1 + random.below(4) }, () => {
      const from = random.below(doc.length + 1);
      return { from, to: Math.min(doc.length, from + random.below(6)), insert: random.pick(["", "X", "\n"]) };
    });
    const set = changes.reduce<ChangeSet>((set, change) => set.compose(ChangeSet.of(change, doc.length).map(set)), ChangeSet.empty(doc.length));
    const line = doc.line(1 + random.below(doc.lines));
    const { touching, other } = parted(set, line.from, line.to);
    other?.iterChangedRanges((from, to) => assert.ok(to < line.from || from > line.to));
    const now = other ?? ChangeSet.empty(doc.length);
    const all = touching ? now.compose(touching.map(now)) : now;
    assert.equal(all.apply(doc).toString(), set.apply(doc).toString());
  }
});

test("many changes in large lines become few, with the same text", () => {
  const { random } = new World(3);
  for (let round = 0; round < 60; round++) {
    const doc = textOf(Array.from({ length: 1 + random.below(4) }, () => "ab cd ".repeat(random.below(3_000))).join("\n"));
    const count = 150 + random.below(400);
    const changes: { from: number; to: number; insert: string }[] = [];
    for (let at = 0; changes.length < count && at < doc.length; at += 1 + random.below(40)) {
      const to = Math.min(doc.length, at + random.below(4));
      changes.push({ from: at, to, insert: random.pick(["", "X", "Y\n", "😀"]) });
      at = to;
    }
    const set = ChangeSet.of(changes, doc.length);
    assert.ok(coarse(set, doc).apply(doc).eq(set.apply(doc)));
  }
  const doc = textOf("ab ".repeat(50_000));
  const set = ChangeSet.of(Array.from({ length: 40_000 }, (_, i) => ({ from: i * 3, to: i * 3 + 1, insert: "x" })), doc.length);
  let ranges = 0;
  coarse(set, doc).iterChangedRanges(() => ranges++);
  assert.equal(ranges, 1);
});

test("the least change is from the first difference to the last", () => {
  assert.equal(leastChange("a\nb", "a\r\nb"), null);
  assert.deepEqual(leastChange("aaa", "aa"), { from: 2, to: 3, insert: "" });
  assert.deepEqual(leastChange("one two", "one and two"), { from: 4, to: 4, insert: "and " });
});

for (const goesUp of [true, false])
  test(`84,000 replaced words, ${goesUp ? "from the first on" : "from the last on"}, are one set in well under a second`, () => {
    const count = 84_000;
    const doc = textOf("some word\n".repeat(count));
    const trail = new Trail(doc);
    const began = performance.now();
    for (let i = 0; i < count; i++) {
      const at = goesUp ? i * 12 + 5 : (count - 1 - i) * 10 + 5;
      assert.equal(trail.view.isBreak(at + 4), true);
      trail.add({ from: at, to: at + 4, insert: "" });
      trail.add({ from: at, to: at, insert: "change" });
    }
    const set = trail.set()!;
    const ms = performance.now() - began;
    assert.equal(set.apply(doc).toString(), "some change\n".repeat(count));
    assert.ok(ms < 1_000, `${ms} ms`);
    assert.equal(viewOf(doc).breaks, count);
  });
