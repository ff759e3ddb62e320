// Document order: a B-tree of runs. The Fugue tree itself is nowhere: `depth` and `gap` of the runs (see run.ts) are
// enough to find where a subtree begins and ends. The subtree of node c ends before the first run after c whose gap
// is at most depth(c), and begins at the last run, at or before c, whose gap is at most that; both are one search
// over the least gaps. Tombstones stay, so blocks only ever grow and split.
import { Chars, toText } from "./chars.js";
import { Block, MAX_RUN, RIGHT, Run, START, continues, insertAt, type Side } from "./run.js";

/** Most kids of a block. */
const MAX_KIDS = 32;

/** Node `off` of a run; or, to insert at, the gap before it, `off` being the run's length after its last. */
export interface Place {
  run: Run;
  off: number;
  /** What a new node is there. */
  depth: number;
  gap: number;
  /** The gap after it from now on; 0 when it stays. */
  nextGap: number;
}

export class Tree {
  readonly chars = new Chars();
  /** A tombstone that stands for the start of the document. */
  readonly first = new Run(START, 1, 0, 0, START, RIGHT, true, 0);
  readonly leaves: Block[] = [new Block([this.first], 0)];
  root = this.leaves[0]!;
  /** Which leaf each node is in, by number. */
  #leafOf = new Int32Array(64);
  /** The run of the last edit: the next one is likely there. And the index where it begins, -1 when unknown. */
  #hint = this.first;
  #hintAt = 0;

  get length(): number {
    return this.root.units;
  }

