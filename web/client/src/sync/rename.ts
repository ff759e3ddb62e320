// Offering again under new ids what was refused under old ones. The ops stay the same in all but the names of ids,
// so that the text comes out where it was typed, whatever has happened around it.

import type { WireOp } from "../crdt/index.js";
import { idCount, idText, parseId, referenceOf } from "./ids.js";
import { type Lane, type OutEvent, newLane } from "./outbox.js";

/** The ids of `agent` from `seq` on are those of `to` from 0 on. */
export interface Rename {
  agent: string;
  seq: number;
  to: string;
}

/** What a lane handed over to its heir. */
export interface Succession {
  lane: Lane;
  heir: Lane;
  rename: Rename;
}

/** Whether an op refers to an id at or beyond a mark of its agent. */
export function reaches(op: WireOp, marks: readonly Pick<Rename, "agent" | "seq">[]): boolean {
  const reference = referenceOf(op);
  if (!reference) return false;
  const { agent, seq } = parseId(reference);
  const last = seq + (op.type === "delete" ? idCount(op) : 1) - 1;
  return marks.some((mark) => mark.agent === agent && last >= mark.seq);
}

/**
 * Takes out of the lanes what has to get new ids, and gives it to heirs: what is refused, what refers to anything
 * that gets new ids, and what comes after that in its chain.
 */
export function succeed(lanes: readonly Lane[], newAgent: () => string): Succession[] {
  const renames = new Map<Lane, Rename>();
  // Where the document showed another's text under a lane's ids, what was typed then meant that.
  const concern = (lane: Lane, event: OutEvent): Rename[] =>
    [...renames.values()].filter(({ agent }) => agent === lane.agent || event.over.includes(agent));
  for (let isMore = true; isMore; ) {
    isMore = false;
    for (const lane of lanes) {
      const first = lane.events.find((event) => {
        const marks = concern(lane, event);
        return event.refused || (marks.length > 0 && event.ops.some((op) => reaches(op, marks)));
      });
      if (!first && !lane.foreign) continue;
      const seq = first ? first.after : lane.end;
      const known = renames.get(lane);
      if (known && known.seq <= seq) continue;
      renames.set(lane, { agent: lane.agent, seq, to: known?.to ?? newAgent() });
      isMore = true;
    }
  }
  return [...renames].map(([lane, rename]) => {
    const heir = newLane(rename.to);
    heir.events = lane.events
      .filter(({ after }) => after >= rename.seq)
      .map((event) => renamed(event, rename.seq, lane.agent, concern(lane, event)));
    heir.end = heir.events.at(-1)?.end ?? 0;
    lane.events = lane.events.filter(({ after }) => after < rename.seq);
    return { lane, heir, rename };
  });
}

/** An event under its new ids. */
function renamed(event: OutEvent, from: number, agent: string, renames: readonly Rename[]): OutEvent {
  const ops = event.ops.flatMap((op): WireOp[] => {
    const id = newId(op.id, renames);
    if (op.type === "insert") {
      const { left, right } = op;
      if (right) return [{ ...op, id, right: newId(right, renames) }];
      return [{ ...op, id, left: left ? newId(left, renames) : null }];
    }
    const { agent, seq } = parseId(op.target);
    const count = idCount(op);
    // A run of targets of which only the later ones have new names becomes two.
    const mark = renames.find((mark) => mark.agent === agent && mark.seq > seq && mark.seq < seq + count);
    if (!mark) return [{ ...op, id, target: newId(op.target, renames) }];
    const len = mark.seq - seq;
    const own = parseId(id);
    const second = { id: idText(own.agent, own.seq + len), target: idText(mark.to, 0), len: count - len };
    return [{ ...op, id, len }, { ...op, ...second }];
  });
  // What its old chain still holds is another's now.
  const over = [...new Set([...event.over, agent, ...renames.map(({ to }) => to)])];
  return { ...event, ops, over, after: event.after - from, end: event.end - from, kept: 0, sent: false, refused: false };
}

function newId(id: string, renames: readonly Rename[]): string {
  const { agent, seq } = parseId(id);
  const found = renames.find((one) => one.agent === agent && seq >= one.seq);
  return found ? idText(found.to, seq - found.seq) : id;
}
