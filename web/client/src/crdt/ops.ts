// A state in JSON, the format `ops` of a DOC_STATE, for clients that cannot read the binary one.
import type { TextDoc } from "./doc.js";
import { EventError } from "./errors.js";
import { bad, endOf, isSeq, readOp, type Op } from "./event.js";
import { idText, lastOf } from "./ids.js";
import { Replica } from "./replica.js";
import type { Change, WireOp } from "./types.js";

/** Merges a DOC_STATE of format `ops` into a document. Throws {@link EventError} if it is not a state, or not one of
 * this document; nothing has changed then. */
export function mergeOps(doc: TextDoc, ops: WireOp[], version: Record<string, number>, changes?: Change[]): void {
  const other = new Replica();
  const { ids } = other;
  const read = ops.map((wire) => {
    const isDeleted = wire.type === "insert" && (wire.text ?? wire.char) === undefined;
    const op = readOp(ids, isDeleted ? { ...wire, text: "x" } : wire);
    if (isDeleted) [op.text, op.count] = [null, wire.len!];
    const end = version[op.agent.name];
    if (op.isDelete || !isSeq(op.count) || op.count < 1 || !isSeq(end!) || op.count > end! - op.seq) throw bad(wire, "is of no state");
    return op;
  });
  const order = inOrder(read.sort(byId));
  for (const op of read) op.lv = ids.push(op.agent, op.seq, op.count);
  for (const op of order) other.put(op, undefined);
  for (const [name, end] of Object.entries(version)) {
    if (!isSeq(end)) throw new EventError("an end in a version is not a number");
    other.advance(ids.agent(name), end);
  }
  doc.merge(other, changes);
}

const byId = (a: Op, b: Op): number => (a.agent === b.agent ? a.seq - b.seq : a.agent.name < b.agent.name ? -1 : 1);

/** Each after its parent. */
function inOrder(ops: Op[]): Op[] {
  const order: Op[] = [];
  const below = new Map<Op, Op[]>();
  ops.forEach((op, i) => {
    const { agent, seq, ref, refSeq } = op;
    const before = ops[i - 1];
    if (before?.agent === agent && endOf(before) > seq) throw lost(op);
    if (ref === null) {
      order.push(op);
      return;
    }
    const above = ops[lastOf(ops, (op) => (op.agent === ref ? op.seq <= refSeq : op.agent.name < ref.name))];
    if (above?.agent !== ref || refSeq >= endOf(above)) throw lost(op);
    const others = below.get(above);
    if (others) others.push(op);
    else below.set(above, [op]);
  });
  for (let i = 0; i < order.length; i++) for (const op of below.get(order[i]!) ?? []) order.push(op);
  // The rest form cycles.
  if (order.length < ops.length) throw new EventError("a state has a cycle");
  return order;
}

const lost = (op: Op) => new EventError(`${idText(op)} has no place in its state`);
