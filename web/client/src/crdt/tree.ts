// Document order: a B-tree of runs. The Fugue tree itself is nowhere: `depth` and `gap` of the runs (see run.ts) are
// enough to find where a subtree begins and ends. The subtree of node c ends before the first run after c whose gap
// is at most depth(c), and begins at the last run, at or before c, whose gap is at most that; both are one search
// over the least gaps. Tombstones stay, so blocks only ever grow and split.
import { Chars, grown, toText } from "./chars.js";
import { RIGHT, type Side } from "./event.js";
import { Block, MAX_RUN, Run, START, joins } from "./run.js";

/** Most kids of a block. */
const MAX_KIDS = 32;

/** Where a new node goes: before node `off` of a run, or after its last, when `off` is its length. */
export interface Place {
  run: Run;
  off: number;
  /** What the node is there. */
  depth: number;
  gap: number;
  /** The gap after it from now on; 0 when it stays. */
  nextGap: number;
}

export class Tree {
  chars = new Chars();
  /** A tombstone that stands for the start of the document. */
  first = new Run(START, 1, 0, 0, START, RIGHT, true, 0);
  /** Where the run that {@link runAt} returned last begins. */
  start = 0;
  #leaves = [new Block([this.first], 0)];
  #root = this.#leaves[0]!;
  /** Which leaf each node is in, by number. */
  #leafOf = new Int32Array(64);
  /** The run of the last edit or search, as the next one is likely there; it begins at `start`, if that is not -1. */
  #hint = this.first;

  get length(): number {
    return this.#root.units;
  }

  /** The run that holds a node. */
  locate(lv: number): Run {
    let run = this.#hint;
    if (holds(run, lv)) return run;
    if (run.next !== null && holds(run.next, lv)) return run.next;
    if (lv === START) return this.first;
    const runs = this.#leaves[this.#leafOf[lv]!]!.kids as Run[];
    for (let i = 0; !holds((run = runs[i]!), lv); i++);
    return run;
  }

