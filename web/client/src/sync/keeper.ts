// What the store has to hold, so that a tab may die between any two steps: what was typed, before it is sent, and
// the text that it was typed on. Per agent (a session), under `<docId>/<agent>/`:
//
//   base      the document as the server knew it once (binary), its cursor, and when that was
//   t…        durable events since, of others: what was typed may need them
//   e…        own events, by their `after`; whatever is here is sent as it is, until the log has it
//
// and under `<docId>/~/<agent>` where the agent's chain stood when its last `base` was written, or its events were
// removed. A base never holds what is not durable, so that nothing depends on what may yet be refused.

import type { WireEvent } from "../crdt/index.js";
import type { Replica } from "./replica.js";
import { type Lane, type OutEvent, newLane, startOf } from "./outbox.js";

/** The base is written again after this long without a change, */
const QUIET_MS = 5_000;
/** or, without waiting for quiet, after this many events. */
const RECENT_MAX = 500;

export interface Base {
  state: Uint8Array;
  cursor: string | undefined;
  /** ms since the epoch. */
  at: number;
}

/** What the store has of one agent. */
export interface Session extends Lane {
  /** The agent's lock is held by this tab. */
  free: boolean;
  base?: Base;
  recent: WireEvent[];
}

/** One write, made whole or not at all. */
export interface Batch {
  no: number;
  changes: [key: string, value: unknown][];
}

/** The beginning of the keys of one agent, and the key of its end. */
export const sessionPrefix = (docId: string, agent: string): string => `${docId}/${agent}/`;
export const endKey = (docId: string, agent: string): string => sessionPrefix(docId, "~") + agent;

export const isEventKey = (key: string): boolean => /\/e\d+$/.test(key);

const PADDED = 16;
const padded = (number: number): string => String(number).padStart(PADDED, "0");

export class Keeper {
  /** Durable events that the stored base may lack. */
  recent: WireEvent[] = [];
  /** When the base is written again. */
  quietAt = Infinity;
  readonly #replica: Replica;
  #recentKept = 0;
  /** To be written, at once or before the next event. */
  #base: Omit<Base, "at"> | undefined;
  #baseDue?: boolean;
  #encodeDue?: boolean;
  #changes: Batch["changes"] = [];
  #batches = 1;
  #done = 1;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** The document was loaded: from the own agent's session, the newest base of all, and the events of others. */
  load(own: Session | undefined, newest: Session | undefined, others: WireEvent[]): void {
    const isNewest = own === newest;
    // What the own session has is stored; the rest, and another's base, is as soon as something is typed on it.
    this.recent = [...(own?.recent ?? []), ...((!isNewest && newest?.recent) || []), ...others];
    this.#recentKept = own?.recent.length ?? 0;
    if (!isNewest) this.#base = newest?.base;
  }

  /** A durable event came. */
  add(event: WireEvent): void {
    if (this.recent.push(event) < RECENT_MAX) this.quietAt = Infinity;
  }

  /** The server's state came. */
  rebase(state: Uint8Array, cursor: string | undefined): void {
    this.#base = { state, cursor };
    this.#baseDue = true;
  }

  /** Everything of the lane is durable: its agent can be used again by and by. */
  drained(lane: Lane, end: number): void {
    this.remove(lane);
    this.#putEnd(lane, end);
  }

