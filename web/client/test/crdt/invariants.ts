// What holds of every document, checked from the outside in: takes time in proportion to the document, and more for a
// small one, whose tree is then climbed node by node.
import assert from "node:assert/strict";
import type { TextDoc } from "../../src/crdt/index.js";
import { MAX_RUN, NIL, type Run, START, goesOn } from "../../src/crdt/run.js";

/** How many nodes a document may have for its depths and gaps to be checked. */
const CLIMBED = 1500;

export function assertInvariants(doc: TextDoc): void {
  const { tree, ids } = doc;
  const runs: Run[] = [];
  for (let run = tree.first; runs.at(-1) !== tree.end; run = run.next) runs.push(run);
  assertTree(runs, doc.length);
  const seen = new Uint8Array(ids.next);
  runs.forEach((run, at) => {
    const next = runs[at + 1];
    assert.equal(run.prev, runs.at(at - 1));
    assert.equal(run.next, runs[at + 1] ?? tree.first);
    assert.ok(!(run.dead && next && goesOn(run, next)), `run ${run.lv} and the next should be one`);
    if (at === 0 || !next) return;
    assert.ok(run.len > 0 && run.len <= MAX_RUN, `run ${run.lv} has ${run.len} nodes`);
    assert.equal(run.units, run.dead ? 0 : tree.chars.units(run.lv, run.len));
    seen.fill(1, run.lv, run.lv + run.len);
    for (let lv = run.lv; lv < run.lv + run.len; lv++) assert.equal(tree.locate(lv), run);
  });
  assert.ok(!seen.includes(0), "every node is in a run");
  assert.equal(runs.reduce((sum, run) => sum + run.len, -2), ids.next, "and in one only");
  if (ids.next <= CLIMBED) assertDepthsAndGaps(runs.slice(1, -1), ids.next);
  assertIds(doc);
}

/** The tree has the runs in their order, and its sums are right. */
function assertTree(runs: Run[], length: number): void {
  let root = runs[0]!;
  while (root.up !== NIL) root = root.up;
  assert.equal(root.sum, length);
  let at = 0;
  const todo: { run: Run; self: boolean }[] = [{ run: root, self: false }];
  for (let step; (step = todo.pop()); ) {
    const { run, self } = step;
    if (run === NIL) continue;
    if (self) {
      assert.equal(run, runs[at++]);
      continue;
    }
    const { left, right } = run;
    for (const below of [left, right]) assert.ok(below === NIL || below.up === run);
    assert.equal(run.sum, left.sum + run.units + right.sum);
    assert.equal(run.lowDepth, Math.min(left.lowDepth, run.depth, right.lowDepth));
    assert.equal(run.lowGap, Math.min(left.lowGap, run.gap, right.lowGap));
    todo.push({ run: right, self: false }, { run, self: true }, { run: left, self: false });
  }
  assert.equal(at, runs.length);
}

function assertDepthsAndGaps(runs: Run[], nodes: number): void {
  const parents = new Int32Array(nodes);
  const place = new Int32Array(nodes);
  let count = 0;
  for (const run of runs) {
    for (let i = 0; i < run.len; i++) {
      parents[run.lv + i] = i === 0 ? run.parent : run.lv + i - 1;
      place[run.lv + i] = count++;
    }
  }
  const path = (lv: number): number[] => {
    const up = [lv];
    while (lv !== START) up.push((lv = parents[lv]!));
    return up.reverse();
  };
  let before = [START];
  for (const run of runs) {
    const here = path(run.lv);
    assert.equal(run.depth, here.length - 1, `depth of run ${run.lv}`);
    let common = 0;
    while (common < before.length && before[common] === here[common]) common++;
    assert.equal(run.gap, common, `gap of run ${run.lv}`);
    if (run.parent !== START) assert.equal(place[run.lv]! < place[run.parent]!, run.side === 0, `side of run ${run.lv}`);
    before = path(run.lv + run.len - 1);
  }
}

function assertIds({ ids, version, waitingCount, queues }: TextDoc): void {
  let nodes = 0;
  let waiting = 0;
  for (const agent of ids.agents.values()) {
    let end = 0;
    for (const range of agent.ranges) {
      assert.ok(range.seq >= end && range.len > 0);
      end = range.seq + range.len;
      nodes += range.len;
      for (const off of [0, range.len - 1]) {
        assert.equal(agent.lvOf(range.seq + off), range.lv + off);
        assert.equal(ids.rangeOf(range.lv + off), range);
      }
    }
    assert.ok(end <= agent.end);
    assert.equal(version.get(agent.name) ?? 0, agent.end);
    const { own } = queues.get(agent) ?? { own: new Map<number, unknown>() };
    waiting += own.size;
    for (const after of own.keys()) assert.ok(after >= agent.end, "what waits is not covered");
  }
  assert.equal(nodes, ids.next);
  assert.equal(waiting, waitingCount);
}