  /** The run that holds a node. */
  locate(lv: number): Run {
    const hint = this.#hint;
    if (holds(hint, lv)) return hint;
    if (hint.next !== null && holds(hint.next, lv)) return hint.next;
    if (lv === START) return this.first;
    const runs = this.leaves[this.#leafOf[lv]!]!.kids as Run[];
    let i = 0;
    while (!holds(runs[i]!, lv)) i++;
    return runs[i]!;
  }

  /** The run that shows unit `at`, which is below the length; {@link runStart} then is where it begins. */
  runAt(at: number): Run {
    const within = at - this.#hintAt;
    if (this.#hintAt >= 0 && within >= 0 && within < this.#hint.units) return this.#hint;
    let rest = at;
    let node: Run | Block = this.root;
    while (node instanceof Block) {
      const kids: (Run | Block)[] = node.kids;
      let i = 0;
      for (let units; rest >= (units = kids[i]!.units); i++) rest -= units;
      node = kids[i]!;
    }
    this.#hintAt = at - rest;
    return (this.#hint = node);
  }

  /** Where the run that {@link runAt} returned last begins. */
  get runStart(): number {
    return this.#hintAt;
  }

  /** How many units stand before a run. */
  indexOf(run: Run): number {
    if (this.#hintAt >= 0) {
      if (run === this.#hint) return this.#hintAt;
      if (run === this.#hint.next) return this.#hintAt + this.#hint.units;
    }
    let index = 0;
    let node: Run | Block = run;
    for (let up: Block | null; (up = node.up) !== null; node = up) {
      for (let i = 0; up.kids[i] !== node; i++) index += up.kids[i]!.units;
    }
    return index;
  }

  /** Units of the `len` nodes of a run from `off` on. */
  unitsOf(run: Run, off: number, len: number): number {
    if (run.dead) return 0;
    return run.units === run.len ? len : this.chars.units(run.lv + off, len);
  }

  /** How many whole nodes of a visible run stand before its unit `unit`. */
  nodesBefore(run: Run, unit: number): number {
    return run.units === run.len ? unit : this.chars.nodes(run.lv, unit);
  }

  /** Inserts nodes, whose characters are known when they are visible, at a place whose index, when it is known, is
   * `at`, else -1. */
  insert(place: Place, lv: number, len: number, parent: number, side: Side, dead: boolean, at: number): void {
    let { run, off, depth, gap, nextGap } = place;
    for (let rest = len; rest > 0; ) {
      const piece = Math.min(rest, MAX_RUN);
      const units = dead ? 0 : this.chars.units(lv, piece);
      run = this.#insertPiece(run, off, new Run(lv, piece, depth, gap, parent, side, dead, units), nextGap, at);
      if (at >= 0) at += units;
      [off, nextGap] = [run.len, 0];
      rest -= piece;
      lv += piece;
      depth += piece;
      [gap, parent, side] = [depth, lv - 1, RIGHT];
    }
  }

  /** Returns the run that has the new nodes, as its last ones. */
  #insertPiece(run: Run, off: number, fresh: Run, nextGap: number, at: number): Run {
    const leaf = run.up!;
    this.#assign(fresh, leaf.no);
    if (off === run.len && continues(fresh, run) && fresh.dead === run.dead && run.len + fresh.len <= MAX_RUN) {
      this.#point(run, at < 0 ? at : at - run.units);
      run.len += fresh.len;
      this.#addUnits(run, fresh.units);
      return run;
    }
    if (off > 0 && off < run.len) {
      run = this.#split(run, off);
      off = 0;
    }
    if (nextGap > 0) run.gap = nextGap;
    this.#link(leaf, run, off > 0, fresh);
    for (let block: Block | null = leaf; block !== null; block = block.up) {
      block.units += fresh.units;
      if (fresh.depth < block.depth) block.depth = fresh.depth;
      if (fresh.gap < block.gap) block.gap = fresh.gap;
    }
    this.#point(fresh, at);
    this.#relieve(leaf);
    return fresh;
  }

  /** Makes tombstones of `len` nodes of a visible run, and joins them with tombstones beside them. `at` is the index
   * of the first, -1 when it is not known. */
  bury(run: Run, off: number, len: number, at: number): void {
    const units = this.unitsOf(run, off, len);
    const leaf = run.up!;
    this.#addUnits(run, -units);
    const { prev, next } = run;
    if (off === 0 && len < run.len && joins(run, prev, leaf, len) && continues(run, prev!)) {
      // The tombstones before it take its first nodes over.
      prev!.len += len;
      moveFront(run, len);
      return this.#point(run, at);
    }
    if (off > 0 && off + len === run.len && joins(run, next, leaf, len) && continues(next!, run)) {
      run.len -= len;
      moveFront(next!, -len);
      return this.#point(run, at < 0 ? at : at - run.units);
    }
    // Units were taken off above; while the run is cut they must add up.
    run.units += units;
    if (off + len < run.len) this.#split(run, off + len);
    let dead = off > 0 ? this.#split(run, off) : run;
    dead.units = 0;
    dead.dead = true;
    if (dead.prev !== null && joins(dead, dead.prev, leaf, len) && continues(dead, dead.prev)) {
      dead = this.#join(dead.prev, dead);
    }
    if (dead.next !== null && joins(dead, dead.next, leaf, dead.len) && continues(dead.next, dead)) {
      this.#join(dead, dead.next);
    }
    if (off > 0) this.#point(run, at < 0 ? at : at - run.units);
    else this.#point(dead, at);
    this.#relieve(leaf);
  }

  /** The first run after `from` (the last one before it, when `step` is -1) whose gap, or depth, is at most `most`. */
  seek(from: Run, step: 1 | -1, byGap: boolean, most: number): Run | null {
    const isLow = (kid: Run | Block) => (byGap ? kid.gap : kid.depth) <= most;
    let node: Run | Block = from;
    for (let up: Block | null; (up = node.up) !== null; node = up) {
      let kids: (Run | Block)[] = up.kids;
      let i = kids.indexOf(node) + step;
      while (i >= 0 && i < kids.length && !isLow(kids[i]!)) i += step;
      let found = kids[i];
      if (found === undefined) continue;
      while (found instanceof Block) {
        kids = found.kids;
        i = step > 0 ? 0 : kids.length - 1;
        while (!isLow(kids[i]!)) i += step;
        found = kids[i]!;
      }
      return found;
    }
    return null;
  }

  /** The last run. */
  last(): Run {
    let node: Run | Block = this.root;
    while (node instanceof Block) node = node.kids[node.kids.length - 1]!;
    return node;
  }

  /** The text between two indexes. */
  text(from: number, to: number): string {
    const out = new Uint16Array(Math.max(to - from, 0));
    if (out.length === 0) return "";
    let run: Run | null = this.runAt(from);
    // Whole runs are copied, into an array with room for what is cut off.
    const start = this.runStart;
    const room = new Uint16Array(to - start + MAX_RUN * 2);
    let at = 0;
    for (; run !== null && at < to - start; run = run.next) {
      if (!run.dead) at = this.chars.copy(run.lv, run.len, room, at);
    }
    return toText(room.subarray(from - start, to - start));
  }

  /** Replaces everything by runs in document order, whose depths and gaps are right; for a state read from bytes. */
  build(runs: Run[]): void {
    const size = (MAX_KIDS * 3) / 4;
    let level: (Run | Block)[] = [this.first];
    let before = this.first;
    for (const run of runs) {
      before.next = run;
      run.prev = before;
      before = run;
      level.push(run);
    }
    this.leaves.length = 0;
    do {
      const isLeaf = level[0] instanceof Run;
      const upper: Block[] = [];
      for (let i = 0; i < level.length; i += size) {
        const block = new Block(level.slice(i, i + size), isLeaf ? this.leaves.length : -1);
        if (isLeaf) this.leaves.push(block);
        upper.push(block);
      }
      level = upper;
    } while (level.length > 1);
    this.root = level[0] as Block;
    for (const run of runs) this.#assign(run, run.up!.no);
    this.#point(this.first, 0);
  }

  #point(run: Run, at: number): void {
    this.#hint = run;
    this.#hintAt = at;
  }

  #assign(run: Run, leaf: number): void {
    const end = run.lv + run.len;
    if (end > this.#leafOf.length) {
      const old = this.#leafOf;
      this.#leafOf = new Int32Array(Math.max(end, old.length * 2));
      this.#leafOf.set(old);
    }
    for (let lv = Math.max(run.lv, 0); lv < end; lv++) this.#leafOf[lv] = leaf;
  }

  #addUnits(run: Run, units: number): void {
    run.units += units;
    for (let block = run.up; block !== null; block = block.up) block.units += units;
  }

  /** Puts a run into a leaf and the list of runs, before or after another. */
  #link(leaf: Block, run: Run, after: boolean, fresh: Run): void {
    const prev = after ? run : run.prev;
    const next = after ? run.next : run;
    fresh.prev = prev;
    fresh.next = next;
    if (prev !== null) prev.next = fresh;
    if (next !== null) next.prev = fresh;
    fresh.up = leaf;
    insertAt<Run | Block>(leaf.kids, leaf.kids.indexOf(run) + (after ? 1 : 0), fresh);
  }

