// Random sessions of editors over a bad network: INKLOG_SESSIONS says how many, INKLOG_SEED replays one that failed.
import "./dom.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { EditorSession } from "./session.js";

const SESSIONS = Number(process.env["INKLOG_SESSIONS"] ?? 300);
const SEED = process.env["INKLOG_SEED"];

test("random sessions of editors end with equal text and equal cursors", async () => {
  const first = SEED ? Number(SEED) : 1;
  const count = SEED ? 1 : SESSIONS;
  const seen: Record<string, number> = {};
  for (let seed = first; seed < first + count; seed++) {
    const session = new EditorSession(seed);
    try {
      await session.run();
    } catch (error) {
      assert.fail(`INKLOG_SEED=${seed} replays it: ${error instanceof Error ? error.stack : error}`);
    }
    for (const [what, times] of Object.entries(session.seen)) seen[what] = (seen[what] ?? 0) + times;
  }
  console.log(`${count} sessions from seed ${first}: ${JSON.stringify(seen)}`);
  // What never happened was not tested.
  if (!SEED && count >= 100)
    for (const what of ["cursors", "replace", "two ranges", "undo", "redo", "return", "offline", "crash", "cut", "paste"])
      assert.ok(seen[what]! > 0, `no session had: ${what}`);
});

test("the comparison can fail: an editor that drops one edit of others is found", async () => {
  const session = new EditorSession(3);
  session.sabotage = true;
  await assert.rejects(session.run(), /shows another text/);
});
