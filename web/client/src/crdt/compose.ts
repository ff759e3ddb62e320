// Composing: a stream of local ops, made into as few as say the same, before they are sent.
import type { WireOp } from "./types.js";

/** Most ids that one delete may name. */
export const MAX_DELETE = 100_000;

/** The op that was pushed or grew last, and the end of its ids: a long text is not counted again. */
let grown: WireOp | undefined;
let grownEnd = 0;

/** Appends `op`, the next local op of `agent` as {@link TextDoc} gave it, to the ops of an event that is not sent yet;
 * where it goes on with the one pushed last, that one grows instead (in place). The ids used stay the same. */
export function pushOp(ops: WireOp[], agent: string, op: WireOp): void {
  const seq = seqOf(op.id);
  const last = ops[ops.length - 1];
  const end = !last ? 0 : last === grown ? grownEnd : seqOf(last.id) + countOf(last);
  if (last && end === seq && extend(last, agent, seq, op)) grown = last;
  else ops.push((grown = { ...op }));
  grownEnd = seq + countOf(op);
}

function extend(last: WireOp, agent: string, seq: number, op: WireOp): boolean {
  if (last.type === "insert" && op.type === "insert") {
    // It must hang at the id before its own: the last op's last character.
    if (op.left !== agent + "-" + (seq - 1)) return false;
    last.text! += op.text!;
    return true;
  }
  if (last.type !== "delete" || op.type !== "delete") return false;
  const count = countOf(last) + countOf(op);
  const [name, first] = [nameOf(last.target), seqOf(last.target)];
  const [nextName, next] = [nameOf(op.target), seqOf(op.target)];
  // The longer delete keeps the first one's id, and names only ids below it.
  if (count > MAX_DELETE || name !== nextName || (name === agent && next + countOf(op) > seqOf(last.id))) return false;
  // Backspace takes ids from the last to the first, but which of a delete's own ids stands for which target says
  // nothing: they are all void.
  if (next + countOf(op) === first) last.target = op.target;
  else if (first + countOf(last) !== next) return false;
  last.len = count;
  return true;
}

// What TextDoc gave needs no check.
const seqOf = (id: string): number => Number(id.slice(id.lastIndexOf("-") + 1));
const nameOf = (id: string): string => id.slice(0, id.lastIndexOf("-"));
const countOf = (op: WireOp): number => (op.type === "delete" ? (op.len ?? 1) : codePoints(op.text!));

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
