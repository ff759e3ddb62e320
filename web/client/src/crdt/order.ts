// Where a new node goes. Children of one node on one side are ordered by id, agent by agent, and an agent's come in
// ascending order, since its chain is applied in order. Nearly every node has at most one child on a side, and that
// one is found in the tree; from the second on it is kept where each agent's children of that node end (on the right)
// or begin (on the left), and the new node's neighbour tells the place: after all that hangs below the one before
// it, or before all that hangs below the one after it.
import { LEFT, RIGHT, type Side } from "./event.js";
import { lastOf } from "./ids.js";
import type { Replica } from "./replica.js";
import type { Place } from "./tree.js";

/** Decides where node `lv`, which is not in the tree yet, goes as a child of `parent`. */
export function placeOf(replica: Replica, lv: number, parent: number, side: Side): Place {
  const { tree } = replica;
  const run = tree.locate(parent);
  const isRight = side === RIGHT;
  const off = parent - run.lv + (isRight ? 1 : 0);
  const depth = run.depth + (parent - run.lv) + 1;
  const inside = isRight && off < run.len;
  // Is the node beside outside of the parent's subtree, then there is no child on that side yet.
  const beside = isRight ? run.next : run;
  if (!inside && (beside.gap < depth || (!isRight && off > 0))) return { run, off };
  const neighbour = addSibling(replica, lv, parent, side, () => {
    if (inside) return parent + 1;
    // What is below the only child is deeper than it, and before the next node that is not.
    return (isRight && beside.depth <= depth ? beside : tree.seek(beside, isRight, false, depth)).lv;
  });
  if (neighbour === undefined) return { run, off };
  const sibling = tree.locate(neighbour);
  const after = !isRight && sibling.gap <= depth ? sibling : tree.seek(sibling, isRight, true, depth);
  return { run: after, off: 0 };
}

/** Adds a node beside the only child (asked for when nothing is kept yet); returns the sibling before it on the
 * right, after it on the left. */
export function addSibling(
  { ids, siblings }: Replica,
  lv: number,
  parent: number,
  side: Side,
  onlyChild: () => number,
): number | undefined {
  const key = parent * 2 + side;
  const nameOf = (lv: number) => ids.rangeOf(lv).agent.name;
  const name = nameOf(lv);
  let lvs = siblings.get(key);
  if (lvs === undefined) siblings.set(key, (lvs = [onlyChild()]));
  const at = lastOf(lvs, (other) => nameOf(other) <= name);
  const neighbour = lvs[side === LEFT ? at + 1 : at];
  if (at < 0 || nameOf(lvs[at]!) < name) lvs.splice(at + 1, 0, lv);
  else if (side === RIGHT) lvs[at] = lv;
  return neighbour;
}
