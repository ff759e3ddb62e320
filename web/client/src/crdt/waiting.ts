// Events that cannot be applied yet. Of each agent's waiting events only the first can come next; it waits either for
// the events before it, or, once its chain has reached it, for the first agent that its references need more of. So an
// event is looked at when what it waits for has arrived, and not before.
import type { Event } from "./event.js";
import { Heap } from "./heap.js";

interface Chain {
  byAfter: Map<number, Event>;
  afters: Heap<number>;
}

export class Waiting {
  count = 0;
  readonly #chains = new Map<string, Chain>();
  /** The heads of chains, by the name of the agent they need more of and the end that they need. */
  readonly #blocked = new Map<string, Heap<Event>>();

  /** Keeps an event, and says whether it is new. Of two with the same place in a chain the first stays. */
  keep(event: Event): boolean {
    const { name } = event.agent;
    let chain = this.#chains.get(name);
    if (!chain) this.#chains.set(name, (chain = { byAfter: new Map(), afters: new Heap() }));
    if (chain.byAfter.has(event.after)) return false;
    chain.byAfter.set(event.after, event);
    chain.afters.push(event.after, event.after);
    this.count++;
    return true;
  }

  /** Keeps the head of a chain, which waits until `agent`'s end is `needs`. */
  keepBlocked(event: Event, agent: string, needs: number): void {
    if (!this.keep(event)) return;
    let heap = this.#blocked.get(agent);
    if (!heap) this.#blocked.set(agent, (heap = new Heap()));
    heap.push(needs, event);
  }

  /** Takes the event that comes next in a chain that ends at `end`, if it is here; those below are dropped. */
  next(agent: string, end: number): Event | undefined {
    const chain = this.#chains.get(agent);
    if (!chain) return undefined;
    let found: Event | undefined;
    for (let after; (after = chain.afters.pop(end)) !== undefined; this.count--) {
      if (after === end) found = chain.byAfter.get(after);
      chain.byAfter.delete(after);
    }
    if (chain.byAfter.size === 0) this.#chains.delete(agent);
    return found;
  }

  /** Takes a chain's head that needed no more of `agent` than `end` from those that wait for it. */
  unblock(agent: string, end: number): Event | undefined {
    const heap = this.#blocked.get(agent);
    const found = heap?.pop(end);
    if (heap?.size === 0) this.#blocked.delete(agent);
    return found;
  }
}
