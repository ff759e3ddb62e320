// What an application passes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { InklogDocument } from "../src/index.js";
import { envOf } from "./sim/network.js";
import { World } from "./sim/world.js";

test("names that the server would refuse are refused at once", () => {
  const open = (names: object) => new InklogDocument({ url: "ws://x", docId: "d", ...names }, envOf(new World(1), { dead: true }));
  assert.throws(() => open({ docId: "a/b" }), /docId must be 1 to 128/);
  assert.throws(() => open({ user: "Alice Smith" }), /user must be 1 to 40/);
});