  /** The run that shows unit `at`, which is below the length. */
  runAt(at: number): Run {
    if (this.start >= 0 && at >= this.start && at < this.start + this.#hint.units) return this.#hint;
    let rest = at;
    let node: Run | Block = this.#root;
    while (node instanceof Block) {
      const { kids }: Block = node;
      let i = 0;
      for (let units; rest >= (units = kids[i]!.units); i++) rest -= units;
      node = kids[i]!;
    }
    this.#point(node, at - rest);
    return node;
  }

  /** How many units stand before node `off` of a run. */
  index(run: Run, off: number): number {
    let index = this.units(run, 0, off);
    if (run === this.#hint && this.start >= 0) return this.start + index;
    let node: Run | Block = run;
    for (let up: Block | null; (up = node.up) !== null; node = up) {
      for (let i = 0, kid; (kid = up.kids[i]!) !== node; i++) index += kid.units;
    }
    return index;
  }

  /** Units of the `len` nodes of a run from `off` on. */
  units(run: Run, off: number, len: number): number {
    return run.dead ? 0 : run.units === run.len ? len : this.chars.units(run.lv + off, len);
  }

  /** How many whole nodes of a visible run stand before its unit `unit`. */
  nodes(run: Run, unit: number): number {
    return run.units === run.len ? unit : this.chars.nodes(run.lv, unit);
  }

  /** Inserts nodes, whose characters are known when they are visible, at a place whose index, when it is known, is
   * `at`, else -1. */
  insert(place: Place, lv: number, len: number, parent: number, side: Side, dead: boolean, at: number): void {
    let { run, off, depth, gap, nextGap } = place;
    for (let rest = len; rest > 0; rest -= MAX_RUN) {
      const count = Math.min(rest, MAX_RUN);
      const fresh = new Run(lv, count, depth, gap, parent, side, dead, dead ? 0 : this.chars.units(lv, count));
      run = this.#insertRun(run, off, fresh, nextGap, at);
      if (at >= 0) at += fresh.units;
      off = run.len;
      nextGap = 0;
      lv += count;
      parent = lv - 1;
      gap = depth += count;
      side = RIGHT;
    }
  }

  /** Returns the run that has the new nodes, as its last ones. */
  #insertRun(run: Run, off: number, fresh: Run, nextGap: number, at: number): Run {
    const leaf = run.up!;
    this.#assign(fresh, leaf.no);
    if (off === run.len && joins(run, fresh)) {
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
    this.#link(leaf, off > 0 ? run : run.prev!, off > 0 ? run.next : run, fresh);
    for (let block: Block | null = leaf; block !== null; block = block.up) block.add(fresh);
    this.#point(fresh, at);
    this.#relieve(leaf);
    return fresh;
  }

  /** Makes tombstones of `len` nodes of a visible run, and joins them with tombstones beside them. `at` is the index
   * of the first, -1 when it is not known. */
  bury(run: Run, off: number, len: number, at: number): void {
    const leaf = run.up!;
    if (off + len < run.len) this.#split(run, off + len);
    let dead = off > 0 ? this.#split(run, off) : run;
    this.#addUnits(dead, -dead.units);
    dead.dead = true;
    if (dead.prev?.up === leaf && joins(dead.prev, dead)) dead = this.#join(dead.prev, dead);
    if (dead.next?.up === leaf && joins(dead, dead.next)) this.#join(dead, dead.next);
    if (off > 0) this.#point(run, at < 0 ? at : at - run.units);
    else this.#point(dead, at);
    this.#relieve(leaf);
  }

  /** Gives a visible run other characters. */
  rewrite(run: Run, text: string, from: number): void {
    this.chars.set(run.lv, run.len, text, from);
    this.#addUnits(run, this.chars.units(run.lv, run.len) - run.units);
    this.start = -1;
  }

  /** The first run after `from` (the last one before it, when `step` is -1) whose gap, or depth, is at most `most`. */
  seek(from: Run, step: 1 | -1, key: "gap" | "depth", most: number): Run | undefined {
    let node: Run | Block = from;
    for (let up: Block | null; (up = node.up) !== null; node = up) {
      let { kids }: Block = up;
      let i = kids.indexOf(node);
      let found: Run | Block | undefined;
      while ((found = kids[(i += step)]) !== undefined && found[key] > most);
      while (found instanceof Block) {
        kids = found.kids;
        for (i = step > 0 ? 0 : kids.length - 1; (found = kids[i]!)[key] > most; i += step);
      }
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The last run. */
  last(): Run {
    let node: Run | Block = this.#root;
    while (node instanceof Block) node = node.kids[node.kids.length - 1]!;
    return node;
  }

  /** The text between two indexes. */
  text(from: number, to: number): string {
    if (from >= to) return "";
    let run: Run | null = this.runAt(from);
    from -= this.start;
    to -= this.start;
    // Whole runs are copied, into an array with room for what is cut off.
    const out = new Uint16Array(to + MAX_RUN * 2);
    for (let at = 0; run !== null && at < to; run = run.next) {
      if (!run.dead) at = this.chars.copy(run.lv, run.len, out, at);
    }
    return toText(out.subarray(from, to));
  }

  #point(run: Run, at: number): void {
    this.#hint = run;
    this.start = at;
  }

  #assign({ lv, len }: Run, leaf: number): void {
    if (lv + len > this.#leafOf.length) this.#leafOf = grown(this.#leafOf, lv + len);
    for (const end = lv + len; lv < end; lv++) this.#leafOf[lv] = leaf;
  }

  #addUnits(run: Run, units: number): void {
    for (let node: Run | Block | null = run; node !== null; node = node.up) node.units += units;
  }

  /** Puts a run into a leaf and the list of runs, between two others of which at least one is in that leaf. */
  #link(leaf: Block, prev: Run, next: Run | null, fresh: Run): void {
    fresh.prev = prev;
    fresh.next = next;
    prev.next = fresh;
    if (next !== null) next.prev = fresh;
    fresh.up = leaf;
    insertAt(leaf.kids, leaf.kids.indexOf(prev) + 1, fresh);
  }

  /** Cuts a run before node `off`, and returns the right part. */
  #split(run: Run, off: number): Run {
    const depth = run.depth + off;
    const units = this.units(run, off, run.len - off);
    const right = new Run(run.lv + off, run.len - off, depth, depth, run.lv + off - 1, RIGHT, run.dead, units);
    run.len = off;
    run.units -= units;
    this.#link(run.up!, run, run.next, right);
    return right;
  }

  /** Puts two neighbours of one leaf together. */
  #join(run: Run, next: Run): Run {
    run.len += next.len;
    run.next = next.next;
    if (next.next !== null) next.next.prev = run;
    const { kids } = run.up!;
    kids.splice(kids.indexOf(next), 1);
    return run;
  }

  /** Splits a block that has too many kids, and so on upwards. */
  #relieve(block: Block): void {
    while (block.kids.length > MAX_KIDS) {
      const isLeaf = block.no >= 0;
      const right = new Block(block.kids.splice(MAX_KIDS / 2), isLeaf ? this.#leaves.length : -1);
      if (isLeaf) {
        this.#leaves.push(right);
        for (const run of right.kids as Run[]) this.#assign(run, right.no);
      }
      block.sum();
      const { up } = block;
      if (up === null) {
        this.#root = new Block([block, right], -1);
        return;
      }
      right.up = up;
      insertAt(up.kids, up.kids.indexOf(block) + 1, right);
      block = up;
    }
  }
}

const holds = (run: Run, lv: number): boolean => lv >= run.lv && lv < run.lv + run.len;

/** Puts an element into a short array: quicker than `splice`. */
function insertAt(array: (Run | Block)[], at: number, element: Run | Block): void {
  array.push(element);
  for (let i = array.length - 1; i > at; i--) array[i] = array[i - 1]!;
  array[at] = element;
}
