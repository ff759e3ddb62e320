// Local ops: what an editor's edits become, with numeric ids until they are written to the wire. Composing merges a
// stream of them into as few equivalent ops as possible.
import { RIGHT, LEFT, type Side } from "./event.js";
import { MAX_DELETE, splitId } from "./ids.js";
import type { WireOp } from "./types.js";

/** An op of one agent; its holder knows which. */
export interface LocalOp {
  /** The number of its first id. */
  seq: number;
  /** How many ids it uses up. */
  count: number;
  /** What it inserts; `null` for a delete. */
  text: string | null;
  /** On which side of its origin an insert goes. */
  side: Side;
  /** The agent of an insert's origin, or of the first id that is deleted; `null` for the start of the document. */
  ref: string | null;
  refSeq: number;
}

/** The end of the ids that an op refers to. */
export const refEndOf = ({ text, count, refSeq }: LocalOp): number => refSeq + (text === null ? count : 1);

/** The wire form of an op of `agent`. */
export function wireOp(agent: string, { seq, count, text, side, ref, refSeq }: LocalOp): WireOp {
  const id = `${agent}-${seq}`;
  const reference = ref === null ? null : `${ref}-${refSeq}`;
  if (text === null) return { type: "delete", id, target: reference!, len: count };
  return side === RIGHT ? { type: "insert", id, text, left: reference } : { type: "insert", id, text, right: reference! };
}

/** Reads what {@link wireOp} or another conforming client wrote, without validating it. */
export function localOp(op: WireOp): LocalOp {
  const { seq } = splitId(op.id);
  const isDelete = op.type === "delete";
  const reference = isDelete ? op.target : (op.left ?? op.right);
  const { agent, seq: refSeq } = reference ? splitId(reference) : { agent: null, seq: 0 };
  const text = isDelete ? null : (op.text ?? op.char!);
  const count = isDelete ? (op.len ?? 1) : [...text!].length;
  return { seq, count, text, side: !isDelete && op.right ? LEFT : RIGHT, ref: agent, refSeq };
}

/** Appends the next op of `agent` to the ops of an unsent event. If it continues the last of them, that one grows
 * instead, in place. The ids used stay the same. */
export function pushOp(ops: LocalOp[], agent: string, op: LocalOp): void {
  const last = ops.at(-1);
  if (!last || last.seq + last.count !== op.seq || !extend(last, agent, op)) ops.push({ ...op });
}

function extend(last: LocalOp, agent: string, op: LocalOp): boolean {
  if (last.text !== null && op.text !== null) {
    // Its origin must be the id before its own: the last op's last character.
    if (op.side !== RIGHT || op.ref !== agent || op.refSeq !== op.seq - 1) return false;
    last.text += op.text;
    last.count += op.count;
    return true;
  }
  if (last.text !== null || op.text !== null || last.ref !== op.ref) return false;
  const count = last.count + op.count;
  // The longer delete keeps the first one's id, and names only ids below it.
  if (count > MAX_DELETE || (op.ref === agent && refEndOf(op) > last.seq)) return false;
  // Backspace deletes ids from the last to the first. Which of the delete's own ids stands for which target does not
  // matter: they are all void.
  if (refEndOf(op) === last.refSeq) last.refSeq = op.refSeq;
  else if (refEndOf(last) !== op.refSeq) return false;
  last.count = count;
  return true;
}
