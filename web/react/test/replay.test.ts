import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc, type WireEvent } from "@inklog/client/crdt";
import { Replay } from "../src/index.js";

test("thousands of events are replayed to any place, in any order of asking", () => {
  const doc = new TextDoc();
  const events: WireEvent[] = [];
  const texts = [""];
  for (let i = 0; i < 2_300; i++) {
    const after = doc.version.get("a") ?? 0;
    const op = doc.insert("a", (i * 7919) % (doc.length + 1), String.fromCharCode(97 + (i % 26)));
    events.push({ agent: "a", after, ops: [op] });
    texts.push(doc.toString());
  }
  const replay = new Replay(events);
  for (const n of [2_300, 0, 1, 999, 1_000, 1_001, 42, 2_299, 1_500, 500, 499]) assert.equal(replay.at(n).text, texts[n], String(n));
});
