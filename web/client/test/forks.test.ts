// Which of the texts that a server forgot are kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import { forkId, forkPrefix, forksOf, withFork } from "../src/forks.js";

const fork = (text: string, at: number) => ({ id: forkId(text), text, at });

test("every text has an id of its own, whoever puts it aside", () => {
  const texts = ["", "a", "b", "ab", "ba", "ab ", "é", "😀", "x".repeat(100_000), `${"x".repeat(99_999)}y`];
  assert.equal(new Set(texts.map(forkId)).size, texts.length);
  assert.equal(forkId("ab"), forkId(["a", "b"].join("")));
  // It is part of a key.
  for (const text of texts) assert.match(forkId(text), /^\d+-[0-9a-z]+$/);
  assert.ok(forkPrefix("d").startsWith("d/~"));
  assert.notEqual(forkPrefix("d"), forkPrefix("e"));
});

test("the newest twenty are kept, and a text that is put aside again is there once, as the newest", () => {
  let forks = Array.from({ length: 19 }, (_, i) => fork(`text ${i}`, i));
  let gone: typeof forks = [];
  const puts = (text: string, at: number) => ({ forks, gone } = withFork(forks, fork(text, at)));
  puts("text 19", 19);
  assert.deepEqual([forks.length, forks[0]!.text, gone], [20, "text 0", []]);
  puts("text 5", 20);
  assert.deepEqual([forks.length, forks[5]!.text, forks[19], gone], [20, "text 6", fork("text 5", 20), []]);
  puts("text 21", 21);
  assert.deepEqual([forks.length, forks[0]!.text, forks[19]!.text, gone], [20, "text 1", "text 21", [fork("text 0", 0)]]);
});

test("a server's forks come oldest first, without what only the record says", () => {
  const record = (text: string, at: number, server: string) => [text, { ...fork(text, at), server, log: "A" }] as [string, ReturnType<typeof fork> & { server: string; log: string }];
  const records = [record("c", 3, "x"), record("a", 1, "x"), record("there", 0, "y"), record("b", 2, "x")];
  assert.deepEqual(forksOf(records, "x"), [fork("a", 1), fork("b", 2), fork("c", 3)]);
});
