// Who typed what: `(agent, seq)` to a node's number and back, and how far each agent's chain is applied. Numbers are
// given in the order of arrival, and a chain is applied in order, so both tables only grow at their ends.

/** Nodes `lv … lv+len-1` are `seq … seq+len-1` of an agent. */
export interface Range {
  readonly agent: Agent;
  readonly seq: number;
  readonly lv: number;
  len: number;
}

export class Agent {
  /** Its nodes, ascending. A known id in none of these is void. */
  readonly ranges: Range[] = [];
  constructor(
    readonly name: string,
    /** The end of its chain: the ids below are known. */
    public end: number,
  ) {}

  /** The node with an id; -1 for a void or an unknown one. */
  lvOf(seq: number): number {
    const range = this.ranges[atMost(this.ranges, seq, bySeq)];
    return range !== undefined && seq < range.seq + range.len ? range.lv + seq - range.seq : -1;
  }

  /** Calls back with each piece of nodes among the ids `from … to-1`. */
  eachNode(from: number, to: number, visit: (lv: number, len: number) => void): void {
    for (let i = Math.max(atMost(this.ranges, from, bySeq), 0); i < this.ranges.length; i++) {
      const range = this.ranges[i]!;
      if (range.seq >= to) break;
      const start = Math.max(range.seq, from);
      const len = Math.min(range.seq + range.len, to) - start;
      if (len > 0) visit(range.lv + start - range.seq, len);
    }
  }
}

export class Ids {
  /** The number of the next node. */
  next = 0;
  readonly ranges: Range[] = [];
  readonly agents = new Map<string, Agent>();
  #recent: Agent | undefined;

  find(name: string): Agent | undefined {
    if (this.#recent?.name === name) return this.#recent;
    const found = this.agents.get(name);
    if (found) this.#recent = found;
    return found;
  }

  findOrAdd(name: string): Agent {
    let agent = this.find(name);
    if (!agent) this.agents.set(name, (agent = new Agent(name, 0)));
    return agent;
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
      this.ranges.push(range);
    }
    return lv;
  }

  /** The range that holds a node. */
  rangeOf(lv: number): Range {
    return this.ranges[atMost(this.ranges, lv, byLv)]!;
  }

  /** A node's id as text. */
  idOf(lv: number): string {
    const range = this.rangeOf(lv);
    return range.agent.name + "-" + (range.seq + lv - range.lv);
  }
}

const bySeq = (range: Range): number => range.seq;
const byLv = (range: Range): number => range.lv;

/** The last of ascending ranges whose number is at most `value`; -1 when there is none. The last one is tried first. */
function atMost(ranges: Range[], value: number, key: (range: Range) => number): number {
  let high = ranges.length - 1;
  if (high < 0 || key(ranges[high]!) <= value) return high;
  let low = -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (key(ranges[middle]!) <= value) low = middle;
    else high = middle;
  }
  return low;
}
