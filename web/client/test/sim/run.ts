// Runs random sessions: INKLOG_SESSIONS says how many, INKLOG_SEED replays one that failed (both: from that one on).
// A program of its own, for the test runner watches every promise, which makes these three times as slow.

import { Session } from "./session.js";

const SEED = process.env.INKLOG_SEED;
const SESSIONS = Number(process.env.INKLOG_SESSIONS ?? (SEED ? 1 : 500));

const seen: Record<string, number> = {};
const first = Number(SEED ?? 1);
for (let seed = first; seed < first + SESSIONS; seed++) {
  const session = new Session(seed);
  try {
    await session.run();
  } catch (error) {
    console.error(`INKLOG_SEED=${seed} replays it: ${error instanceof Error ? error.stack : error}`);
    process.exit(1);
  }
  for (const [what, times] of Object.entries(session.seen)) seen[what] = (seen[what] ?? 0) + times;
}
console.log(`${SESSIONS} sessions: ${Object.entries(seen).map(([what, times]) => `${times} × ${what}`).join(", ")}`);
