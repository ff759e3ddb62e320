// Composing: a stream of local ops, made into as few as say the same, before they are sent.
import type { WireDelete, WireInsert, WireOp } from "./types.js";
import { idText, parseId } from "./id.js";

/** Most ids that one delete may name. */
export const MAX_DELETE = 100_000;

/** Appends `op`, the next local op of `agent`, to the ops of an event that is not sent yet; where it goes on with
 * the last one, that one grows instead (in place). The ids used stay the same. */
export function pushOp(ops: WireOp[], agent: string, op: WireOp): void {
  const last = ops[ops.length - 1];
  if (last === undefined || !extend(last, agent, op)) ops.push({ ...op });
}

function extend(last: WireOp, agent: string, op: WireOp): boolean {
  const seq = parseId(op.id).seq;
  if (parseId(last.id).seq + idCount(last) !== seq) return false;
  if (last.type === "insert" && op.type === "insert") {
    // It must hang at the id before its own: the last op's last character.
    if (op.left !== idText(agent, seq - 1)) return false;
    last.text = opText(last) + opText(op);
    delete last.char;
    return true;
  }
  if (last.type !== "delete" || op.type !== "delete") return false;
  const [len, more] = [idCount(last), idCount(op)];
  const [target, next] = [parseId(last.target), parseId(op.target)];
  if (len + more > MAX_DELETE || target.agent !== next.agent) return false;
  // The longer delete keeps the first one's id, and names only ids below it.
  if (next.agent === agent && next.seq + more > seq) return false;
  // Backspace takes ids from the last to the first, but which of a delete's own ids stands for which target
  // says nothing: they are all void.
  if (next.seq + more === target.seq) last.target = op.target;
  else if (target.seq + len !== next.seq) return false;
  last.len = len + more;
  return true;
}

/** An insert's text. */
export const opText = (op: WireInsert): string => op.text ?? op.char ?? "";

/** How many ids an op uses up. */
export function idCount(op: WireInsert | WireDelete): number {
  return op.type === "delete" ? (op.len ?? 1) : codePoints(opText(op));
}

/** Code points of a text; -1 when it is not well-formed. */
export function codePoints(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if ((unit & 0xf800) !== 0xd800) continue;
    if (unit >= 0xdc00 || (text.charCodeAt(++i) & 0xfc00) !== 0xdc00) return -1;
    count--;
  }
  return count;
}
