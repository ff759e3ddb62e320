import assert from "node:assert/strict";
import { test } from "node:test";
import { shortName } from "../src/presence.js";

const FAMILY = "👩🏽‍👩🏽‍👧🏽‍👦🏽";
const CHARACTERS = ["a", "é", "e\u0301", "😀", "👍🏿", FAMILY, "🇩🇪", "한", "क्षि", "\r\n"];

test("a name is cut between characters as people see them, never in one", () => {
  for (const character of CHARACTERS) {
    for (const max of [1, 2, 39, 40, 60, 80]) {
      for (const count of [max - 1, max, max + 1, 2 * max]) {
        // A line break around a name is trimmed.
        const name = `|${character.repeat(Math.max(0, count - 1))}`;
        const wanted = `|${character.repeat(Math.max(0, Math.min(count, max) - 1))}`.trimEnd();
        assert.equal(shortName(name, max), wanted, `${JSON.stringify(character)} × ${count} of ${max}`);
      }
    }
  }
});

test("forty characters are shown unless told otherwise, and spaces around them are not", () => {
  assert.equal(shortName(`  ${"x".repeat(41)} `), "x".repeat(40));
  assert.equal(shortName(` ${"ab ".repeat(20)}`, 3), "ab");
  assert.equal(shortName(" \n "), "");
});

test("what is no name is none", () => {
  for (const name of [undefined, null, 7, {}, ["a"], true]) assert.equal(shortName(name), "");
});

test("a character without end does not make a name without end", () => {
  const tower = `e${"\u0301".repeat(1_000_000)}`;
  assert.equal([...shortName(tower)].length, 640);
  assert.equal(shortName(`Ada ${tower}`), "Ada");
  assert.equal([...shortName(`e${"\u0301".repeat(15)}`.repeat(41))].length, 640);
  assert.equal(shortName(`${FAMILY.repeat(40)}x`), FAMILY.repeat(40));
});

test("half a surrogate pair does not stand in a name", () => {
  assert.equal(shortName("a\ud83d"), "a\ufffd");
  assert.equal(shortName("\ude00b"), "\ufffdb");
});

test("where the platform knows no graphemes, no surrogate pair is cut", () => {
  const { Segmenter } = Intl;
  try {
    Reflect.deleteProperty(Intl, "Segmenter");
    assert.equal(shortName("😀".repeat(41)), "😀".repeat(40));
  } finally {
    Object.defineProperty(Intl, "Segmenter", { configurable: true, writable: true, value: Segmenter });
  }
});
