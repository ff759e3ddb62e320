// Document order: the runs in a splay tree, which moves what is used to its root. An edit beside the last one needs no
// search; any other place takes an amortized logarithmic one. In addition, each run links to the next, and each node's
// number to its run.
//
// The Fugue tree itself is not stored: `depth` and `gap` of the runs (see run.ts) are enough to find where a subtree
// begins and ends. The subtree of node c ends before the first run after c whose gap is at most depth(c), and begins at
// the last run, at or before c, whose gap is at most that; each takes one search over the least gaps.
import { Chars, grown, toText } from "./chars.js";
import { LEFT, RIGHT, type Side } from "./event.js";
import { MAX_RUN, NIL, Run, START, goesOn, joins } from "./run.js";

/** Where a new node goes: before node `off` of a run, or after its last node if `off` is its length. */
export interface Place {
  run: Run;
  off: number;
}

export class Tree {
  chars = new Chars();
  /** A tombstone that stands for the start of the document. */
  first = new Run(START, 1, 0, 0, START, RIGHT, true, 0);
  /** Another one for its end, outside every subtree. */
  end = new Run(START, 1, 0, 0, START, LEFT, true, 0);
  #root = this.first;
  #runs: Run[] = [];
  /** Indexes of removed runs, for reuse. */
  #free: number[] = [];
  /** The index of the run that a node is in. */
  #runOf: Uint32Array = new Uint32Array(64);

  constructor() {
    const { first } = this;
    first.up = first.left = first.right = NIL;
    this.#link(first, this.end);
  }

  get length(): number {
    return this.#root.sum;
  }

  /** The run that holds a node. */
  locate(lv: number): Run {
    return lv < 0 ? this.first : this.#runs[this.#runOf[lv]!]!;
  }

  /** The run that shows unit `at`, which is below the length. */
  runAt(at: number): Run {
    let run = this.#root;
    for (;;) {
      if (at < run.left.sum) {
        run = run.left;
        continue;
      }
      at -= run.left.sum;
      if (at < run.units) return this.#top(run);
      at -= run.units;
      run = run.right;
    }
  }

  /** How many units precede node `off` of a run. */
  index(run: Run, off: number): number {
    return this.#top(run).left.sum + this.units(run, 0, off);
  }

  /** Units of the `len` nodes of a run from `off` on. */
  units(run: Run, off: number, len: number): number {
    return run.dead ? 0 : run.units === run.len ? len : this.chars.units(run.lv + off, len);
  }

  /** How many whole nodes of a visible run precede unit `at` of the document, which is in the run or at its end. */
  nodes(run: Run, at: number): number {
    at -= this.index(run, 0);
    return run.units === run.len ? at : this.chars.nodes(run.lv, at);
  }

  /** Inserts nodes before node `off` of a run, or after its last; if they are visible, their characters are already
   * set. */
  insert(run: Run, off: number, lv: number, len: number, parent: number, side: Side, dead: boolean): void {
    const above = this.locate(parent);
    const depth = above.depth + (parent - above.lv) + 1;
    const gap = side === RIGHT ? depth : off > 0 ? run.depth + off : run.gap;
    if (off < run.len) {
      const next = off > 0 ? this.#split(run, off) : run;
      if (side === LEFT) {
        next.gap = depth;
        this.#splay(next);
      }
      run = next.prev;
    }
    this.append(run, lv, len, depth, gap, parent, side, dead);
  }

  /** Inserts nodes right after a run, and returns the run of the last one. */
  append(run: Run, lv: number, len: number, depth: number, gap: number, parent: number, side: Side, dead: boolean): Run {
    for (; len > 0; len -= MAX_RUN) {
      const count = Math.min(len, MAX_RUN);
      const units = dead ? 0 : this.chars.units(lv, count);
      if (joins(run, lv, parent, side, dead, count)) {
        run.len += count;
        run.units += units;
        this.#own(run, lv, count);
        this.#splay(run);
      } else {
        const fresh = new Run(lv, count, depth, gap, parent, side, dead, units);
        this.#link(run, fresh);
        run = fresh;
      }
      lv += count;
      parent = lv - 1;
      gap = depth += count;
      side = RIGHT;
    }
    return run;
  }

  /** Calls back with each piece of visible nodes that lies, in whole or in part, in the `len` units from `at` on. With
   * `buries` they are tombstones by then. */
  visit(at: number, len: number, buries: boolean, visit: (run: Run, off: number, count: number) => void): void {
    while (len > 0) {
      const run = this.runAt(at);
      const off = this.nodes(run, at);
      // It begins before `at` if that is inside a pair.
      const from = this.index(run, off);
      const end = run.left.sum + run.units;
      len += at - from;
      const count = (from + len < end ? this.nodes(run, from + len - 1) + 1 : run.len) - off;
      const units = this.units(run, off, count);
      visit(run, off, count);
      if (buries) this.bury(run, off, count);
      at = buries ? from : from + units;
      len -= units;
    }
  }

