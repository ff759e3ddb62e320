// What the tree is made of: runs of nodes, and blocks of runs or of other blocks.
import { RIGHT, type Side } from "./event.js";

/** The number of the start of the document, as a parent; no character has it. */
export const START = -2;

/** Most nodes of a run: what has to be done for a run's nodes one by one stays cheap. */
export const MAX_RUN = 512;

/** Nodes with consecutive numbers that stand next to each other, each the right child of the one before, all visible
 * or all deleted. Ids do not matter to it. */
export class Run {
  /** The leaf that it is in. */
  up: Block | null = null;
  prev: Run | null = null;
  next: Run | null = null;
  constructor(
    /** The first node's number, given in the order of arrival here. */
    public lv: number,
    public len: number,
    /** The first node's depth, 1 for a child of the start; node k stands at `depth + k`. */
    public depth: number,
    /** The depth of the lowest common ancestor of the first node and the node before it in the document, plus one.
     * Before node k > 0 of the run that is `depth + k`. */
    public gap: number,
    /** The first node's parent, */
    public parent: number,
    /** and on which side of it it hangs. */
    public side: Side,
    public dead: boolean,
    /** UTF-16 units of its visible text. */
    public units: number,
  ) {}
}

/** A leaf, whose kids are runs, or a block of blocks. */
export class Block {
  up: Block | null = null;
  units = 0;
  /** The least depth and the least gap of all runs below. */
  depth = 0;
  gap = 0;
  constructor(
    public kids: (Run | Block)[],
    /** A leaf's number; -1 for others. */
    readonly no: number,
  ) {
    this.sum();
  }

  /** Adds up the kids, and makes them know this block. */
  sum(): void {
    this.units = 0;
    this.depth = this.gap = Infinity;
    for (const kid of this.kids) {
      kid.up = this;
      this.add(kid);
    }
  }

  /** Adds a kid's sums. */
  add({ units, depth, gap }: Run | Block): void {
    this.units += units;
    if (depth < this.depth) this.depth = depth;
    if (gap < this.gap) this.gap = gap;
  }
}

/** Whether `run` may be one with `before`, which stands before it: the right child, with the next number, of its last
 * node, in the same leaf, and as visible as that. */
export const joins = (before: Run | null, run: Run | null): boolean =>
  before !== null &&
  run !== null &&
  run.lv === before.lv + before.len &&
  run.parent === run.lv - 1 &&
  run.side === RIGHT &&
  run.dead === before.dead &&
  run.len + before.len <= MAX_RUN;
