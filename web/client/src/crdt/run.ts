// What the tree is made of: runs of nodes, and blocks of runs or of other blocks.

/** The number of the start of the document, as a parent; no character has it. */
export const START = -2;

export const LEFT = 0;
export const RIGHT = 1;
export type Side = typeof LEFT | typeof RIGHT;

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
  depth = 0x7fffffff;
  gap = 0x7fffffff;
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
    this.depth = this.gap = 0x7fffffff;
    for (const kid of this.kids) {
      kid.up = this;
      this.units += kid.units;
      if (kid.depth < this.depth) this.depth = kid.depth;
      if (kid.gap < this.gap) this.gap = kid.gap;
    }
  }
}

/** Whether `run` is the right child, with the next number, of the last node of `before`. */
export const continues = (run: Run, before: Run): boolean =>
  run.lv === before.lv + before.len && run.parent === run.lv - 1 && run.side === RIGHT;

/** Puts an element into a short array: quicker than `splice`. */
export function insertAt<T>(array: T[], at: number, element: T): void {
  array.push(element);
  for (let i = array.length - 1; i > at; i--) array[i] = array[i - 1]!;
  array[at] = element;
}
