// Where a new node goes. Children of one node on one side are ordered by id, agent by agent, and an agent's come in
// ascending order, since its chain is applied in order. Nearly every node has at most one child on a side, and that
// one is found in the tree; from the second on it is kept where each agent's children of that node end (on the right)
// or begin (on the left), and the new node's neighbour tells the place: after all that hangs below the one before
// it, or before all that hangs below the one after it.
import { LEFT, RIGHT, type Side } from "./event.js";
import { lastOf, type Agent, type Ids } from "./ids.js";
import type { Place, Tree } from "./tree.js";

export class Order {
  /** Of the agents that have children of one node on one side, by name: the last child of each on the right, the first
   * on the left. */
  #siblings = new Map<number, number[]>();
  constructor(
    readonly tree: Tree,
    readonly ids: Ids,
  ) {}

  /** Decides where node `lv` of `agent`, which is not in the tree yet, goes as a child of `parent`. */
  place(agent: Agent, lv: number, parent: number, side: Side): Place {
    const { tree } = this;
    const run = tree.locate(parent);
    const isRight = side === RIGHT;
    const off = parent - run.lv + (isRight ? 1 : 0);
    const depth = run.depth + (parent - run.lv) + 1;
    const inside = isRight && off < run.len;
    // Is the node beside outside of the parent's subtree, then there is no child on that side yet.
    const beside = isRight ? run.next : off > 0 ? null : run;
    if (!inside && (beside === null || beside.gap < depth)) return { run, off };
    const neighbour = this.add(agent, lv, parent, side, () => {
      if (inside) return parent + 1;
      // What is below the only child is deeper than it, and before the next node that is not.
      return (isRight && beside!.depth <= depth ? beside! : tree.seek(beside!, isRight, false, depth)!).lv;
    });
    if (neighbour === undefined) return { run, off };
    const sibling = tree.locate(neighbour);
    const after = !isRight && sibling.gap <= depth ? sibling : tree.seek(sibling, isRight, true, depth);
    if (after) return { run: after, off: 0 };
    const last = tree.last();
    return { run: last, off: last.len };
  }

  /** Adds a node beside the only child (asked for when nothing is kept yet); returns the sibling before it on the
   * right, after it on the left. */
  add(agent: Agent, lv: number, parent: number, side: Side, onlyChild: () => number): number | undefined {
    const key = parent * 2 + side;
    const nameOf = (lv: number) => this.ids.rangeOf(lv).agent.name;
    let lvs = this.#siblings.get(key);
    if (lvs === undefined) this.#siblings.set(key, (lvs = [onlyChild()]));
    const at = lastOf(lvs, (lv) => nameOf(lv) <= agent.name);
    const neighbour = lvs[side === LEFT ? at + 1 : at];
    if (at < 0 || nameOf(lvs[at]!) < agent.name) lvs.splice(at + 1, 0, lv);
    else if (side === RIGHT) lvs[at] = lv;
    return neighbour;
  }
}
