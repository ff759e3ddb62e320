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
    const off = parent - run.lv;
    const depth = run.depth + off + 1;
    const place = { run, off };
    let neighbour: number | undefined;
    if (side === RIGHT) {
      place.off++;
      const { next } = run;
      const inside = off + 1 < run.len;
      // Is the next node outside of the parent's subtree, then there is no right child yet.
      if (inside || (next !== null && next.gap >= depth)) {
        // What is below the only child is deeper than it, and before the next node that is not.
        neighbour = this.add(agent, lv, parent, side, () =>
          inside ? parent + 1 : (next!.depth <= depth ? next! : tree.seek(next!, true, false, depth)!).lv,
        );
      }
      if (neighbour !== undefined) {
        const after = tree.seek(tree.locate(neighbour), true, true, depth);
        place.run = after ?? tree.last();
        place.off = after ? 0 : place.run.len;
      }
    } else {
      // Is the node before outside of the parent's subtree, then there is no left child yet.
      if (off === 0 && run.gap >= depth) {
        neighbour = this.add(agent, lv, parent, side, () => tree.seek(run, false, false, depth)!.lv);
      }
      if (neighbour !== undefined) {
        const after = tree.locate(neighbour);
        place.run = after.gap <= depth ? after : tree.seek(after, false, true, depth)!;
      }
    }
    return place;
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
