// What the tree is made of.
import { RIGHT, type Side } from "./event.js";

/** The number of the start of the document, as a parent; no character has it. */
export const START = -2;

/** Most nodes of a run: what has to be done for a run's nodes one by one stays cheap. */
export const MAX_RUN = 512;

/** Higher than any depth or gap. */
const HIGH = 2 ** 30 - 1;

/** Nodes with consecutive numbers that stand next to each other, each the right child of the one before, all visible
 * or all deleted. Ids do not matter to it. */
export class Run {
  /** Under which the tree finds it. */
  index = 0;
  /** The one before it in the document and the one after it, in a circle. */
  prev: Run = this;
  next: Run = this;
  /** Its place in the tree, once it has one: NIL where there is none. */
  up: Run = this;
  left: Run = this;
  right: Run = this;
  /** Of it and all below it in the tree: units, the least depth and the least gap. */
  sum: number;
  lowDepth: number;
  lowGap: number;
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
  ) {
    this.sum = units;
    this.lowDepth = depth;
    this.lowGap = gap;
  }
}

/** In the place of a run that is not there. */
export const NIL = new Run(START, 0, HIGH, HIGH, START, RIGHT, true, 0);

/** Whether `len` nodes, visible or not, may become the last ones of a run that they stand after: the first of them
 * must be the right child, with the next number, of its last node. */
export const joins = (run: Run, lv: number, parent: number, side: Side, dead: boolean, len: number): boolean =>
  lv === run.lv + run.len && parent === lv - 1 && side === RIGHT && dead === run.dead && run.len + len <= MAX_RUN;

/** Whether a run may become part of the one before it. */
export const goesOn = (run: Run, next: Run): boolean => joins(run, next.lv, next.parent, next.side, next.dead, next.len);
