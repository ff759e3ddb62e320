// The binary form of a document's state, as crdt/src/state.rs describes it: canonical, the same bytes for the same
// set of events, whoever encodes.
import { build } from "./build.js";
import { Reader, crc32, putVarint, putVarint4 } from "./codec.js";
import { DecodeError } from "./errors.js";
import type { Agent } from "./ids.js";
import { LEFT, Op, RIGHT, endOf, isSeq, type Side } from "./event.js";
import { stateOf } from "./merge.js";
import { Replica } from "./replica.js";

/** "INKS"; then come the version of the format and the checksum. */
const MAGIC = 0x494e4b53;
const VERSION = 1;
const HEADER = 9;
/** The largest number written for a near parent. */
const NEAR = 127;
/** The maximum number of nodes, tombstones included, in a document here: each takes some bytes. */
const MAX_NODES = 2 ** 27;

export function encodeState(replica: Replica): Uint8Array {
  const agents = replica.ids.byName().filter(({ end }) => end > 0);
  const head = new Array<number>(HEADER).fill(0);
  putVarint(head, agents.length);
  for (const { name, end } of agents) {
    head.push(name.length);
    for (let i = 0; i < name.length; i++) head.push(name.charCodeAt(i));
    putVarint(head, end);
  }
  const columns = [head, ...chainColumns(replica, agents), visibilityOf(replica)].flat();
  const text = new TextEncoder().encode(replica.tree.text(0, replica.tree.length));
  const bytes = new Uint8Array(columns.length + text.length);
  bytes.set(columns);
  bytes.set(text, columns.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  bytes[4] = VERSION;
  view.setUint32(5, crc32(bytes.subarray(HEADER)), true);
  return bytes;
}

/** The columns of all chains. A chain is a run of one agent's nodes with consecutive ids, each the right child of the
 * one before. Columns: how many each agent has, how far each begins beyond the one before, its length, and its place.
 * */
function chainColumns(replica: Replica, agents: Agent[]): number[][] {
  const rank = new Map(agents.map((agent, i) => [agent, i]));
  const count = agents.map(() => 0);
  const last = [...count];
  const counts: number[] = [];
  const gaps: number[] = [];
  const lens: number[] = [];
  const near: number[] = [];
  const whose: number[] = [];
  const far: number[] = [];
  let before: Op | undefined;
  for (const chain of chainsOf(replica)) {
    const { agent, seq, ref, refSeq, side } = chain;
    count[rank.get(agent)!]!++;
    const end = before?.agent === agent ? endOf(before) : 0;
    before = chain;
    putVarint(gaps, seq - end);
    putVarint(lens, chain.count - 1);
    const nearness = refSeq - nearGuess(end, seq);
    const value = fold(nearness) * 4 + rest(nearness, side);
    const isNear = ref === agent && value < NEAR;
    near.push(isNear ? value + 1 : 0);
    if (isNear) continue;
    const owner = ref === null ? -1 : rank.get(ref)!;
    putVarint(whose, owner + 1);
    if (owner < 0) continue;
    const distance = refSeq - last[owner]!;
    putVarint4(far, fold(distance), rest(distance, side));
    last[owner] = refSeq;
  }
  for (const n of count) putVarint(counts, n);
  return [counts, gaps, lens, near, whose, far];
}

/** A guess at a chain's parent, exact whenever it is a valid id. */
const nearGuess = (end: number, seq: number): number => end - (seq - end);
/** A distance with its side is written as four times this number, */
const fold = (distance: number): number => (distance < 0 ? -1 - distance : distance);
/** plus this. */
const rest = (distance: number, side: Side): number => (distance < 0 ? 2 : 0) + side;

function chainsOf(replica: Replica): Op[] {
  const chains: Op[] = [];
  for (const op of stateOf(replica)) {
    const last = chains[chains.length - 1];
    const { agent, seq, ref, refSeq, side } = op;
    if (last && agent === last.agent && seq === endOf(last) && ref === agent && refSeq === seq - 1 && side === RIGHT) {
      last.count += op.count;
    } else chains.push(op);
  }
  return chains;
}

/** In document order, how many nodes are visible, how many deleted, and so on. */
function visibilityOf({ tree }: Replica): number[] {
  const out: number[] = [];
  let count = 0;
  let dead = false;
  for (let run = tree.first.next; run !== tree.end; run = run.next) {
    if (run.dead !== dead) {
      putVarint(out, count);
      count = 0;
      dead = run.dead;
    }
    count += run.len;
  }
  if (count > 0) putVarint(out, count);
  return out;
}

/** Reads what {@link encodeState} wrote. Any bytes give either a document or a {@link DecodeError}. */
export function decodeState(bytes: Uint8Array): Replica {
  const version = bytes[4]!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER || version < 1 || view.getUint32(0) !== MAGIC) {
    throw new DecodeError("not an Inklog document");
  }
  if (version > VERSION) throw new DecodeError(`format version ${version} is newer than this client; reload it`, true);
  const reader = new Reader(bytes, HEADER);
  const replica = new Replica();
  const { ids } = replica;
  try {
    reader.check(view.getUint32(5, true) === crc32(bytes.subarray(HEADER)));
    readAgents(reader, replica);
    const chains = readChains(reader, [...ids.agents.values()]);
    for (const chain of chains) {
      reader.check(chain.count <= chain.agent.end - chain.seq);
      chain.lv = ids.push(chain.agent, chain.seq, chain.count);
    }
    const visibility: number[] = [];
    for (let left = ids.next; left > 0; ) {
      const count = reader.varint();
      reader.check(count <= left);
      left -= count;
      visibility.push(count);
    }
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(reader.take(reader.left));
    reader.check(build(replica, chains, visibility, text) === ids.next);
  } catch (error) {
    throw new DecodeError(`damaged: ${(error as Error).message}`);
  }
  return replica;
}

