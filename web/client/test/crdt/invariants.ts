// What holds of every document, checked from the outside in: takes time in proportion to the document, and more for a
// small one, whose tree is then climbed node by node.
import assert from "node:assert/strict";
import type { TextDoc } from "../../src/crdt/index.js";
import { Block, MAX_RUN, type Run, START, joins } from "../../src/crdt/run.js";

/** How many nodes a document may have for its depths and gaps to be checked. */
const CLIMBED = 1500;

export function assertInvariants(doc: TextDoc): void {
  const { tree, ids } = doc.replica;
  const runs = assertBlocks(doc);
  const seen = new Uint8Array(ids.next);
  runs.forEach((run, at) => {
    assert.equal(run.prev, runs[at - 1] ?? null);
    assert.equal(run.next, runs[at + 1] ?? null);
    const next = runs[at + 1];
    assert.ok(!(run.dead && next?.up === run.up && joins(run, next!)), `run ${run.lv} and the next should be one`);
    if (at === 0) return assert.equal(run, tree.first);
    assert.ok(run.len > 0 && run.len <= MAX_RUN, `run ${run.lv} has ${run.len} nodes`);
    assert.equal(run.units, run.dead ? 0 : tree.chars.units(run.lv, run.len));
    seen.fill(1, run.lv, run.lv + run.len);
    for (const lv of [run.lv, run.lv + run.len - 1]) assert.equal(tree.locate(lv), run);
  });
  assert.ok(!seen.includes(0), "every node is in a run");
  assert.equal(runs.reduce((sum, run) => sum + run.len, -1), ids.next, "and in one only");
  if (ids.next <= CLIMBED) assertDepthsAndGaps(runs.slice(1), ids.next);
  assertIds(doc);
}

/** Returns all runs. */
function assertBlocks(doc: TextDoc): Run[] {
  let root: Block = doc.replica.tree.first.up!;
  while (root.up) root = root.up;
  assert.equal(root.units, doc.length);
  let level: Block[] = [root];
  for (;;) {
    for (const block of level) {
      assert.ok(block.kids.length > 0 && block.kids.length <= 32);
      const { units, depth, gap } = block;
      block.sum();
      assert.deepEqual({ units, depth, gap }, { units: block.units, depth: block.depth, gap: block.gap });
      for (const kid of block.kids) assert.equal(kid.up, block);
    }
    const below = level.flatMap((block) => block.kids);
    if (!(below[0] instanceof Block)) return below as Run[];
    level = below as Block[];
  }
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

function assertIds({ replica }: TextDoc): void {
  const { ids, version, waitingCount } = replica;
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
    waiting += agent.waiting.size;
    for (const after of agent.waiting.keys()) assert.ok(after >= agent.end, "what waits is not covered");
  }
  assert.equal(nodes, ids.next);
  assert.equal(waiting, waitingCount);
}