  /** Cuts a run before node `off`, and returns the right part. */
  #split(run: Run, off: number): Run {
    const depth = run.depth + off;
    const units = this.unitsOf(run, off, run.len - off);
    const right = new Run(run.lv + off, run.len - off, depth, depth, run.lv + off - 1, RIGHT, run.dead, units);
    run.len = off;
    run.units -= units;
    this.#link(run.up!, run, true, right);
    return right;
  }

  /** Puts two neighbours of one leaf together. */
  #join(run: Run, next: Run): Run {
    run.len += next.len;
    run.next = next.next;
    if (next.next !== null) next.next.prev = run;
    const kids = run.up!.kids;
    kids.splice(kids.indexOf(next), 1);
    return run;
  }

  /** Splits a block that has too many kids, and so on upwards. */
  #relieve(block: Block): void {
    while (block.kids.length > MAX_KIDS) {
      const isLeaf = block.no >= 0;
      const right = new Block(block.kids.splice(block.kids.length >> 1), isLeaf ? this.leaves.length : -1);
      if (isLeaf) {
        this.leaves.push(right);
        for (const run of right.kids as Run[]) this.#assign(run, right.no);
      }
      block.sum();
      const up = block.up;
      if (up === null) {
        this.root = new Block([block, right], -1);
        return;
      }
      right.up = up;
      insertAt<Run | Block>(up.kids, up.kids.indexOf(block) + 1, right);
      block = up;
    }
  }
}

const holds = (run: Run, lv: number): boolean => lv >= run.lv && lv < run.lv + run.len;

/** Whether `len` nodes of `run` may become part of tombstones beside it, which must be in the same leaf. */
const joins = (run: Run, beside: Run | null, leaf: Block, len: number): boolean =>
  beside !== null && beside.dead && beside.up === leaf && beside.len + len <= MAX_RUN && run !== beside;

/** Moves the front of a run, which continues the one before it, by some nodes. */
function moveFront(run: Run, by: number): void {
  run.lv += by;
  run.len -= by;
  run.depth += by;
  run.gap = run.depth;
  run.parent = run.lv - 1;
  run.side = RIGHT;
}
