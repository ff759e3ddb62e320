// Builds a document from its chains, which form the Fugue tree. One walk in document order yields depths and gaps, so
// nothing needs to be searched.
import { RIGHT, type Op } from "./event.js";
import { type Nodes, addSibling } from "./order.js";
import { START, type Run } from "./run.js";
import type { Tree } from "./tree.js";

/** A chain that the walk has entered. */
interface Walk {
  chain: Op;
  depth: number;
  /** Its next node, counted from 0. */
  node: number;
  /** Its next child, as an index into all children in the order of their places. */
  child: number;
  /** The gap before the next node; 0 if it does not change. */
  gap: number;
}

/** Fills an empty replica. `chains` are ordered by id and numbered; `visibility` lists, in document order, how many
 * nodes are visible, how many are deleted, and so on; `text` holds the characters of the visible ones. Returns how many
 * nodes descend from the start of the document; -1 if a parent is missing, or if there is too little or too much text.
 * */
export function build(nodes: Nodes, chains: readonly Op[], visibility: readonly number[], text: string): number {
  const { tree } = nodes;
  const { length } = chains;
  // Each chain's place: twice the parent's number, counted from the start's, plus the side.
  const places = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    const { agent, seq, ref, refSeq, side } = chains[i]!;
    const parent = ref ? ref.lvOf(refSeq) : START;
    if (parent === -1 || (ref === agent && refSeq >= seq)) return -1;
    places[i] = (parent - START) * 2 + side;
  }
  // Children ordered by place, then by id.
  const order = sorted(places);
  const childAt = (i: number) => chains[order[i]!]!;
  /** `undefined` beyond either end. */
  const placeAt = (i: number): number | undefined => places[order[i]!];

  // Find each chain's first child, and record the places with several children for later inserts.
  const firstChild = new Uint32Array(length).fill(length);
  let above = -1;
  for (let i = 0; i < length; i++) {
    const { lv, side } = childAt(i);
    const parent = (placeAt(i)! >> 1) + START;
    while (above + 1 < length && chains[above + 1]!.lv <= parent) firstChild[++above] = i;
    const chain = chains[above];
    const goesOn = side === RIGHT && chain !== undefined && parent + 1 < chain.lv + chain.count;
    if (!goesOn && placeAt(i - 1) !== placeAt(i)) continue;
    addSibling(nodes, lv, parent, side, () => (goesOn ? parent + 1 : childAt(i - 1).lv));
  }

  const stack: Walk[] = [];
  const enter = (i: number, depth: number) => {
    const chain = childAt(i);
    stack.push({ chain, depth, node: 0, child: firstChild[order[i]!]!, gap: chain.side === RIGHT ? depth : 0 });
  };
  /** Walks all children at the place of child `from`; returns the first child at another place. */
  const enterAll = (from: number, depth: number) => {
    let to = from;
    while (placeAt(to) === placeAt(from)) to++;
    for (let i = to - 1; i >= from; i--) enter(i, depth);
    return to;
  };
  if (placeAt(0) === RIGHT) enterAll(0, 1);
  const writer = new Writer(tree, visibility, text);
  for (let walk = stack.pop(); walk; walk = stack.pop()) {
    const { chain, depth } = walk;
    if (walk.gap) writer.gap = walk.gap;
    for (;;) {
      const place = placeAt(walk.child);
      // The node of this chain that is the next child's parent; it is never beyond the chain's end.
      const node = place === undefined ? Infinity : (place >> 1) + START - chain.lv;
      const isRight = place !== undefined && place % 2 === RIGHT;
      const end = Math.min(isRight ? node + 1 : node, chain.count);
      writer.write(chain, walk.node, end, depth);
      walk.node = Math.max(walk.node, end);
      if (node >= chain.count) break;
      const below = depth + node + 1;
      if (isRight && end < chain.count && childAt(walk.child).agent.name >= chain.agent.name) {
        // The chain is complete.
        walk.child = enterAll(walk.child, below);
      } else {
        walk.gap = below;
        stack.push(walk);
        enter(walk.child, below);
        walk.child++;
        break;
      }
    }
  }
  return writer.unit === text.length ? writer.done : -1;
}

/** The indexes of `numbers` in ascending order; the sort is stable. A radix sort, because comparing would take longer
 * than everything else that reading a state does. */
function sorted(numbers: Uint32Array): Uint32Array {
  let order = new Uint32Array(numbers.length).map((_, i) => i);
  for (let shift = 0; shift < 32; shift += 8) {
    const digitOf = (number: number) => (number >>> shift) & 0xff;
    // The next position for each digit.
    const next = new Uint32Array(257);
    for (const number of numbers) next[digitOf(number) + 1]!++;
    for (let digit = 1; digit < 256; digit++) next[digit]! += next[digit - 1]!;
    const byDigit = new Uint32Array(numbers.length);
    for (const i of order) {
      const digit = digitOf(numbers[i]!);
      byDigit[next[digit]!++] = i;
    }
    order = byDigit;
  }
  return order;
}

/** Appends nodes to a tree, in document order. */
class Writer {
  /** How many nodes were appended. */
  done = 0;
  /** The gap before the next node. */
  gap = 0;
  /** The next unit of the text. */
  unit = 0;
  #run: Run;
  #dead = true;
  /** How many nodes of the current stretch, visible or deleted, are left; and the index of the next stretch. */
  #left = 0;
  #stretch = 0;

  constructor(
    readonly tree: Tree,
    readonly visibility: readonly number[],
    readonly text: string,
  ) {
    this.#run = tree.first;
  }

  /** Appends nodes `from … to-1` of a chain whose first node has this depth. */
  write(chain: Op, from: number, to: number, depth: number): void {
    const { tree } = this;
    for (let node = from, count; node < to; node += count) {
      while (this.#left === 0) {
        this.#left = this.visibility[this.#stretch++]!;
        this.#dead = !this.#dead;
      }
      count = Math.min(this.#left, to - node);
      const lv = chain.lv + node;
      if (!this.#dead) this.unit = tree.chars.set(lv, count, this.text, this.unit);
      const origin = chain.ref ? chain.ref.lvOf(chain.refSeq) : START;
      const [parent, side] = node > 0 ? [lv - 1, RIGHT] as const : [origin, chain.side] as const;
      this.#run = tree.append(this.#run, lv, count, depth + node, this.gap, parent, side, this.#dead);
      this.gap = depth + node + count;
      this.#left -= count;
      this.done += count;
    }
  }
}
