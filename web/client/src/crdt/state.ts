// The binary form of a document's state, as crdt/src/state.rs describes it: canonical, the same bytes for the same
// set of events, whoever encodes.
import { Writer, crc32 } from "./codec.js";
import type { Agent } from "./ids.js";
import type { Replica } from "./replica.js";
import { RIGHT, START, type Run, type Side } from "./run.js";

export const MAGIC = [0x49, 0x4e, 0x4b, 0x53];
/** The newest version of the format. */
export const VERSION = 1;
export const HEADER = 9;
/** The highest number for a near parent. */
export const NEAR = 127;

/** Nodes of one agent with consecutive ids, each the right child of the one before, as many as there are. */
export interface Chain {
  agent: Agent;
  seq: number;
  len: number;
  /** Where the first one hangs. */
  parent: number;
  side: Side;
}

export function encodeState(replica: Replica): Uint8Array {
  const out = new Writer();
  const agents = agentsByName(replica);
  out.put(Uint8Array.of(...MAGIC, VERSION, 0, 0, 0, 0));
  out.varint(agents.length);
  for (const { name, end } of agents) {
    out.byte(name.length);
    for (let i = 0; i < name.length; i++) out.byte(name.charCodeAt(i));
    out.varint(end);
  }
  putChains(replica, out, agents);
  putTurns(replica, out);
  out.put(new TextEncoder().encode(replica.tree.text(0, replica.tree.length)));
  const bytes = out.done();
  new DataView(bytes.buffer).setUint32(HEADER - 4, crc32(bytes.subarray(HEADER)), true);
  return bytes;
}

function putChains(replica: Replica, out: Writer, agents: Agent[]): void {
  const rank = new Map(agents.map((agent, at) => [agent, at]));
  const counts = agents.map(() => 0);
  const lastFar = agents.map(() => 0);
  const columns = [new Writer(), new Writer(), new Writer(), new Writer(), new Writer()] as const;
  const [gaps, lens, near, whose, far] = columns;
  let before: Chain | undefined;
  for (const chain of chainsOf(replica, agents)) {
    counts[rank.get(chain.agent)!]!++;
    const end = before?.agent === chain.agent ? before.seq + before.len : 0;
    const gap = chain.seq - end;
    before = chain;
    gaps.varint(gap);
    lens.varint(chain.len - 1);
    if (chain.parent === START) {
      near.byte(0);
      whose.byte(0);
      continue;
    }
    const range = replica.ids.rangeOf(chain.parent);
    const seq = range.seq + chain.parent - range.lv;
    // The guess for a near parent is `end - gap`.
    const value = 4 * fold(seq - end + gap) + restOf(seq - end + gap, chain.side);
    if (range.agent === chain.agent && value < NEAR) {
      near.byte(value + 1);
      continue;
    }
    const owner = rank.get(range.agent)!;
    const distance = seq - lastFar[owner]!;
    near.byte(0);
    whose.varint(owner + 1);
    far.varint4(fold(distance), restOf(distance, chain.side));
    lastFar[owner] = seq;
  }
  for (const count of counts) out.varint(count);
  for (const column of columns) out.put(column.done());
}

/** Where a chain hangs is written as four times this, */
const fold = (distance: number): number => (distance < 0 ? -1 - distance : distance);
/** plus this. */
const restOf = (distance: number, side: Side): number => (distance < 0 ? 2 : 0) + side;

/** In document order, how many nodes are visible, how many deleted, and so on. */
function putTurns(replica: Replica, out: Writer): void {
  let turn = 0;
  let dead = false;
  for (let run = replica.tree.first.next; run !== null; run = run.next) {
    if (run.dead !== dead) {
      out.varint(turn);
      turn = 0;
      dead = run.dead;
    }
    turn += run.len;
  }
  if (turn > 0) out.varint(turn);
}

/** Those that have done something. */
function agentsByName(replica: Replica): Agent[] {
  const agents = [...replica.ids.agents.values()].filter((agent) => agent.end > 0);
  return agents.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The chains in the order of their ids. */
function* chainsOf(replica: Replica, agents: Agent[]): Iterable<Chain> {
  const runs: Run[] = [];
  for (let run = replica.tree.first.next; run !== null; run = run.next) runs.push(run);
  runs.sort((a, b) => a.lv - b.lv);
  for (const agent of agents) {
    let chain: Chain | undefined;
    let last = -1;
    for (const range of agent.ranges) {
      const end = range.lv + range.len;
      for (let lv = range.lv, at = runHolding(runs, lv); lv < end; at++) {
        const run = runs[at]!;
        const len = Math.min(run.lv + run.len, end) - lv;
        const [parent, side] = lv === run.lv ? [run.parent, run.side] : [lv - 1, RIGHT];
        const seq = range.seq + lv - range.lv;
        if (chain && seq === chain.seq + chain.len && parent === last && side === RIGHT) {
          chain.len += len;
        } else {
          if (chain) yield chain;
          chain = { agent, seq, len, parent, side: side as Side };
        }
        lv += len;
        last = lv - 1;
      }
    }
    if (chain) yield chain;
  }
}

function runHolding(runs: Run[], lv: number): number {
  let low = 0;
  for (let high = runs.length; high - low > 1; ) {
    const middle = (low + high) >> 1;
    if (runs[middle]!.lv <= lv) low = middle;
    else high = middle;
  }
  return low;
}