  #put(lane: Lane, key: string, value: unknown): void {
    lane.keys.add(key);
    this.#changes.push([key, value]);
  }

  #putEnd(lane: Lane, end: number): void {
    this.#put(lane, endKey(this.#replica.docId, lane.agent), end);
  }

  /** Removes a lane's records, or only its events from one on. */
  remove(lane: Lane, after?: number): void {
    const first = after === undefined ? "" : this.#eventKey(lane, after);
    this.#removeEach(lane, first.slice(0, -PADDED), first);
  }

  #removeEach(lane: Lane, prefix: string, first = ""): void {
    for (const key of lane.keys) {
      if (key < first || !key.startsWith(prefix)) continue;
      this.#changes.push([key, undefined]);
      lane.keys.delete(key);
    }
  }

  tick(now: number): void {
    if (!this.recent.length || !this.#replica.settled) this.quietAt = Infinity;
    else if (this.quietAt <= now) [this.#encodeDue, this.quietAt] = [true, Infinity];
    else if (this.quietAt === Infinity && !this.#encodeDue) this.quietAt = now + QUIET_MS;
  }

  /** The tab may go: what can be written now is. */
  hurry(): void {
    this.#encodeDue = this.recent.length > 0;
  }

  /** What there is to write; `null`: nothing. The same is not given twice. */
  takeBatch(now: number): Batch | null {
    const replica = this.#replica;
    const { own } = replica;
    const name = (name: string) => sessionPrefix(replica.docId, own.agent) + name;
    const encodes = this.#encodeDue && replica.settled;
    const no = this.#batches + 1;
    const typed = own.events.some(({ kept }) => !kept);
    this.#encodeDue = false;
    if (encodes) {
      this.#removeEach(own, "");
      this.#base = { state: replica.doc.encode(), cursor: replica.cursor };
      this.recent = [];
      this.#putEnd(own, own.end);
    }
    const rebases = this.#base && (encodes || typed || this.#baseDue);
    if (rebases) {
      this.#put(own, name("base"), { ...this.#base, at: now });
      [this.#base, this.#baseDue] = [undefined, false];
      // Base and events are written as one: together they hold all that came before the cursor.
      this.#removeEach(own, name("t"));
      this.#recentKept = 0;
    }
    // Own events are there already; but for whoever reads only the base and what belongs to it.
    const recent = this.recent.slice(this.#recentKept).filter(({ agent }) => rebases || agent !== own.agent);
    if ((typed || rebases) && recent.length) {
      // Only this tab has the agent: no record of another moment is written over.
      this.#put(own, name(`t${now}.${no}`), recent);
      this.#recentKept = this.recent.length;
    }
    for (const lane of replica.lanes) {
      const events = lane.events.filter(({ kept }) => !kept);
      if ((events.length || (lane === own && rebases)) && !lane.keys.has(endKey(replica.docId, lane.agent))) {
        this.#putEnd(lane, startOf(lane));
      }
      for (const event of events) {
        const { after, end, ops, sent, refused, over } = event;
        event.kept = no;
        // A copy: the event may grow before the write is made.
        this.#put(lane, this.#eventKey(lane, after), { after, end, ops: ops.map((op) => ({ ...op })), sent, refused, over });
      }
    }
    const changes = this.#changes;
    this.#changes = [];
    if (!changes.length) return null;
    this.#batches = no;
    return { no, changes };
  }

  /** A batch is stored. */
  stored(no: number): void {
    this.#done = no;
  }

  /** What was given to be stored was not. */
  failed(): void {
    for (const { events } of this.#replica.lanes) for (const event of events) if (!this.keeps(event)) event.kept = 0;
  }

  /** Whether the event is stored as it is. */
  keeps(event: OutEvent): boolean {
    return event.kept > 0 && event.kept <= this.#done;
  }

  #eventKey(lane: Lane, after: number): string {
    return sessionPrefix(this.#replica.docId, lane.agent) + "e" + padded(after);
  }
}

/** Reads what the store has of an agent, from all records of the document. */
export function readSession(docId: string, agent: string, records: [string, any][], free: boolean): Session {
  const prefix = sessionPrefix(docId, agent);
  const session: Session = { ...newLane(agent), free, recent: [] };
  for (const [key, value] of records) {
    const isEnd = key === endKey(docId, agent);
    if (!isEnd && !key.startsWith(prefix)) continue;
    session.keys.add(key);
    const kind = key[prefix.length];
    if (isEnd) session.end = Math.max(session.end, value);
    else if (kind === "b") session.base = value;
    else if (kind === "t") session.recent.push(...value);
    else {
      session.events.push({ ...value, bytes: 0, closed: true, kept: 1 });
      session.end = Math.max(session.end, value.end);
    }
  }
  return session;
}
