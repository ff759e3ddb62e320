// The way from one text to another that changes the least, for bringing back what was put aside.

import { diffChars, diffLines } from "diff";
import type { Edit } from "./types.js";

/** What is looked for takes time that grows with the number of differences: beyond this many, a passage is replaced whole. */
const DIFFERENCES_MAX = 2_000;

interface Part {
  value: string;
  added: boolean;
  removed: boolean;
}

/** Edits, to be made one after the other, that turn `from` into `to`. */
export function leastChange(from: string, to: string): Edit[] {
  const edits: Edit[] = [];
  let at = 0;
  for (const [kept, del, ins] of passages(partsOf(diffLines, from, to))) {
    at += kept;
    for (const [keptHere, delHere, insHere] of passages(del && ins ? partsOf(diffChars, del, ins) : [removed(del), added(ins)])) {
      at += keptHere;
      if (delHere || insHere) edits.push({ at, del: delHere.length, ins: insHere });
      at += insHere.length;
    }
  }
  return edits;
}

const removed = (value: string): Part => ({ value, added: false, removed: true });
const added = (value: string): Part => ({ value, added: true, removed: false });

function partsOf(diff: typeof diffLines | typeof diffChars, from: string, to: string): Part[] {
  const parts = (diff as typeof diffChars)(from, to, { maxEditLength: DIFFERENCES_MAX });
  return parts ?? [removed(from), added(to)];
}

/** Joins what goes and comes at one place: how much is kept before it, what goes, what comes. */
function* passages(parts: readonly Part[]): Generator<[kept: number, del: string, ins: string]> {
  let [kept, del, ins] = [0, "", ""];
  for (const part of parts) {
    if (part.removed) del += part.value;
    else if (part.added) ins += part.value;
    else {
      yield [kept, del, ins];
      [kept, del, ins] = [part.value.length, "", ""];
    }
  }
  yield [kept, del, ins];
}
