// A document from its chains: these hang at each other in the Fugue tree, which is walked once, in document order. Depths
// and gaps come with the walk, so nothing is searched.
import { RIGHT, type Op } from "./event.js";
import { addSibling } from "./order.js";
import type { Replica } from "./replica.js";
import { START } from "./run.js";

/** A chain that is walked. */
interface Walk {
  chain: Op;
  depth: number;
  /** Its next node, */
  node: number;
  /** what hangs at it next, */
  child: number;
  /** and the gap before what comes next; 0 when that is what it was. */
  gap: number;
}

/** Fills an empty replica. `chains` are in the order of their ids and have their numbers; `turns` says how many nodes are
 * visible in document order, how many then deleted, and so on, and `text` has the characters of the visible ones.
 * Returns how many nodes hang at the start of the document, directly or not; -1 when a parent is missing, or text is
 * missing or left over. */
export function build(replica: Replica, chains: Op[], turns: number[], text: string): number {
  const { tree } = replica;
  const { length } = chains;
  // By where they hang, then by id.
  const keys = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const { agent, seq, ref, refSeq, side } = chains[i]!;
    const parent = ref ? ref.lvOf(refSeq) : START;
    if (parent === -1 || (ref === agent && refSeq >= seq)) return -1;
    keys[i] = ((parent - START) * 2 + side) * length + i;
  }
  keys.sort();
  const placeAt = (at: number) => Math.floor(keys[at]! / length);

  // The first child of each chain; and places with several are kept for those that will come.
  const firstChild = new Uint32Array(length).fill(length);
  let no = -1;
  for (let at = 0; at < length; at++) {
    const place = placeAt(at);
    const parent = (place >> 1) + START;
    for (; no + 1 < length && chains[no + 1]!.lv <= parent; firstChild[no] = at) no++;
    const above = chains[no];
    const goesOn = (place & 1) === RIGHT && above !== undefined && parent + 1 < above.lv + above.count;
    if (!goesOn && placeAt(at - 1) !== place) continue;
    const { lv, side } = chains[keys[at]! % length]!;
    addSibling(replica, lv, parent, side, () => (goesOn ? parent + 1 : chains[keys[at - 1]! % length]!.lv));
  }

  const stack: Walk[] = [];
  const enter = (at: number, depth: number) => {
    const no = keys[at]! % length;
    const chain = chains[no]!;
    stack.push({ chain, depth, node: 0, child: firstChild[no]!, gap: chain.side === RIGHT ? depth : 0 });
  };
  const enterAll = (from: number, place: number, depth: number) => {
    let to = from;
    while (placeAt(to) === place) to++;
    for (let at = to; at-- > from; ) enter(at, depth);
    return to;
  };
  enterAll(0, RIGHT, 1);
  let run = tree.first;
  let gap = 0;
  let done = 0;
  let dead = true;
  let turn = 0;
  let turnsDone = 0;
  let unit = 0;
  for (let walk; (walk = stack.pop()); ) {
    const { chain, depth } = walk;
    gap = walk.gap || gap;
    for (;;) {
      const place = walk.child < length ? placeAt(walk.child) : Infinity;
      const above = Math.floor(place / 2) + START - chain.lv;
      const isRight = place % 2 === RIGHT;
      const end = Math.min(isRight ? above + 1 : above, chain.count);
      for (let count; walk.node < end; walk.node += count) {
        while (turn === 0) {
          turn = turns[turnsDone++]!;
          dead = !dead;
        }
        count = Math.min(turn, end - walk.node);
        const lv = chain.lv + walk.node;
        if (!dead) unit = tree.chars.set(lv, count, text, unit);
        const parent = walk.node > 0 ? lv - 1 : chain.ref ? chain.ref.lvOf(chain.refSeq) : START;
        run = tree.append(run, lv, count, depth + walk.node, gap, parent, walk.node > 0 ? RIGHT : chain.side, dead);
        gap = depth + walk.node + count;
        turn -= count;
        done += count;
      }
      if (above >= chain.count) break;
      const below = depth + above + 1;
      if (isRight && end < chain.count && chains[keys[walk.child]! % length]!.agent.name >= chain.agent.name) {
        // After all of this chain.
        walk.child = enterAll(walk.child, place, below);
      } else {
        walk.gap = below;
        stack.push(walk);
        enter(walk.child++, below);
        break;
      }
    }
  }
  return unit === text.length ? done : -1;
}
