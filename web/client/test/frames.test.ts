// Typed text becomes frames that the gateway takes, at every length around each cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc, wireOp } from "../src/crdt/index.js";
import { EVENT_BYTES_MAX, newOutbox, push, wireEvent } from "../src/sync/outbox.js";
import { encode } from "../src/sync/wire.js";

const FRAME_BYTES_MAX = 32_768;
const agent = "a".repeat(64);
const other = "b".repeat(64);

/** The frames of a text typed after another's character; every name is as long as it may be. */
function framesOf(text: string): string[] {
  const outbox = newOutbox(agent);
  const doc = new TextDoc();
  const before = doc.insert(other, 0, "b");
  push(outbox, doc.insert(agent, 1, text), () => []);
  const copy = new TextDoc();
  copy.apply({ agent: other, after: 0, ops: [wireOp(other, before)] });
  for (const event of outbox.events) copy.apply(wireEvent(agent, event));
  assert.ok(copy.toString() === doc.toString(), `${text.length} units`);
  return outbox.events.map((event) =>
    encode("d".repeat(128), { action: "SEND_OP", ...wireEvent(agent, event), ref: 2 ** 53 - 1 }),
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
