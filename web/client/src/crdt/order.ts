// Where a new node goes. Children of one node on one side are ordered by id, agent by agent; an agent's arrive in
// ascending order, because its chain is applied in order. Nearly every node has at most one child on a side, which the
// tree finds. From the second on, a table keeps each agent's last child (on the right) or first child (on the left),
// and the new node goes next to its neighbour: after the subtree of the sibling before it, or before the subtree of the
// sibling after it.
import { LEFT, RIGHT, type Side } from "./event.js";
import { type Ids, lastOf } from "./ids.js";
import type { Place, Tree } from "./tree.js";

/** What determines the order of a document's nodes. */
export interface Nodes {
  tree: Tree;
  ids: Ids;
  /** For each place with several children, by agent and ordered by name: its last child on the right, its first on the
   * left. The key is twice the parent's number, plus the side. */
  siblings: Map<number, number[]>;
}

/** Decides where node `lv`, which is not in the tree yet, goes as a child of `parent`. */
export function placeOf(nodes: Nodes, lv: number, parent: number, side: Side): Place {
  const { tree } = nodes;
  const run = tree.locate(parent);
  const isRight = side === RIGHT;
  const off = parent - run.lv + (isRight ? 1 : 0);
  const depth = run.depth + (parent - run.lv) + 1;
  const inside = isRight && off < run.len;
  // If the adjacent node is outside the parent's subtree, there is no child on that side yet.
  const beside = isRight ? run.next : run;
  if (!inside && (beside.gap < depth || (!isRight && off > 0))) return { run, off };
  const neighbour = addSibling(nodes, lv, parent, side, () => {
    if (inside) return parent + 1;
    // The only child's subtree is deeper than the child, and ends before the next node that is not.
    return (isRight && beside.depth <= depth ? beside : tree.seek(beside, isRight, false, depth)).lv;
  });
  if (neighbour === undefined) return { run, off };
  const sibling = tree.locate(neighbour);
  const after = !isRight && sibling.gap <= depth ? sibling : tree.seek(sibling, isRight, true, depth);
  return { run: after, off: 0 };
}

/** Adds a node beside the only child (which is asked for only if the table has no entry yet). Returns the sibling
 * before it on the right, after it on the left. */
export function addSibling(
  { ids, siblings }: Nodes,
  lv: number,
  parent: number,
  side: Side,
  onlyChild: () => number,
): number | undefined {
  const key = parent * 2 + side;
  const nameOf = (lv: number) => ids.rangeOf(lv).agent.name;
  const name = nameOf(lv);
  const lvs = siblings.get(key) ?? [onlyChild()];
  siblings.set(key, lvs);
  const index = lastOf(lvs, (other) => nameOf(other) <= name);
  const neighbour = lvs[side === LEFT ? index + 1 : index];
  if (index < 0 || nameOf(lvs[index]!) < name) lvs.splice(index + 1, 0, lv);
  else if (side === RIGHT) lvs[index] = lv;
  return neighbour;
}
