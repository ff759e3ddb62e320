// Recorded cases, in causal and in shuffled orders with repeats.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { TextDoc, type Change, type WireEvent, type WireOp } from "../src/crdt/index.js";
import { assertInvariants } from "./crdt/invariants.js";
import { Random, follow } from "./crdt/random.js";

const ROOT = new URL("../../../", import.meta.url);

interface Case {
  events?: WireEvent[];
  ops?: WireOp[];
  text: string;
  version?: Record<string, number>;
}

function check({ text, version, ...recorded }: Case, random: Random): void {
  const events = recorded.events ?? chained(recorded.ops!);
  const doc = new TextDoc();
  for (const event of events) {
    assert.equal(doc.apply(event), "now");
    assertInvariants(doc);
  }
  assert.equal(doc.toString(), text);
  if (version) assert.deepEqual(Object.fromEntries(doc.version), version);
  const state = doc.encode();
  for (let i = 0; i < 5; i++) {
    const order = random.shuffled([...events, ...events.filter(() => random.chance(30))]);
    const other = new TextDoc();
    const changes: Change[] = [];
    for (const event of order) other.apply(event, changes);
    assertInvariants(other);
    assert.equal(other.toString(), text);
    assert.equal(follow("", changes), text);
    assert.equal(other.waitingCount, 0);
    assert.deepEqual(other.encode(), state, "the encoding depends on the order of arrival");
  }
  const again = TextDoc.decode(state);
  assertInvariants(again);
  assert.equal(again.toString(), text);
  assert.deepEqual(again.encode(), state);
}

/** Ops in causal order as events, one each. */
function chained(ops: WireOp[]): WireEvent[] {
  const ends = new Map<string, number>();
  return ops.map((op) => {
    const dash = op.id.lastIndexOf("-");
    const agent = op.id.slice(0, dash);
    const after = ends.get(agent) ?? 0;
    const count = op.type === "delete" ? (op.len ?? 1) : [...(op.text ?? op.char ?? "")].length;
    ends.set(agent, Number(op.id.slice(dash + 1)) + count);
    return { agent, after, ops: [op] };
  });
}

for (const path of ["crdt/tests/data/vectors.jsonl", "../shared/vectors/events.jsonl.gz", "../shared/vectors/fugue.jsonl.gz"]) {
  test(`vectors: ${path}`, (t) => {
    const file = new URL(path, ROOT);
    if (path.startsWith("..") && !existsSync(file)) return t.diagnostic(`${path} is missing: its cases were not run`);
    const bytes = readFileSync(file);
    const lines = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString().trim().split("\n");
    const random = new Random(1);
    for (const line of lines) check(JSON.parse(line), random);
    t.diagnostic(`${lines.length} cases`);
  });
}
