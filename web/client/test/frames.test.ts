// Typed text becomes frames that the gateway takes, at every length around each cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc, type WireInsert } from "../src/crdt/index.js";
import { EVENT_BYTES_MAX, newLane, push } from "../src/sync/outbox.js";

const FRAME_BYTES_MAX = 32_768;
const agent = "a".repeat(64);
const other = "b".repeat(64);

/** The frames of a text typed after another's character; every name is as long as it may be. */
function framesOf(text: string): string[] {
  const lane = newLane(agent);
  const doc = new TextDoc();
  const before = doc.insert(other, 0, "b");
  push(lane, doc.insert(agent, 1, text) as WireInsert, () => []);
  const copy = new TextDoc();
  copy.apply({ agent: other, after: 0, ops: [before] });
  for (const { after, ops } of lane.events) copy.apply({ agent, after, ops });
  assert.ok(copy.toString() === doc.toString(), `${text.length} units`);
  return lane.events.map(({ after, ops }) =>
    JSON.stringify({ action: "SEND_OP", docId: "d".repeat(128), agent, after, ops, ref: 2 ** 53 - 1 }),
  );
}

test("text of any length around a cut becomes frames that fit", () => {
  for (const unit of ["x", "é", "中", "😀", '"', "\n", "\u0001"]) {
    const bytes = Buffer.byteLength(JSON.stringify(unit)) - 2;
    let [low, high] = [1, Math.ceil((2 * EVENT_BYTES_MAX) / bytes)];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (framesOf(unit.repeat(middle)).length === 1) low = middle;
      else high = middle;
    }
    assert.ok(high * bytes > EVENT_BYTES_MAX * 0.9, "frames are filled");
    for (let count = low - 8; count < high + 8; count++) {
      const frames = framesOf(unit.repeat(count));
      assert.equal(frames.length, count < high ? 1 : 2);
      for (const frame of frames) assert.ok(Buffer.byteLength(frame) <= FRAME_BYTES_MAX);
    }
  }
});
