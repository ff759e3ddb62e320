// When a token is replaced.

import assert from "node:assert/strict";
import { test } from "node:test";
import { renewalOf } from "../src/token.js";
import { jwt } from "./sim/jwt.js";

const MINUTE = 60_000;
const NOW = 1_700_000_000_000;
const at = (ms: number) => (NOW + ms) / 1_000;

/** The earliest and the latest. */
const renewals = (claims: Record<string, unknown>, now = NOW) => [0, 1].map((random) => Math.round(renewalOf(jwt(claims), now, 1 - random)));

test("a fifth of its life, and at least 10 s, before it expires, and up to half of that earlier", () => {
  assert.deepEqual(renewals({ iat: at(0), exp: at(60 * MINUTE) }), [42 * MINUTE, 48 * MINUTE]);
  assert.deepEqual(renewals({ iat: at(0), exp: at(20_000) }), [5_000, 10_000]);
  assert.deepEqual(renewals({ iat: at(0), exp: at(5_000) }), [500, 500]);
});

test("of a token from a cache, what is left counts", () => {
  assert.deepEqual(renewals({ iat: at(-30 * MINUTE), exp: at(30 * MINUTE) }), [12 * MINUTE, 18 * MINUTE]);
  assert.deepEqual(renewals({ iat: at(-59 * MINUTE), exp: at(1 * MINUTE) }), [6 * MINUTE, 6 * MINUTE]);
});

test("where the clock is wrong, its life counts from now on, and it is never replaced in a hurry", () => {
  const claims = { iat: at(0), exp: at(60 * MINUTE) };
  for (const wrong of [-26 * 60 * MINUTE, -60 * MINUTE, 60 * MINUTE, 26 * 60 * MINUTE]) {
    assert.deepEqual(renewals(claims, NOW + wrong), [42 * MINUTE, 48 * MINUTE], `${wrong} ms off`);
  }
  assert.deepEqual(renewals(claims, NOW + 59 * MINUTE), [6 * MINUTE, 6 * MINUTE]);
});

test("without a time of issue, the clock has to do", () => {
  assert.deepEqual(renewals({ exp: at(60 * MINUTE) }), [42 * MINUTE, 48 * MINUTE]);
  assert.deepEqual(renewals({ exp: at(-1) }), [Infinity, Infinity]);
});

test("what says nothing of its end is kept", () => {
  for (const claims of [{}, { exp: "soon" }, { iat: at(0) }, { iat: at(10), exp: at(10) }]) assert.deepEqual(renewals(claims), [Infinity, Infinity]);
  for (const opaque of ["", "abc", "a.b.c", "a.bnVsbA.c", "ey.ey.ey"]) assert.equal(renewalOf(opaque, NOW, 0), Infinity, opaque);
});
