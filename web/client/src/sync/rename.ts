// Offering again under new ids what was refused under old ones. The ops stay the same in all but the names of ids,
// so that the text comes out where it was typed, whatever has happened around it.

import { refEndOf, type LocalOp } from "../crdt/local.js";
import { type OutEvent, type Outbox, newOutbox } from "./outbox.js";

/** The ids of `agent` from `seq` on are those of `to` from 0 on. */
export interface Rename {
  agent: string;
  seq: number;
  to: string;
}

/** What an outbox handed over to its heir. */
export interface Succession {
  outbox: Outbox;
  heir: Outbox;
  rename: Rename;
}

/** Whether an op refers to an id at or beyond a mark of its agent. */
export const reaches = (op: LocalOp, marks: readonly Pick<Rename, "agent" | "seq">[]): boolean =>
  marks.some(({ agent, seq }) => op.ref === agent && refEndOf(op) > seq);

/**
 * Takes out of the outboxes what has to get new ids, and gives it to heirs: what is refused, what refers to anything
 * that gets new ids, and what comes after that in its chain.
 */
export function succeed(outboxes: readonly Outbox[], newAgent: () => string): Succession[] {
  const renames = new Map<Outbox, Rename>();
  // Where the document showed another's text under an outbox's ids, what was typed then meant that.
  const concern = (outbox: Outbox, event: OutEvent): Rename[] =>
    [...renames.values()].filter(({ agent }) => agent === outbox.agent || event.over.includes(agent));
  for (let isMore = true; isMore; ) {
    isMore = false;
    for (const outbox of outboxes) {
      const first = outbox.events.find((event) => {
        const marks = concern(outbox, event);
        return event.refused || event.ops.some((op) => reaches(op, marks));
      });
      if (!first && !outbox.foreign) continue;
      const seq = first ? first.after : outbox.end;
      const known = renames.get(outbox);
      if (known && known.seq <= seq) continue;
      renames.set(outbox, { agent: outbox.agent, seq, to: known?.to ?? newAgent() });
      isMore = true;
    }
  }
  return [...renames].map(([outbox, rename]) => {
    const heir = newOutbox(rename.to);
    heir.events = outbox.events
      .filter(({ after }) => after >= rename.seq)
      .map((event) => renamed(event, rename, concern(outbox, event)));
    heir.end = heir.events.at(-1)?.end ?? 0;
    outbox.events = outbox.events.filter(({ after }) => after < rename.seq);
    return { outbox, heir, rename };
  });
}

/** An event under its new ids. */
function renamed(event: OutEvent, own: Rename, renames: readonly Rename[]): OutEvent {
  const ops = event.ops.flatMap((op) => renamedReference({ ...op, seq: op.seq - own.seq }, renames));
  // What its old chain still holds is another's now.
  const over = [...new Set([...event.over, own.agent, ...renames.map(({ to }) => to)])];
  return { ...event, ops, over, after: event.after - own.seq, end: event.end - own.seq, kept: 0, sent: false, refused: false };
}

/** An op that refers to what it did, under new names; a run of targets of which only the later ones have them becomes two. */
function renamedReference(op: LocalOp, renames: readonly Rename[]): LocalOp[] {
  const mark = renames.find((mark) => reaches(op, [mark]));
  if (!mark) return [op];
  const kept = mark.seq - op.refSeq;
  if (kept <= 0) return [{ ...op, ref: mark.to, refSeq: op.refSeq - mark.seq }];
  return [
    { ...op, count: kept },
    { ...op, seq: op.seq + kept, count: op.count - kept, ref: mark.to, refSeq: 0 },
  ];
}
