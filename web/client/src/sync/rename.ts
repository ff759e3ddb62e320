// Offering again under new ids what was refused under old ones. The ops stay the same in all but the names of ids,
// so that the text comes out where it was typed, whatever has happened around it.

import { idCount } from "../crdt/compose.js";
import type { WireOp } from "../crdt/index.js";
import { idText, parseId } from "../crdt/id.js";
import type { Lane, OutEvent } from "./outbox.js";

/** The ids of `agent` from `seq` on are those of `to` from 0 on. */
export interface Rename {
  agent: string;
  seq: number;
  to: string;
}

/** The ids of `agent` from `seq` on. */
export type Mark = Pick<Rename, "agent" | "seq">;

/** The first of a lane's events that refers to a marked id, or -1. */
export const firstThatNeeds = (lane: Lane, marks: readonly Mark[]): number =>
  lane.events.findIndex((event) => event.ops.some((op) => reaches(op, marks)));

/** Whether an op refers to a marked id. */
export function reaches(op: WireOp, marks: readonly Mark[]): boolean {
  const reference = op.type === "delete" ? op.target : (op.left ?? op.right);
  if (!reference) return false;
  const { agent, seq } = parseId(reference);
  const last = seq + (op.type === "delete" ? idCount(op) : 1) - 1;
  return marks.some((mark) => mark.agent === agent && last >= mark.seq);
}

/** An event under its new ids. */
export function renamed(event: OutEvent, from: number, renames: readonly Rename[]): OutEvent {
  const ops = event.ops.flatMap((op): WireOp[] => {
    const id = rename(op.id, renames);
    if (op.type === "insert") {
      return [{ ...op, id, ...(op.right ? { right: rename(op.right, renames) } : op.left && { left: rename(op.left, renames) }) }];
    }
    const target = parseId(op.target);
    const count = idCount(op);
    // A run of targets of which only the later ones have new names becomes two.
    const mark = renames.find(({ agent, seq }) => agent === target.agent && seq > target.seq && seq < target.seq + count);
    if (!mark) return [{ ...op, id, target: rename(op.target, renames) }];
    const len = mark.seq - target.seq;
    const own = parseId(id);
    return [
      { ...op, id, len },
      { ...op, id: idText(own.agent, own.seq + len), target: idText(mark.to, 0), len: count - len },
    ];
  });
  return { ...event, ops, after: event.after - from, end: event.end - from, kept: 0 };
}

function rename(id: string, renames: readonly Rename[]): string {
  const { agent, seq } = parseId(id);
  const found = renames.find((one) => one.agent === agent && seq >= one.seq);
  return found ? idText(found.to, seq - found.seq) : id;
}
