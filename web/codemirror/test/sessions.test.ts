// Random sessions of editors over a bad network. INKLOG_SEED replays one that failed; INKLOG_SESSIONS says how many, from
// INKLOG_SEED on where both are given.
import "./dom.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { EditorSession } from "./session.js";

const SEED = process.env["INKLOG_SEED"];
const SESSIONS = Number(process.env["INKLOG_SESSIONS"] ?? (SEED ? 1 : 150));

test("random sessions of editors end with equal text and equal cursors", async () => {
  const first = SEED ? Number(SEED) : 1;
  const seen: Record<string, number> = {};
  for (let seed = first; seed < first + SESSIONS; seed++) {
    const session = new EditorSession(seed);
    try {
      await session.run();
    } catch (error) {
      assert.fail(`INKLOG_SEED=${seed} replays it: ${error instanceof Error ? error.stack : error}`);
    }
    for (const [what, times] of Object.entries(session.seen)) seen[what] = (seen[what] ?? 0) + times;
  }
  console.log(`${SESSIONS} sessions from seed ${first}: ${JSON.stringify(seen)}`);
  // What never happened was not tested.
  if (SESSIONS >= 100)
    for (const what of ["cursors", "replace", "two ranges", "undo", "redo", "return", "offline", "crash", "cut", "paste", "word", "held"])
      assert.ok(seen[what]! > 0, `no session had: ${what}`);
});

test("the comparison can fail: an editor that drops one edit of others is found", async () => {
  const session = new EditorSession(3);
  session.sabotage = true;
  await assert.rejects(session.run(), /shows another text/);
});