function readAgents(reader: Reader, replica: Replica): void {
  const { ids } = replica;
  for (let count = reader.varint(); count > 0; count--) {
    const name = String.fromCharCode(...reader.take(reader.byte()));
    const end = reader.varint();
    reader.check(!ids.agents.has(name) && isSeq(end) && end > 0);
    replica.advance(ids.agent(name), end);
  }
}

function readChains(reader: Reader, agents: Agent[]): Op[] {
  const chains: Op[] = [];
  for (const agent of agents) {
    for (let count = reader.varint(); count > 0; count--) {
      reader.check(chains.length < reader.left);
      chains.push(new Op(agent, 0, 0, ""));
    }
  }
  for (const chain of chains) chain.seq = reader.varint();
  for (const chain of chains) chain.count = reader.varint() + 1;
  const far: Op[] = [];
  const hang = (chain: Op, ref: Agent, guess: number, number: number, rest: number) => {
    chain.ref = ref;
    chain.refSeq = guess + (rest & 2 ? -1 - number : number);
    chain.side = rest & 1 ? RIGHT : LEFT;
  };
  let nodes = 0;
  chains.forEach((chain, i) => {
    const before = chains[i - 1];
    const end = before?.agent === chain.agent ? endOf(before) : 0;
    chain.seq += end;
    nodes += chain.count;
    reader.check(nodes <= MAX_NODES);
    const near = reader.varint() - 1;
    if (near < 0) far.push(chain);
    else hang(chain, chain.agent, nearGuess(end, chain.seq), near >> 2, near & 3);
  });
  const whose = far.map(() => reader.varint() - 1);
  const last = agents.map(() => 0);
  far.forEach((chain, i) => {
    const owner = whose[i]!;
    if (owner < 0) return;
    reader.check(owner < agents.length);
    const { number, rest } = reader.varint4();
    hang(chain, agents[owner]!, last[owner]!, number, rest);
    last[owner] = chain.refSeq;
  });
  return chains;
}
