// Who typed what: `(agent, seq)` to a node's number and back, and how far each agent's chain is applied. Numbers are
// given in the order of arrival, and a chain is applied in order, so both tables only grow at their ends.
import { EventError } from "./errors.js";

/** The upper bound of an id's number plus the length of its op: every number is exact. */
export const MAX_SEQ = 2 ** 53;

/** Most ids that one delete may name. */
export const MAX_DELETE = 100_000;

/** Nodes `lv … lv+len-1` are `seq … seq+len-1` of an agent. */
export interface Range {
  agent: Agent;
  seq: number;
  lv: number;
  len: number;
}

/** The id of a node, or of what is none. */
export interface Id {
  agent: Agent;
  seq: number;
}

/** An id as text: `<agent>-<seq>`. */
export const idText = ({ agent, seq }: Id): string => `${agent.name}-${seq}`;

/** An id as text in its two parts, split at the last dash. Nothing is checked. */
export function splitId(id: string): { agent: string; seq: number } {
  const dash = id.lastIndexOf("-");
  return { agent: id.slice(0, dash), seq: Number(id.slice(dash + 1)) };
}

export class Agent {
  /** The end of its chain: the ids below are known. */
  end = 0;
  /** Its nodes, ascending. A known id in none of these is void. */
  ranges: Range[] = [];

  constructor(readonly name: string) {}

  // Below, a number and the distance of two are added last: what comes out is exact up to 2^53, what is added first may
  // not be.

  /** The node with an id; -1 for a void or an unknown one. */
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

  /** The last range that begins at an id or before; -1 when none does. */
  #rangeAt(seq: number): number {
    const { ranges } = this;
    // Most often it is the last of all.
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

/** The last element of which a condition holds that holds of all those before it too; -1 when of none. */
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

  /** The agent of that name, which is listed from now on. */
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

  /** Reads an id, `<agent>-<seq>`, whose agent is listed from now on. Throws {@link EventError} on what is none. */
  parse(id: string): Id {
    const dash = typeof id === "string" ? id.lastIndexOf("-") : -1;
    let seq = 0;
    let at = dash + 1;
    for (; at > 0 && at < id.length; at++) {
      const digit = id.charCodeAt(at) - 48;
      // No other characters, no leading zeros, and 2^53 + 1 would come out as 2^53.
      if (digit < 0 || digit > 9 || (seq === 0 && at > dash + 1) || seq > (MAX_SEQ - digit) / 10) break;
      seq = seq * 10 + digit;
    }
    if (dash < 1 || at < id.length || at === dash + 1) throw new EventError(`not an id: ${id}`);
    const recent = this.#recent;
    const isRecent = recent?.name.length === dash && id.startsWith(recent.name);
    return { agent: isRecent ? recent : this.agent(id.slice(0, dash)), seq };
  }

  /** Gives the next `len` nodes the ids from `seq` on, which lies above all that the agent has. */
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
