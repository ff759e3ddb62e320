// What is applied and what waits: events go in here, in any order and as often as they like.
import { Changes } from "./changes.js";
import { readEvent, refEndOf, type Event, type Op } from "./event.js";
import { Agent, Ids } from "./ids.js";
import { Order } from "./order.js";
import { START, type Side } from "./run.js";
import { Tree, type Place } from "./tree.js";
import type { Applied, WireEvent } from "./types.js";
import { Waiting } from "./waiting.js";

export class Replica {
  tree = new Tree();
  ids = new Ids();
  order = new Order(this.tree, this.ids);
  readonly version = new Map<string, number>();
  readonly waiting = new Waiting();

  /** Applies an event, or keeps it until it can be. */
  receive(wire: WireEvent, changes: Changes | null): Applied {
    const event = readEvent(this.ids, wire);
    const { agent, after } = event;
    if (after < agent.end) return "repeat";
    if (after > agent.end) {
      this.waiting.keep(event);
      return "waits";
    }
    if (!this.#isReady(event)) return "waits";
    this.#perform(event, changes);
    this.release(agent.name, changes);
    return "now";
  }

  /** Whether all that an event refers to is known; if not, it waits for that. Ids of its own agent are: they lie below
   * the op's own, so what is not applied by then never comes. */
  #isReady(event: Event): boolean {
    for (; event.ready < event.ops.length; event.ready++) {
      const op = event.ops[event.ready]!;
      if (typeof op.ref === "string") op.ref = this.ids.find(op.ref) ?? op.ref;
      const ref = op.ref;
      if (ref === null || ref === event.agent) continue;
      const end = refEndOf(op);
      if (typeof ref !== "string" && ref.end >= end) continue;
      this.waiting.keepBlocked(event, typeof ref === "string" ? ref : ref.name, end);
      return false;
    }
    return true;
  }

  #perform(event: Event, changes: Changes | null): void {
    let agent = event.agent;
    if (agent.end === 0) agent = this.ids.findOrAdd(agent.name);
    for (const op of event.ops) {
      const owner = op.ref === event.agent ? agent : (op.ref as Agent | null);
      if (op.text === null) {
        this.deleteIds(owner!, op.refSeq, op.refSeq + op.count, changes);
      } else {
        const parent = owner === null ? START : owner.lvOf(op.refSeq);
        // At a void id the insert uses up its ids and makes no node.
        if (parent !== -1) this.#integrate(agent, op, parent, changes);
      }
    }
    this.advance(agent, event.end);
  }

  advance(agent: Agent, end: number): void {
    if (end <= agent.end) return;
    agent.end = end;
    this.version.set(agent.name, end);
  }

  #integrate(agent: Agent, op: Op, parent: number, changes: Changes | null): void {
    const lv = this.ids.push(agent, op.seq, op.count);
    this.put(agent, lv, op.count, op.text, parent, op.side, changes);
  }

  /** Puts nodes that have their numbers and ids into the tree, where the order of siblings says: visible ones of
   * `text`, or tombstones. */
  put(agent: Agent, lv: number, len: number, text: string | null, parent: number, side: Side, changes: Changes | null) {
    const place = this.order.place(agent, lv, parent, side);
    let at = -1;
    if (changes !== null && text !== null) {
      at = this.tree.indexOf(place.run) + this.tree.unitsOf(place.run, 0, place.off);
      changes.insert(at, text);
    }
    this.putAt(place, lv, len, text, parent, side, at);
  }

  /** The same at a known place, and its index if that is known. */
  putAt(place: Place, lv: number, len: number, text: string | null, parent: number, side: Side, at: number): void {
    if (text !== null) {
      this.tree.chars.reserve(lv + len);
      this.tree.chars.set(lv, text, 0, text.length);
    }
    this.tree.insert(place, lv, len, parent, side, text === null, at);
  }

  /** Makes tombstones of the nodes among the ids `from … to-1`. */
  deleteIds(agent: Agent, from: number, to: number, changes: Changes | null): void {
    const { tree } = this;
    agent.eachNode(from, to, (lv, count) => {
      for (const end = lv + count; lv < end; ) {
        const run = tree.locate(lv);
        const off = lv - run.lv;
        const len = Math.min(run.len - off, end - lv);
        lv += len;
        if (run.dead) continue;
        let at = -1;
        if (changes !== null) {
          at = tree.indexOf(run) + tree.unitsOf(run, 0, off);
          changes.delete(at, tree.unitsOf(run, off, len));
        }
        tree.bury(run, off, len, at);
      }
    });
  }

  /** Applies what waited for `name`'s new end, and what waited for that, and so on. */
  release(name: string, changes: Changes | null): void {
    if (this.waiting.count === 0) return;
    const moved = [name];
    for (let agent; (agent = moved.pop()) !== undefined; ) {
      const end = this.version.get(agent) ?? 0;
      const next = this.waiting.next(agent, end);
      if (next && this.#tryNext(next, changes)) moved.push(agent);
      for (let blocked; (blocked = this.waiting.unblock(agent, end)); ) {
        const { name } = blocked.agent;
        // A merge may have covered the event that waited.
        const isNext = (this.version.get(name) ?? 0) === blocked.after && this.waiting.next(name, blocked.after);
        if (isNext && this.#tryNext(isNext, changes)) moved.push(name);
      }
    }
  }

  #tryNext(event: Event, changes: Changes | null): boolean {
    if (!this.#isReady(event)) return false;
    this.#perform(event, changes);
    return true;
  }
}

