// Composing: a stream of local ops, made into as few as say the same, before they are sent.
import { endOf, readOp, refEnd, type Op } from "./event.js";
import { Ids } from "./ids.js";
import type { WireOp } from "./types.js";

/** Most ids that one delete may name. */
export const MAX_DELETE = 100_000;

/** Where composed ops end: a long one is not counted again. */
const ends = new WeakMap<WireOp, number>();

/** Appends `op`, the next local op of `agent` as {@link TextDoc} gave it, to the ops of an event that is not sent yet;
 * where it goes on with the one pushed last, that one grows instead (in place). The ids used stay the same. */
export function pushOp(ops: WireOp[], agent: string, op: WireOp): void {
  const ids = new Ids();
  const next = readOp(ids, op);
  let last = ops[ops.length - 1];
  if (!last || ends.get(last) !== next.seq || !extend(ids, last, agent, op, next)) ops.push((last = { ...op }));
  ends.set(last, endOf(next));
}

function extend(ids: Ids, last: WireOp, agent: string, op: WireOp, next: Op): boolean {
  if (last.type === "insert" && op.type === "insert") {
    // It must hang at the id before its own: the last op's last character.
    if (op.left !== agent + "-" + (next.seq - 1)) return false;
    last.text! += next.text!;
    return true;
  }
  if (last.type !== "delete" || op.type !== "delete") return false;
  const { seq, count, ref, refSeq } = readOp(ids, last);
  const nextEnd = refEnd(next);
  // The longer delete keeps the first one's id, and names only ids below it.
  if (count + next.count > MAX_DELETE || ref !== next.ref || (ref!.name === agent && nextEnd > seq)) return false;
  // Backspace takes ids from the last to the first, but which of a delete's own ids stands for which target says
  // nothing: they are all void.
  if (nextEnd === refSeq) last.target = op.target;
  else if (refSeq + count !== next.refSeq) return false;
  last.len = count + next.count;
  return true;
}

/** Code points of a text; -1 when it is none, or not well-formed. */
export function codePoints(text: string): number {
  if (typeof text !== "string") return -1;
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if ((unit & 0xf800) !== 0xd800) continue;
    if (unit >= 0xdc00 || (text.charCodeAt(++i) & 0xfc00) !== 0xdc00) return -1;
    count--;
  }
  return count;
}
