// Where a new node goes. Children of one node on one side are ordered by id, agent by agent, and an agent's come in
// ascending order, since its chain is applied in order. Nearly every node has at most one child on a side, and that
// one is found in the tree; from the second on, it is kept where each agent's children of that node end (on the right)
// or begin (on the left), and the new node's neighbour tells the place: after all that hangs below the one before
// it, or before all that hangs below the one after it.
import type { Agent, Ids } from "./ids.js";
import { LEFT, RIGHT, type Run, type Side } from "./run.js";
import type { Place, Tree } from "./tree.js";

/** Of the agents that have children of one node on one side, in order: the last child of each on the right, the
 * first on the left. */
interface Siblings {
  agents: Agent[];
  lvs: number[];
}

export class Order {
  readonly #siblings = new Map<number, Siblings>();
  constructor(
    readonly tree: Tree,
    readonly ids: Ids,
  ) {}

  /** Decides where node `lv` of `agent`, which is not in the tree yet, goes as a child of `parent`. */
  place(agent: Agent, lv: number, parent: number, side: Side): Place {
    const run = this.tree.locate(parent);
    const off = parent - run.lv;
    const depth = run.depth + off + 1;
    return side === RIGHT
      ? this.#rightChild(agent, lv, parent, run, off, depth)
      : this.#leftChild(agent, lv, parent, run, off, depth);
  }

  #rightChild(agent: Agent, lv: number, parent: number, run: Run, off: number, depth: number): Place {
    const inside = off + 1 < run.len;
    const next = run.next;
    // Is the next node outside of the parent's subtree, then there is no right child yet.
    if (inside || (next !== null && next.gap >= depth)) {
      const before = this.#add(agent, lv, parent, RIGHT, () => {
        if (inside) return parent + 1;
        // What is below the only child is deeper than it, and before the next node that is not.
        return (next!.depth <= depth ? next! : this.tree.seek(next!, 1, false, depth)!).lv;
      });
      if (before >= 0) {
        const after = this.tree.seek(this.tree.locate(before), 1, true, depth);
        if (after !== null) return { run: after, off: 0, depth, gap: depth, nextGap: 0 };
        const last = this.tree.last();
        return { run: last, off: last.len, depth, gap: depth, nextGap: 0 };
      }
    }
    return { run, off: off + 1, depth, gap: depth, nextGap: 0 };
  }

  #leftChild(agent: Agent, lv: number, parent: number, run: Run, off: number, depth: number): Place {
    const gap = off > 0 ? depth - 1 : run.gap;
    let at = run;
    if (gap >= depth) {
      const after = this.#add(agent, lv, parent, LEFT, () => this.tree.seek(run, -1, false, depth)!.lv);
      if (after >= 0) {
        const sibling = this.tree.locate(after);
        at = sibling.gap <= depth ? sibling : this.tree.seek(sibling, -1, true, depth)!;
        off = 0;
      }
    }
    return { run: at, off, depth, gap: off > 0 ? gap : at.gap, nextGap: depth };
  }

  /** Adds a node beside the only child (asked for when nothing is kept yet); returns the sibling before it on the
   * right, after it on the left, -1 when there is none. */
  #add(agent: Agent, lv: number, parent: number, side: Side, onlyChild: () => number): number {
    const key = keyOf(parent, side);
    let kept = this.#siblings.get(key);
    if (kept === undefined) {
      const only = onlyChild();
      this.#siblings.set(key, (kept = { agents: [this.ids.rangeOf(only).agent], lvs: [only] }));
    }
    const { agents, lvs } = kept;
    let at = 0;
    for (let high = agents.length; at < high; ) {
      const middle = (at + high) >> 1;
      if (agents[middle]!.name < agent.name) at = middle + 1;
      else high = middle;
    }
    const isKnown = agents[at] === agent;
    const neighbour = lvs[side === RIGHT ? at - (isKnown ? 0 : 1) : at + (isKnown ? 1 : 0)] ?? -1;
    if (!isKnown) {
      agents.splice(at, 0, agent);
      lvs.splice(at, 0, lv);
    } else if (side === RIGHT) {
      lvs[at] = lv;
    }
    return neighbour;
  }

  /** Notes a child of a node that has several on that side, in the order of their ids; for a state read from bytes. */
  note(agent: Agent, lv: number, parent: number, side: Side): void {
    this.#add(agent, lv, parent, side, () => lv);
  }
}

const keyOf = (parent: number, side: Side): number => (parent + 2) * 2 + side;
