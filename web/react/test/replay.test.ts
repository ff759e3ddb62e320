import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc, type WireEvent, wireOp } from "@inklog/client/crdt";
import { Replay } from "../src/index.js";

test("thousands of events are replayed to any place, in any order of asking", () => {
  const doc = new TextDoc();
  const events: WireEvent[] = [];
  const texts = [""];
  for (let i = 0; i < 2_300; i++) {
    const after = doc.version.get("a") ?? 0;
    const op = doc.insert("a", (i * 7919) % (doc.length + 1), String.fromCharCode(97 + (i % 26)));
    events.push({ agent: "a", after, ops: [wireOp("a", op)] });
    texts.push(doc.toString());
  }
  const replay = new Replay(events);
  for (const n of [2_300, 0, 1, 999, 1_000, 1_001, 42, 2_299, 1_500, 500, 499]) assert.equal(replay.at(n).text, texts[n], String(n));
});

test("a long history keeps few states, and is right at the edges of each", () => {
  const doc = new TextDoc();
  const events: WireEvent[] = [];
  for (let i = 0; i < 200_000; i++) events.push({ agent: "a", after: i, ops: [wireOp("a", doc.insert("a", i % 2 ? 0 : i, String.fromCharCode(97 + (i % 26))))] });
  const text = doc.toString();
  const replay = new Replay(events);
  assert.equal(replay.at(200_000).text, text);
  assert.ok(replay["_marks"].length <= 32);
  for (const edge of [500, 16_000, 16_500, 32_000, 64_000, 128_000]) {
    for (const n of [edge + 1, edge, edge - 1]) {
      // What is typed at the front is every other character, the newest first.
      const { text, changes } = replay.at(n);
      assert.equal(text.length, n);
      assert.deepEqual(changes, [{ at: (n - 1) % 2 ? 0 : n - 1, del: 0, ins: String.fromCharCode(97 + ((n - 1) % 26)) }]);
    }
  }
});
