// Ids and ops as text, for what handles them without a document. What comes from outside is checked by TextDoc.

import type { IdRange, WireOp } from "../crdt/index.js";

export const idText = (agent: string, seq: number): string => agent + "-" + seq;

/** `<agent>-<seq>`, split at the last dash. */
export function parseId(id: string): Omit<IdRange, "len"> {
  const dash = id.lastIndexOf("-");
  return { agent: id.slice(0, dash), seq: Number(id.slice(dash + 1)) };
}

/** The id that an op refers to: the first of those that it deletes, or what it hangs at. */
export const referenceOf = (op: WireOp): string | null | undefined => (op.type === "delete" ? op.target : (op.left ?? op.right));

/** How many ids an op uses up; an insert as many as it has code points. */
export const idCount = (op: WireOp): number =>
  op.type === "delete" ? (op.len ?? 1) : [...(op.text ?? op.char ?? "")].length;