  /** Turns `len` nodes of a visible run into tombstones, and joins them with adjacent tombstones. */
  bury(run: Run, off: number, len: number): void {
    const { lv, prev, next } = run;
    const rest = run.len - len;
    const units = run.units - this.units(run, off, len);
    // Usually it is the end of a run, beside tombstones that can absorb it.
    if (rest > 0 && off === rest && next.dead && next.len + len <= MAX_RUN && joins(run, next.lv, next.parent, next.side, false, 0)) {
      run.len = rest;
      next.len += len;
      next.lv -= len;
      next.gap = next.depth -= len;
      next.parent -= len;
      this.#own(next, next.lv, len);
      this.#splay(next);
    } else if (rest > 0 && off === 0 && joins(prev, lv, run.parent, run.side, true, len)) {
      prev.len += len;
      this.#own(prev, lv, len);
      run.len = rest;
      run.lv += len;
      run.gap = run.depth += len;
      run.parent += len;
    } else {
      if (off < rest) this.#split(run, off + len);
      if (off > 0) run = this.#split(run, off);
      run.dead = true;
      run.units = 0;
      this.#splay(run);
      if (goesOn(run.prev, run)) run = this.#join(run.prev, run);
      if (goesOn(run, run.next)) this.#join(run, run.next);
      return;
    }
    run.units = units;
    this.#splay(run);
  }

  /** The first run after `from`, or the last before it, whose gap, or depth, is at most `most`; there always is one. */
  seek(from: Run, forward: boolean, byGap: boolean, most: number): Run {
    const low = (run: Run) => (byGap ? run.lowGap : run.lowDepth);
    this.#top(from);
    let run = forward ? from.right : from.left;
    for (;;) {
      const near = forward ? run.left : run.right;
      if (low(near) <= most) run = near;
      else if ((byGap ? run.gap : run.depth) <= most) return this.#splay(run);
      else run = forward ? run.right : run.left;
    }
  }

  /** The text between two indexes. */
  text(from: number, to: number): string {
    if (from >= to) return "";
    let run = this.runAt(from);
    const start = this.index(run, 0);
    // Copies whole runs, into an array with room for what is cut off afterwards.
    const out = new Uint16Array(to - start + MAX_RUN * 2);
    for (let at = 0; at < to - start; run = run.next) {
      if (!run.dead) at = this.chars.copy(run.lv, run.len, out, at);
    }
    return toText(out.subarray(from - start, to - start));
  }

  /** Records that nodes are in a run. */
  #own(run: Run, lv: number, len: number): void {
    const end = lv + len;
    if (end > this.#runOf.length) this.#runOf = grown(this.#runOf, end);
    for (; lv < end; lv++) this.#runOf[lv] = run.index;
  }

  /** Puts a run after another. */
  #link(run: Run, fresh: Run): void {
    const { next } = run;
    fresh.prev = run;
    fresh.next = next;
    run.next = fresh;
    next.prev = fresh;
    fresh.index = this.#free.pop() ?? this.#runs.length;
    this.#runs[fresh.index] = fresh;
    this.#own(fresh, fresh.lv, fresh.len);
    this.#splay(run);
    fresh.up = NIL;
    fresh.right = run.right;
    fresh.right.up = fresh;
    run.right = NIL;
    update(run);
    fresh.left = run;
    run.up = fresh;
    update(fresh);
    this.#root = fresh;
  }

  /** Splits a run before node `off`, and returns the right part. */
  #split(run: Run, off: number): Run {
    const { lv, len, dead } = run;
    const depth = run.depth + off;
    const right = new Run(lv + off, len - off, depth, depth, lv + off - 1, RIGHT, dead, this.units(run, off, len - off));
    run.len = off;
    run.units -= right.units;
    this.#link(run, right);
    return right;
  }

  /** Joins two adjacent tombstones. */
  #join(run: Run, next: Run): Run {
    run.len += next.len;
    run.next = next.next;
    next.next.prev = run;
    this.#own(run, next.lv, next.len);
    this.#free.push(next.index);
    this.#splay(next);
    next.left.up = NIL;
    // It is the last run left of `next`.
    this.#splay(run).right = next.right;
    next.right.up = run;
    update(run);
    return run;
  }

  /** Moves an unchanged run to the root. */
  #top(run: Run): Run {
    return run === this.#root ? run : this.#splay(run);
  }

  /** Moves a run to the root, and updates all sums that it is part of. */
  #splay(run: Run): Run {
    while (run.up !== NIL) {
      const { up } = run;
      if (up.up !== NIL) rotate((up.up.left === up) === (up.left === run) ? up : run);
      rotate(run);
    }
    update(run);
    this.#root = run;
    return run;
  }
}

/** Rotates a run up by one level, without updating its own sums. */
function rotate(run: Run): void {
  const { up } = run;
  const top = up.up;
  if (up.left === run) {
    up.left = run.right;
    run.right.up = up;
    run.right = up;
  } else {
    up.right = run.left;
    run.left.up = up;
    run.left = up;
  }
  up.up = run;
  run.up = top;
  if (top.left === up) top.left = run;
  else if (top.right === up) top.right = run;
  update(up);
}

function update(run: Run): void {
  const { left, right } = run;
  run.sum = left.sum + run.units + right.sum;
  run.lowDepth = Math.min(left.lowDepth, run.depth, right.lowDepth);
  run.lowGap = Math.min(left.lowGap, run.gap, right.lowGap);
}
