// A replica from the bytes of its state. Whatever the bytes hold, either the state comes out that encodes to just
// these, or a DecodeError.
import { Reader, crc32 } from "./codec.js";
import { codePoints } from "./compose.js";
import { DecodeError } from "./errors.js";
import { MAX_SEQ, isAgent } from "./id.js";
import type { Agent } from "./ids.js";
import { Replica } from "./replica.js";
import { MAX_RUN, RIGHT, Run, START, type Side } from "./run.js";
import { HEADER, MAGIC, NEAR, VERSION } from "./state.js";
import { walk } from "./walk.js";

/** Most nodes, deleted ones included, of a document here: each takes some bytes. */
const MAX_NODES = 2 ** 27;

/** A chain with the numbers of its nodes. Together chains hold every number once, and numbers are ordered as ids. */
export interface Numbered {
  agent: Agent;
  seq: number;
  /** How far `seq` lies beyond the end of the agent's chain before. */
  gap: number;
  lv: number;
  len: number;
  parent: number;
  side: Side;
}

export function decodeState(bytes: Uint8Array): Replica {
  if (bytes.length < HEADER || MAGIC.some((byte, at) => bytes[at] !== byte) || bytes[4]! < VERSION) {
    throw new DecodeError("these bytes are not an Inklog document state");
  }
  if (bytes[4]! > VERSION) {
    throw new DecodeError(`format version ${bytes[4]} is newer than ${VERSION}, the newest this client reads`, true);
  }
  const sum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(HEADER - 4, true);
  if (sum !== crc32(bytes.subarray(HEADER))) throw new DecodeError("the checksum does not match: damaged");
  const reader = new Reader(bytes, HEADER);
  const replica = new Replica();
  const chains = readChains(reader, replica, readAgents(reader, replica));
  const turns: number[] = [];
  let visible = 0;
  for (let left = replica.ids.next; left > 0; ) {
    const turn = reader.varint();
    if (turn > left || (turn === 0 && turns.length > 0)) throw reader.damaged("visible and deleted do not add up");
    left -= turn;
    if (turns.length % 2 === 0) visible += turn;
    turns.push(turn);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(reader.take(reader.left));
  } catch {
    throw reader.damaged("text is not UTF-8");
  }
  if (codePoints(text) !== visible) throw reader.damaged("the text is not as long as it should be");
  const runs = walk(chains, replica);
  if (!runs) throw reader.damaged("chains hang at each other");
  replica.tree.build([...fill(runs, turns, text, replica)]);
  return replica;
}

function readAgents(reader: Reader, replica: Replica): Agent[] {
  const agents: Agent[] = [];
  for (let count = reader.count(); count > 0; count--) {
    const name = String.fromCharCode(...reader.take(reader.byte()));
    if (!isAgent(name) || (agents.length > 0 && agents[agents.length - 1]!.name >= name)) {
      throw reader.damaged("a name is not an agent's, or out of order");
    }
    const end = reader.varint();
    if (end === 0 || end > MAX_SEQ) throw reader.damaged("an agent's end is 0 or over 2^53");
    const agent = replica.ids.findOrAdd(name);
    replica.advance(agent, end);
    agents.push(agent);
  }
  return agents;
}

/** Reads the chains, gives their nodes numbers, and finds their parents. */
function readChains(reader: Reader, { ids }: Replica, agents: Agent[]): Numbered[] {
  const chains: Numbered[] = [];
  for (const agent of agents) {
    const count = reader.varint();
    if (count > reader.left - chains.length) throw reader.damaged("there are fewer bytes than chains");
    for (let i = 0; i < count; i++) {
      chains.push({ agent, seq: 0, gap: 0, lv: 0, len: 0, parent: START, side: RIGHT });
    }
  }
  for (const chain of chains) chain.gap = reader.varint();
  for (const chain of chains) chain.len = reader.varint() + 1;
  chains.forEach((chain, at) => {
    const before = chains[at - 1]?.agent === chain.agent ? chains[at - 1] : undefined;
    chain.seq = (before ? before.seq + before.len : 0) + chain.gap;
    if (chain.seq + chain.len > chain.agent.end) throw reader.damaged("a chain goes beyond its agent's end");
    if (chain.len > MAX_NODES - ids.next) throw reader.damaged("there are more characters than this client can hold");
    chain.lv = ids.push(chain.agent, chain.seq, chain.len);
  });
  readParents(reader, agents, chains);
  chains.forEach((chain, at) => {
    const before = chains[at - 1];
    const isPart = before?.agent === chain.agent && chain.gap === 0 && chain.parent === chain.lv - 1;
    if (isPart && chain.side === RIGHT) throw reader.damaged("a chain should be part of the one before it");
  });
  return chains;
}

function readParents(reader: Reader, agents: Agent[], chains: Numbered[]): void {
  const hang = (chain: Numbered, owner: Agent, seq: number, rest: number) => {
    chain.side = (rest & 1) as Side;
    chain.parent = seq >= 0 && (owner !== chain.agent || seq < chain.seq) ? owner.lvOf(seq) : -1;
    if (chain.parent < 0) throw reader.damaged("a chain hangs at nothing, or at itself");
  };
  const unfold = (number: number, rest: number) => (rest & 2 ? -1 - number : number);
  const far: Numbered[] = [];
  for (const chain of chains) {
    const near = reader.varint() - 1;
    if (near < 0) far.push(chain);
    else if (near >= NEAR) throw reader.damaged("a near parent is too far");
    // The guess is the end of the chain before less the gap: `seq - 2 * gap`.
    else hang(chain, chain.agent, chain.seq - chain.gap - chain.gap + unfold(near >> 2, near & 3), near & 3);
  }
  const whose = far.map(() => reader.varint());
  const last = new Map<Agent, number>();
  far.forEach((chain, at) => {
    if (whose[at] === 0) return;
    const owner = agents[whose[at]! - 1];
    if (!owner) throw reader.damaged("a chain hangs at nobody's");
    const distance = unfold(reader.varint4(), reader.rest);
    const seq = (last.get(owner) ?? 0) + distance;
    hang(chain, owner, seq, reader.rest);
    last.set(owner, seq);
    const nearer = seq - (chain.seq - chain.gap) + chain.gap;
    if (owner === chain.agent && 4 * (nearer < 0 ? -1 - nearer : nearer) + (nearer < 0 ? 2 : 0) + chain.side < NEAR) {
      throw reader.damaged("a near parent is written as a far one");
    }
  });
}

/** Cuts the runs where visible and deleted nodes meet, and gives them their characters. */
function* fill(runs: Run[], turns: number[], text: string, { tree }: Replica): Iterable<Run> {
  let turn = 0;
  let left = turns[0] ?? 0;
  let unit = 0;
  for (const run of runs) {
    for (let off = 0; off < run.len; ) {
      while (left === 0) left = turns[++turn]!;
      const len = Math.min(run.len - off, left, MAX_RUN);
      const dead = turn % 2 === 1;
      const lv = run.lv + off;
      let end = unit;
      if (!dead) {
        for (let i = 0; i < len; i++) end += (text.charCodeAt(end) & 0xfc00) === 0xd800 ? 2 : 1;
        tree.chars.reserve(lv + len);
        tree.chars.set(lv, text, unit, end);
      }
      const depth = run.depth + off;
      yield off === 0
        ? new Run(lv, len, depth, run.gap, run.parent, run.side, dead, end - unit)
        : new Run(lv, len, depth, depth, lv - 1, RIGHT, dead, end - unit);
      unit = end;
      off += len;
      left -= len;
    }
  }
}
