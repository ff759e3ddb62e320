// A document from its chains: these hang at each other in the Fugue tree, which is walked once, in document order. Depths
// and gaps come with the walk, so nothing is searched.
import { LEFT, RIGHT, type Op, type Side } from "./event.js";
import { addSibling } from "./order.js";
import type { Replica } from "./replica.js";
import { START } from "./run.js";

/** The rest of a chain, which is still to be walked. */
interface Rest {
  chain: Op;
  /** Its first node, */
  node: number;
  /** the gap before it; 0 when that is what it was, */
  gap: number;
  /** and whether what hangs on its left is done. */
  isEntered: boolean;
}

/** Fills an empty replica. `chains` are in the order of their ids and have their numbers; `turns` says how many nodes are
 * visible in document order, how many then deleted, and so on, and `text` has the characters of the visible ones.
 * Returns how many nodes hang at the start of the document, directly or not; -1 when a parent is missing, or text is
 * missing or left over. */
export function build(replica: Replica, chains: Op[], turns: number[], text: string): number {
  const { tree, ids } = replica;
  // What hangs at each node on each side, and a bit for each side of it where there is something.
  const children = new Map<number, Op[]>();
  const hasChildren = new Uint8Array(ids.next);
  const parentOf = ({ ref, refSeq }: Op) => (ref ? ref.lvOf(refSeq) : START);
  for (const chain of chains) {
    const parent = parentOf(chain);
    if (parent === -1 || (chain.ref === chain.agent && chain.refSeq >= chain.seq)) return -1;
    const place = parent * 2 + chain.side;
    const others = children.get(place);
    if (others) others.push(chain);
    else children.set(place, [chain]);
    if (parent >= 0) hasChildren[parent]! |= 1 << chain.side;
  }

  const stack: Rest[] = [];
  const none: Op[] = [];
  const childrenOf = (parent: number, side: Side, depth: number, sibling?: number): Op[] => {
    const all = children.get(parent * 2 + side) ?? [];
    for (const child of all) {
      child.depth = depth;
      // Places with several are kept for those that will come.
      if (sibling === undefined) sibling = child.lv;
      else addSibling(replica, child.lv, parent, side, () => sibling!);
    }
    return all;
  };
  const enter = (chains: Op[], gap: number) => {
    for (let i = chains.length; i-- > 0; ) {
      const chain = chains[i]!;
      stack.push({ chain, node: 0, gap: i > 0 ? chain.depth : gap, isEntered: false });
    }
  };
  enter(childrenOf(START, RIGHT, 1), 1);
  let run = tree.first;
  let gap = 0;
  let done = 0;
  let dead = true;
  let turn = 0;
  let turnsDone = 0;
  let unit = 0;
  for (let rest; (rest = stack.pop()); ) {
    const { chain } = rest;
    let { node } = rest;
    gap = rest.gap || gap;
    const below = chain.depth + node + 1;
    const first = chain.lv + node;
    if (!rest.isEntered && hasChildren[first]! & 1) {
      rest.gap = below;
      rest.isEntered = true;
      stack.push(rest);
      enter(childrenOf(first, LEFT, below), 0);
      continue;
    }
    let end = node + 1;
    while (end < chain.count && !(hasChildren[chain.lv + end - 1]! & 2) && !(hasChildren[chain.lv + end]! & 1)) end++;
    for (let count; node < end; node += count) {
      while (turn === 0) {
        turn = turns[turnsDone++]!;
        dead = !dead;
      }
      count = Math.min(turn, end - node);
      const lv = chain.lv + node;
      if (!dead) unit = tree.chars.set(lv, count, text, unit);
      const depth = chain.depth + node;
      run = tree.append(run, lv, count, depth, gap, node > 0 ? lv - 1 : parentOf(chain), node > 0 ? RIGHT : chain.side, dead);
      gap = depth + count;
      turn -= count;
      done += count;
    }
    const last = chain.lv + end - 1;
    const goesOn = end < chain.count;
    let before = none;
    if (hasChildren[last]! & 2) {
      const right = childrenOf(last, RIGHT, gap, goesOn ? last + 1 : undefined);
      // The others come after all of this chain.
      before = goesOn ? right.filter(({ agent }) => agent.name < chain.agent.name) : right;
      enter(right.slice(before.length), gap);
    }
    if (goesOn) stack.push({ chain, node: end, gap, isEntered: false });
    enter(before, gap);
  }
  return unit === text.length ? done : -1;
}
