// Who typed what: maps `(agent, seq)` to a node's number and back, and records how far each agent's chain is applied.
// Numbers follow the order of arrival and chains are applied in order, so both tables grow only at their ends.
import { EventError } from "./errors.js";

/** The upper bound of an id's number plus the length of its op: every number is exact. */
export const MAX_SEQ = 2 ** 53;

/** The maximum number of ids that one delete may name. */
export const MAX_DELETE = 100_000;

/** Nodes `lv … lv+len-1` are `seq … seq+len-1` of an agent. */
export interface Range {
  agent: Agent;
  seq: number;
  lv: number;
  len: number;
}

/** The id of a node, or an id without one. */
export interface Id {
  agent: Agent;
  seq: number;
}

/** An id as text: `<agent>-<seq>`. */
export const idText = ({ agent, seq }: Id): string => `${agent.name}-${seq}`;

/** Splits an id's text at the last dash, without validating it. */
export function splitId(id: string): { agent: string; seq: number } {
  const dash = id.lastIndexOf("-");
  return { agent: id.slice(0, dash), seq: Number(id.slice(dash + 1)) };
}

export class Agent {
  /** The end of its chain: all ids below it are known. */
  end = 0;
  /** Its nodes, ascending. A known id in none of these is void. */
  ranges: Range[] = [];

  constructor(readonly name: string) {}

  // Below, a number and the difference of two others are added last: the result is exact up to 2^53, while a sum in
  // between might not be.

  /** The node with an id; -1 if the id is void or unknown. */
  lvOf(seq: number): number {
    const range = this.ranges[this.#rangeAt(seq)];
    return range !== undefined && seq < range.seq + range.len ? range.lv + (seq - range.seq) : -1;
  }

  /** Calls back with each piece of nodes among the ids `from … to-1`. */
  eachNode(from: number, to: number, visit: (lv: number, len: number) => void): void {
    for (let i = Math.max(this.#rangeAt(from), 0); i < this.ranges.length; i++) {
      const { seq, lv, len } = this.ranges[i]!;
      if (seq >= to) break;
      const start = Math.max(seq, from);
      const count = Math.min(seq + len, to) - start;
      if (count > 0) visit(lv + (start - seq), count);
    }
  }

  /** The last range that begins at or before an id; -1 if there is none. */
  #rangeAt(seq: number): number {
    const { ranges } = this;
    // Usually it is the very last.
    let low = ranges.length - 1;
    if (low < 0 || ranges[low]!.seq <= seq) return low;
    let high = low;
    for (low = -1; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (ranges[middle]!.seq <= seq) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** The index of the last element that meets a condition, which all elements before it meet too; -1 if none does. */
export function lastOf<T>(array: readonly T[], holds: (element: T) => boolean): number {
  let high = array.length;
  let low = -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (holds(array[middle]!)) low = middle;
    else high = middle;
  }
  return low;
}

export class Ids {
  /** The number of the next node. */
  next = 0;
  agents = new Map<string, Agent>();
  #ranges: Range[] = [];
  #recent: Agent | undefined;
  #found: Range | undefined;

  /** The agent of this name; it is added if it is new. */
  agent(name: string): Agent {
    if (this.#recent?.name === name) return this.#recent;
    let agent = this.agents.get(name);
    if (!agent) {
      if (typeof name !== "string" || !/^[\w.~-]{1,64}$/.test(name)) throw new EventError(`not an agent: ${name}`);
      agent = new Agent(name);
      this.agents.set(name, agent);
    }
    this.#recent = agent;
    return agent;
  }

  /** All agents, sorted. */
  byName(): Agent[] {
    return [...this.agents.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Parses an id, `<agent>-<seq>`, and adds its agent if it is new. Throws {@link EventError} if it is invalid. */
  parse(id: string): Id {
    const dash = typeof id === "string" ? id.lastIndexOf("-") : -1;
    let seq = 0;
    let at = dash + 1;
    for (; at > 0 && at < id.length; at++) {
      const digit = id.charCodeAt(at) - 48;
      // Rejects other characters, leading zeros, and 2^53 + 1, which would parse as 2^53.
      if (digit < 0 || digit > 9 || (seq === 0 && at > dash + 1) || seq > (MAX_SEQ - digit) / 10) break;
      seq = seq * 10 + digit;
    }
    if (dash < 1 || at < id.length || at === dash + 1) throw new EventError(`not an id: ${id}`);
    const recent = this.#recent;
    const isRecent = recent?.name.length === dash && id.startsWith(recent.name);
    return { agent: isRecent ? recent : this.agent(id.slice(0, dash)), seq };
  }

  /** Gives the next `len` nodes the ids from `seq` on, which is above every id of the agent so far. */
  push(agent: Agent, seq: number, len: number): number {
    const lv = this.next;
    this.next += len;
    const last = agent.ranges[agent.ranges.length - 1];
    if (last !== undefined && last.seq + last.len === seq && last.lv + last.len === lv) {
      last.len += len;
    } else {
      const range = { agent, seq, lv, len };
      agent.ranges.push(range);
      this.#ranges.push(range);
      this.#found = range;
    }
    return lv;
  }

  /** The range that holds a node. */
  rangeOf(lv: number): Range {
    const found = this.#found;
    if (found && lv >= found.lv && lv < found.lv + found.len) return found;
    const range = this.#ranges[lastOf(this.#ranges, (range) => range.lv <= lv)]!;
    this.#found = range;
    return range;
  }

  /** A node's id. */
  idOf(lv: number): Id {
    const { agent, seq, lv: first } = this.rangeOf(lv);
    return { agent, seq: seq + (lv - first) };
  }
}
