// Ten thousand random sessions: INKLOG_SESSIONS says how many, INKLOG_SEED replays one that failed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "./sim/session.js";

const SESSIONS = Number(process.env.INKLOG_SESSIONS ?? 400);
const SEED = process.env.INKLOG_SEED;

test("random sessions end with equal text, everything typed there once, and all saved", async () => {
  const first = SEED ? Number(SEED) : 1;
  const seen: Record<string, number> = {};
  for (let seed = first; seed < first + (SEED ? 1 : SESSIONS); seed++) {
    const session = new Session(seed);
    try {
      await session.run();
    } catch (error) {
      assert.fail(`INKLOG_SEED=${seed} replays it: ${error instanceof Error ? error.stack : error}`);
    }
    for (const [what, times] of Object.entries(session.seen)) seen[what] = (seen[what] ?? 0) + times;
  }
  console.log(`${SEED ? 1 : SESSIONS} sessions: ${JSON.stringify(seen)}`);
});
