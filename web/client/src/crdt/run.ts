// The tree's elements.
import { RIGHT, type Side } from "./event.js";

/** The number of the start of the document as a parent; no character has it. */
export const START = -2;

/** The maximum number of nodes in a run, so that work on each node of a run stays cheap. */
export const MAX_RUN = 512;

/** Higher than any depth or gap. */
const HIGH = 2 ** 30 - 1;

/** Adjacent nodes with consecutive numbers, each the right child of the one before, all visible or all deleted. Their
 * ids need not be consecutive. */
export class Run {
  /** Its index in the tree. */
  index = 0;
  /** The runs before and after it in the document, as a circular list. */
  prev: Run = this;
  next: Run = this;
  /** Its place in the tree, once it has one; NIL where nothing is. */
  up: Run = this;
  left: Run = this;
  right: Run = this;
  /** Over its subtree of the splay tree: the sum of units, the least depth and the least gap. */
  sum: number;
  lowDepth: number;
  lowGap: number;
  constructor(
    /** The first node's number, in the order of arrival here. */
    public lv: number,
    public len: number,
    /** The first node's depth, 1 for a child of the start; node k stands at `depth + k`. */
    public depth: number,
    /** The depth of the lowest common ancestor of the first node and the node before it in the document, plus one.
     * Before node k > 0 of the run that is `depth + k`. */
    public gap: number,
    /** The first node's parent. */
    public parent: number,
    /** The first node's side of its parent. */
    public side: Side,
    public dead: boolean,
    /** UTF-16 units of its visible text. */
    public units: number,
  ) {
    this.sum = units;
    this.lowDepth = depth;
    this.lowGap = gap;
  }
}

/** Stands in for a missing run. */
export const NIL = new Run(START, 0, HIGH, HIGH, START, RIGHT, true, 0);

/** Whether `len` nodes, visible or not, may be appended to the run before them: the first of them must be the right
 * child of its last node, and have the next number. */
export const joins = (run: Run, lv: number, parent: number, side: Side, dead: boolean, len: number): boolean =>
  lv === run.lv + run.len && parent === lv - 1 && side === RIGHT && dead === run.dead && run.len + len <= MAX_RUN;

/** Whether a run may be appended to the one before it. */
export const goesOn = (run: Run, next: Run): boolean => joins(run, next.lv, next.parent, next.side, next.dead, next.len);
