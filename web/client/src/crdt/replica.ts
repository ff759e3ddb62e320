// What is applied and what waits: events go in here, in any order and as often as they like; another replica's state
// too.
import { endOf, readEvent, refEnd, type Event, type Op } from "./event.js";
import { Ids, type Agent } from "./ids.js";
import { placeOf } from "./order.js";
import { START, type Run } from "./run.js";
import { Tree } from "./tree.js";
import type { Applied, Change, WireEvent } from "./types.js";

/** Where changes are collected, if anyone asks for them. */
export type Changes = Change[] | undefined;

export class Replica {
  /** @internal */
  tree = new Tree();
  /** @internal */
  ids = new Ids();
  /** @internal Of the agents that have children of one node on one side, by name: the last child of each on the right,
   * the first on the left. */
  siblings = new Map<number, number[]>();
  /** What has been applied: of each agent, the end of its chain. */
  version: ReadonlyMap<string, number> = new Map();
  /** How many events cannot be applied yet. */
  waitingCount = 0;

  /** @internal Takes the place of another replica, which is used up. */
  become(other: Replica): void {
    this.tree = other.tree;
    this.ids = other.ids;
    this.siblings = other.siblings;
    this.version = other.version;
    this.waitingCount = other.waitingCount;
  }

  /** Applies an event, or keeps it until it can be. Throws {@link EventError} on one that breaks the rules. */
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

  /** Applies the event that comes next in a chain if all that it refers to is known; if not, it waits for that. Ids of
   * its own agent are: they lie below the op's own, so what is not applied by then never comes. */
  #tryIt(event: Event, changes: Changes): boolean {
    const { agent, ops } = event;
    for (; event.ready < ops.length; event.ready++) {
      const op = ops[event.ready]!;
      if (op.ref !== null && op.ref !== agent && op.ref.end < refEnd(op)) {
        if (this.#keep(event)) op.ref.blocked.push(event);
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

  /** @internal Makes nodes of an insert, unless they have their numbers, and puts them where the order of siblings says. At a void
   * id it uses up its ids and makes none. */
  put({ agent, seq, count, text, side, ref, refSeq, lv }: Op, changes: Changes): void {
    const parent = ref ? ref.lvOf(refSeq) : START;
    if (parent === -1) return;
    if (lv < 0) lv = this.ids.push(agent, seq, count);
    const place = placeOf(this, lv, parent, side);
    if (changes && text !== null) addChange(changes, this.tree.index(place.run, place.off), 0, text);
    if (text !== null) this.tree.chars.set(lv, count, text, 0);
    this.tree.insert(place.run, place.off, lv, count, parent, side, text === null);
  }

  /** @internal Makes tombstones of the nodes among the ids `from … to-1`. */
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

  /** Keeps an event until it can be applied, and says whether it is new. Of two with the same place in a chain the first
   * stays. */
  #keep(event: Event): boolean {
    const { waiting } = event.agent;
    if (waiting.has(event.after)) return false;
    waiting.set(event.after, event);
    this.waitingCount++;
    return true;
  }

  /** @internal Whether events wait for ids of an agent. */
  isAwaited(name: string): boolean {
    if (this.waitingCount === 0) return false;
    const { waiting, blocked } = this.ids.agent(name);
    return waiting.size + blocked.length > 0;
  }

  /** @internal Applies what waited for `agent`'s new end, and what waited for that, and so on. */
  release(agent: Agent, changes: Changes): void {
    if (this.waitingCount === 0) return;
    const moved = [agent];
    const tryNext = (next: Agent) => {
      const event = next.waiting.get(next.end);
      if (event && this.#drop(event) && this.#tryIt(event, changes)) moved.push(next);
    };
    for (let agent; (agent = moved.pop()) !== undefined; ) {
      tryNext(agent);
      this.#dropCovered(agent);
      const { blocked } = agent;
      agent.blocked = [];
      for (const event of blocked) tryNext(event.agent);
    }
  }

  #drop(event: Event): boolean {
    this.waitingCount--;
    return event.agent.waiting.delete(event.after);
  }

  /** Drops waiting events that are covered, which only a merge or a broken chain can leave; looking through all of them
   * for that only once in so many moves. */
  #dropCovered(agent: Agent): void {
    if (++agent.moves < agent.waiting.size) return;
    agent.moves = 0;
    for (const event of agent.waiting.values()) if (event.after < agent.end) this.#drop(event);
  }
}

/** Adds a change, or makes the last one larger where they go together: a word typed in one event becomes one change,
 * and so does a deletion that finds its characters in several places of the tree. */
export function addChange(changes: Change[], at: number, del: number, ins: string): void {
  const last = changes[changes.length - 1];
  if (last && del === 0 && last.ins && last.at + last.ins.length === at) last.ins += ins;
  else if (last && del > 0 && !last.ins && (last.at === at || at + del === last.at)) {
    last.at = at;
    last.del += del;
  } else changes.push({ at, del, ins });
}
