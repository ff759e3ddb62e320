import type { WireEvent, WireOp } from "../../src/crdt/index.js";

/** The id after an op's last. */
export function opEnd(op: WireOp): number {
  const seq = Number(op.id.slice(op.id.lastIndexOf("-") + 1));
  return seq + (op.type === "delete" ? (op.len ?? 1) : [...(op.text ?? op.char!)].length);
}

export const sameEvent = (a: WireEvent, b: WireEvent): boolean => JSON.stringify(a.ops) === JSON.stringify(b.ops);
