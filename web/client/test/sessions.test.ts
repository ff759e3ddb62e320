// Random sessions of tabs, a network and a server; see sim/session.ts and sim/run.ts.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

test("random sessions end with equal text, everything typed there once, and all saved", () => {
  const program = ["--conditions=@inklog/source", "--import", "tsx", join(import.meta.dirname, "sim/run.ts")];
  const { status, stdout, stderr } = spawnSync(process.execPath, program, { encoding: "utf8" });
  console.log(stdout.trim());
  assert.equal(status, 0, stderr);
});
