// What is applied and what waits. Takes events, in any order and any number of times, and other replicas' states.
import { endOf, readEvent, refEnd, type Event, type Op } from "./event.js";
import { Ids, type Agent } from "./ids.js";
import { placeOf } from "./order.js";
import { START, type Run } from "./run.js";
import { Tree } from "./tree.js";
import type { Applied, Change, WireEvent } from "./types.js";

/** Where changes are collected, if anyone asks for them. */
export type Changes = Change[] | undefined;

/** The events that wait for one agent. */
class Queue {
  /** The agent's own events that cannot be applied yet, by `after`. */
  readonly own = new Map<number, Event>();
  /** The first events of other chains that wait for ids of this agent. */
  blocked: Event[] = [];
  /** How often the agent's end has moved since its own events were last scanned. */
  moves = 0;
}

export class Replica {
  /** @internal */
  tree = new Tree();
  /** @internal */
  ids = new Ids();
  /** @internal */
  siblings = new Map<number, number[]>();
  /** What has been applied: the end of each agent's chain. */
  version: ReadonlyMap<string, number> = new Map();
  /** How many events cannot be applied yet. */
  waitingCount = 0;
  /** @internal The waiting events, by the agent that they wait for. */
  queues = new Map<Agent, Queue>();

  /** @internal Takes over the content of another replica, and consumes it. */
  become(other: Replica): void {
    this.tree = other.tree;
    this.ids = other.ids;
    this.siblings = other.siblings;
    this.version = other.version;
    this.waitingCount = other.waitingCount;
    this.queues = other.queues;
  }

  /** Applies an event, or keeps it until it can be applied. Throws {@link EventError} if it breaks the rules. */
  apply(wire: WireEvent, changes?: Change[]): Applied {
    const event = readEvent(this.ids, wire);
    const { agent, after } = event;
    if (after < agent.end) return "repeat";
    if (after > agent.end) this.#keep(event);
    else if (this.#tryIt(event, changes)) {
      this.release(agent, changes);
      return "now";
    }
    return "waits";
  }

  /** Applies the next event of a chain if it refers to known ids only; otherwise the event waits for them. Ids of its
   * own agent count as known: they are below the op's own, so any that are not applied by then never will be. */
  #tryIt(event: Event, changes: Changes): boolean {
    const { agent, ops } = event;
    for (; event.ready < ops.length; event.ready++) {
      const op = ops[event.ready]!;
      if (op.ref !== null && op.ref !== agent && op.ref.end < refEnd(op)) {
        if (this.#keep(event)) this.#queueOf(op.ref).blocked.push(event);
        return false;
      }
    }
    for (const op of ops) {
      if (op.isDelete) this.deleteIds(op.ref!, op.refSeq, refEnd(op), changes);
      else this.put(op, changes);
    }
    this.advance(agent, endOf(ops[ops.length - 1]!));
    return true;
  }

  /** @internal Creates an insert's nodes, unless they already have numbers, and places them by the order of siblings.
   * If its origin is void, it uses up its ids and creates none. */
  put({ agent, seq, count, text, side, ref, refSeq, lv }: Op, changes: Changes): void {
    const parent = ref ? ref.lvOf(refSeq) : START;
    if (parent === -1) return;
    if (lv < 0) lv = this.ids.push(agent, seq, count);
    const place = placeOf(this, lv, parent, side);
    if (changes && text !== null) addChange(changes, this.tree.index(place.run, place.off), 0, text);
    if (text !== null) this.tree.chars.set(lv, count, text, 0);
    this.tree.insert(place.run, place.off, lv, count, parent, side, text === null);
  }

  /** @internal Turns the nodes among the ids `from … to-1` into tombstones. */
  deleteIds(agent: Agent, from: number, to: number, changes: Changes): void {
    const { tree } = this;
    this.eachPiece(agent, from, to, (run, off, len) => {
      if (run.dead) return;
      if (changes) addChange(changes, tree.index(run, off), tree.units(run, off, len), "");
      tree.bury(run, off, len);
    });
  }

