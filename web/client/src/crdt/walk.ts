// The Fugue tree of a decoded state, walked once in document order, without recursion.
import type { Replica } from "./replica.js";
import type { Numbered } from "./restore.js";
import { LEFT, RIGHT, Run, START, continues } from "./run.js";

/** A step that is still to be taken: chains that hang at one node on one side, `from … to-1` of those hanging, at a
 * depth; or a run with all that hangs below it; or its first node alone. */
type Step = { from: number; to: number; depth: number } | { run: Run; alone: boolean };

/** All nodes as runs in document order, whether visible or not; null when chains hang at each other in a circle.
 * Nodes that share their parent and side are noted in the replica's order. */
export function walk(chains: Numbered[], { ids, order }: Replica): Run[] | null {
  const hanging = [...chains].sort((a, b) => a.parent - b.parent || a.side - b.side || a.lv - b.lv);
  const runs: Run[] = [];
  const todo: Step[] = [];
  /** The depth of the topmost subtree that begins at the next node, if any does. */
  let begins = Infinity;
  let reached = 0;

  const emit = (run: Run) => {
    // Where no subtree begins, the node before is in this one's, on the left.
    run.gap = begins === Infinity ? run.depth + 1 : begins;
    begins = Infinity;
    reached += run.len;
    const last = runs[runs.length - 1];
    if (last !== undefined && continues(run, last)) last.len += run.len;
    else runs.push(run);
  };

  /** The first of those hanging, from `low` on, of which `isBelow` does not hold. */
  const firstNot = (low: number, isBelow: (chain: Numbered) => boolean): number => {
    for (let high = hanging.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (isBelow(hanging[middle]!)) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  /** Passes the nodes up to the first one that something else hangs at, and plans what is there. */
  const enter = (run: Run) => {
    begins = Math.min(begins, run.depth);
    const at = firstNot(0, (chain) => chain.parent < run.lv);
    const node = hanging[at]?.parent ?? Infinity;
    if (node >= run.lv + run.len) return emit(run);
    const end = firstNot(at, (chain) => chain.parent === node);
    const right = firstNot(at, (chain) => chain.parent === node && chain.side === LEFT);
    // The chain's own next node is one of the right children, at its place among them.
    const later = firstNot(right, (chain) => chain.parent === node && chain.lv < node);
    let here = run;
    if (node > run.lv) {
      here = cut(run, node - run.lv);
      emit(run);
      begins = here.depth;
    }
    const depth = here.depth + 1;
    todo.push({ from: later, to: end, depth });
    if (here.len > 1) todo.push({ run: cut(here, 1), alone: false });
    todo.push({ from: right, to: later, depth }, { run: here, alone: true }, { from: at, to: right, depth });
  };

  todo.push({ from: 0, to: firstNot(0, (chain) => chain.parent === START), depth: 1 });
  for (let step; (step = todo.pop()) !== undefined; ) {
    if ("run" in step) {
      if (step.alone) emit(step.run);
      else enter(step.run);
    } else if (step.from < step.to) {
      const { lv, len, parent, side } = hanging[step.from]!;
      step.from++;
      todo.push(step);
      enter(new Run(lv, len, step.depth, 0, parent, side, false, 0));
    }
  }
  if (reached < ids.next) return null;
  noteSiblings();
  return runs;

  function noteSiblings(): void {
    for (let at = 0; at < hanging.length; ) {
      const { parent, side } = hanging[at]!;
      const end = firstNot(at, (chain) => chain.parent === parent && chain.side === side);
      const children = hanging.slice(at, end).map((chain) => chain.lv);
      if (parent !== START && side === RIGHT && hasOwnNext(parent)) children.push(parent + 1);
      if (children.length > 1) {
        children.sort((a, b) => a - b);
        for (const lv of children) order.note(ids.rangeOf(lv).agent, lv, parent, side);
      }
      at = end;
    }
  }

  /** Whether a node's chain goes on after it. */
  function hasOwnNext(lv: number): boolean {
    let low = 0;
    for (let high = chains.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (chains[middle]!.lv <= lv) low = middle;
      else high = middle;
    }
    return lv + 1 < chains[low]!.lv + chains[low]!.len;
  }
}

/** Keeps the first `off` nodes of a run that is not in a tree yet, and returns the others. */
function cut(run: Run, off: number): Run {
  const depth = run.depth + off;
  const rest = new Run(run.lv + off, run.len - off, depth, 0, run.lv + off - 1, RIGHT, false, 0);
  run.len = off;
  return rest;
}