  /** @internal Calls back with each piece of nodes among the ids `from … to-1`: `len` nodes of a run from `off` on. */
  eachPiece(agent: Agent, from: number, to: number, visit: (run: Run, off: number, len: number) => void): void {
    agent.eachNode(from, to, (lv, count) => {
      for (const end = lv + count; lv < end; ) {
        const run = this.tree.locate(lv);
        const off = lv - run.lv;
        const len = Math.min(run.len - off, end - lv);
        lv += len;
        visit(run, off, len);
      }
    });
  }

  /** @internal Moves an agent's end forward. */
  advance(agent: Agent, end: number): void {
    agent.end = end;
    (this.version as Map<string, number>).set(agent.name, end);
  }

  /** @internal Moves agents' ends forward to those of a merged state, and applies what waited for them. */
  reach(version: ReadonlyMap<string, number>, changes: Changes): void {
    const moved: Agent[] = [];
    for (const [name, end] of version) {
      const agent = this.ids.agent(name);
      if (end <= agent.end) continue;
      this.advance(agent, end);
      this.#dropCovered(agent);
      moved.push(agent);
    }
    for (const agent of moved) this.release(agent, changes);
  }

  /** Keeps an event until it can be applied; returns whether it is new. Of two events with the same place in a chain,
   * the first stays. */
  #keep(event: Event): boolean {
    const { own } = this.#queueOf(event.agent);
    if (own.has(event.after)) return false;
    own.set(event.after, event);
    this.waitingCount++;
    return true;
  }

  #queueOf(agent: Agent): Queue {
    const known = this.queues.get(agent);
    if (known) return known;
    const queue = new Queue();
    this.queues.set(agent, queue);
    return queue;
  }

  /** @internal Whether events wait for ids of an agent. */
  isAwaited(name: string): boolean {
    if (this.waitingCount === 0) return false;
    const { own, blocked } = this.#queueOf(this.ids.agent(name));
    return own.size + blocked.length > 0;
  }

  /** @internal Drops all that waits: whoever has it can give it again. */
  dropWaiting(): void {
    this.queues.clear();
    this.waitingCount = 0;
  }

  /** @internal Applies what waited for `agent`'s new end, and what waited for that, and so on. */
  release(agent: Agent, changes: Changes): void {
    if (this.waitingCount === 0) return;
    const moved = [agent];
    const tryNext = (next: Agent) => {
      const event = this.#queueOf(next).own.get(next.end);
      if (!event) return;
      this.#drop(event);
      if (this.#tryIt(event, changes)) moved.push(next);
    };
    for (let agent; (agent = moved.pop()) !== undefined; ) {
      const queue = this.#queueOf(agent);
      tryNext(agent);
      // A merge or a broken chain can leave covered events behind. A scan of all of them is due only once in so many
      // moves.
      if (++queue.moves >= queue.own.size) this.#dropCovered(agent);
      const { blocked } = queue;
      queue.blocked = [];
      for (const event of blocked) tryNext(event.agent);
    }
  }

  #drop(event: Event): void {
    this.waitingCount--;
    this.#queueOf(event.agent).own.delete(event.after);
  }

  /** Drops an agent's waiting events that its version covers. */
  #dropCovered(agent: Agent): void {
    const queue = this.#queueOf(agent);
    queue.moves = 0;
    for (const event of queue.own.values()) if (event.after < agent.end) this.#drop(event);
  }
}

/** Adds a change, or extends the last one if the two are adjacent: a word typed in one event becomes one change, and so
 * does a deletion whose characters are in several places of the tree. */
export function addChange(changes: Change[], at: number, del: number, ins: string): void {
  const last = changes[changes.length - 1];
  if (last && del === 0 && last.ins && last.at + last.ins.length === at) last.ins += ins;
  else if (last && del > 0 && !last.ins && (last.at === at || at + del === last.at)) {
    last.at = at;
    last.del += del;
  } else changes.push({ at, del, ins });
}
