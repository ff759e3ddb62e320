// What the store has to hold, so that a tab may die between any two steps: what was typed, before it is sent, and
// the text that it was typed on. Per agent (a session), under `<docId>/<agent>/`:
//
//   base      the document as the server knew it once (binary), its cursor, and when that was
//   t…        durable events since, of others: what was typed may need them
//   e…        own events, by their `after`; whatever is here is sent as it is, until the log has it
//
// and under `<docId>/~/<agent>` (a chain record) where the agent's chain stood when its last `base` was written or its
// events were removed, how far it is durable, and to which server and log it belongs. A base never holds what is not
// durable, so that nothing depends on what may yet be refused.

import type { TextDoc, WireEvent } from "../crdt/index.js";
import type { Replica } from "./replica.js";
import { type Lane, type OutEvent, newLane, startOf } from "./outbox.js";

/** The base is written again after this long without a change, */
const QUIET_MS = 5_000;
/** or, without waiting for quiet, after this many events. */
const RECENT_MAX = 500;
/** That an event is durable is written with the next one, or after this long: other tabs then show it, too. */
const MARK_MS = 50;

export interface Base {
  state: Uint8Array;
  cursor: string | undefined;
  /** ms since the epoch. */
  at: number;
}

/** Where an agent's chain stands, and where it belongs. Before there was more than one server, only `end`, as a number. */
export interface ChainRecord {
  end: number;
  /** The events below are durable. */
  saved: number;
  /** The server's address; `undefined`: any. */
  server: string | undefined;
  /** The log's name; `undefined`: the server has not been heard yet. */
  log: string | undefined;
}

/** What the store has of one agent. */
export interface Session extends Lane, Partial<Pick<ChainRecord, "server" | "log">> {
  /** The agent's lock is held by this tab. */
  free: boolean;
  base?: Base;
  /** Durable events that the base may lack, of this agent and of others. */
  recent: WireEvent[];
}

/** One write, made whole or not at all. */
export interface Batch {
  no: number;
  changes: [key: string, value: unknown][];
}

/** The beginning of the keys of one agent, and the key of its chain record. */
export const sessionPrefix = (docId: string, agent: string): string => `${docId}/${agent}/`;
export const chainKey = (docId: string, agent: string): string => sessionPrefix(docId, "~") + agent;

export const isEventKey = (key: string): boolean => /\/e\d+$/.test(key);

const PADDED = 16;
const padded = (number: number): string => String(number).padStart(PADDED, "0");

export class Keeper {
  /** Durable events that the base may lack. */
  recent: WireEvent[] = [];
  /** When the base is written again. */
  quietAt = Infinity;
  /** When it is written that something is durable. */
  markAt = Infinity;
  readonly #replica: Replica;
  #recentKept = 0;
  /** Those of `recent` that cannot be applied: they outlive a base. */
  #recentWaiting = 0;
  /** The newest base; it stays here, should the store lose it. */
  #base: Omit<Base, "at"> | undefined;
  #baseKept = true;
  #baseDue?: boolean;
  #encodeDue?: boolean;
  /** More is durable than is written; and that is to be written now. */
  #markDue?: boolean;
  #markNow?: boolean;
  #changes: Batch["changes"] = [];
  #batches = 1;
  #done = 1;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** The document was loaded: from the own agent's session, the newest base of all, and the events of others. */
  load(own: Session | undefined, newest: Session | undefined, others: WireEvent[]): void {
    // What the own session has is stored; the rest, and another's base, is as soon as something is typed on it.
    this.recent = [...(own?.recent ?? []), ...others];
    this.#recentKept = own?.recent.length ?? 0;
    this.#base = newest?.base;
    this.#baseKept = own === newest;
  }

  /** A durable event came. */
  add(event: WireEvent): void {
    if (this.recent.push(event) < RECENT_MAX) this.quietAt = Infinity;
  }

  /** Of what was typed, more is durable. */
  mark(): void {
    this.#markDue = true;
  }

  /** The server's state came. */
  rebase(state: Uint8Array, cursor: string | undefined): void {
    this.#base = { state, cursor };
    this.#baseKept = false;
    this.#baseDue = true;
  }

  /** Adds to a document what is durable, as it is held here. */
  replay(doc: TextDoc): void {
    try {
      if (this.#base) doc.mergeState(this.#base.state);
    } catch {
      // It is damaged, or another wrote under the same ids: the server has it all.
    }
    for (const event of this.recent) doc.apply(event);
  }

  /** Of a lane that is not gone on with here, only what is not sent stays in the store, up to `before`. */
  keepUnsent(lane: Lane, before?: number): void {
    const prefix = sessionPrefix(this.#replica.docId, lane.agent);
    for (const kind of ["base", "t"]) this.#removeEach(lane, prefix + kind);
    if (before !== undefined) this.remove(lane, before);
  }

  /** Everything of the lane is durable: its agent can be used again by and by. */
  drained(lane: Lane, end: number): void {
    this.remove(lane);
    this.#putChain(lane, end, end);
  }

  /** Writes or, without a value, removes a record that is of no agent. */
  record(key: string, value?: unknown): void {
    this.#changes.push([key, value]);
  }

  #put(lane: Lane, key: string, value: unknown): void {
    lane.keys.add(key);
    this.#changes.push([key, value]);
  }

  #putChain(lane: Lane, end: number, saved: number): void {
    const { docId, server, log } = this.#replica;
    this.#put(lane, chainKey(docId, lane.agent), { end, saved, server, log } satisfies ChainRecord);
    [lane.chainEnd, lane.savedKept, lane.logKept] = [end, saved, log];
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
    if (this.recent.length <= this.#recentWaiting || !this.#replica.settled) this.quietAt = Infinity;
    else if (this.quietAt <= now) [this.#encodeDue, this.quietAt] = [true, Infinity];
    else if (this.quietAt === Infinity && !this.#encodeDue) this.quietAt = now + QUIET_MS;
    if (this.markAt <= now) [this.#markNow, this.markAt] = [true, Infinity];
    else if (this.#markDue && !this.#markNow && this.markAt === Infinity) this.markAt = now + MARK_MS;
  }

  /** The tab may go: what can be written now is, and where there is time, a base, too. */
  hurry(encodes: boolean): void {
    this.#encodeDue ||= encodes && this.recent.length > this.#recentWaiting;
    this.#markNow = this.#markDue;
  }

  /** What there is to write; `null`: nothing. The same is not given twice. `date` is ms since the epoch. */
  takeBatch(date: number): Batch | null {
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
      this.#baseKept = false;
      const { version } = replica.doc;
      this.recent = this.recent.filter(({ agent, after }) => after >= (version.get(agent) ?? 0));
      this.#recentWaiting = this.recent.length;
      this.#putChain(own, own.end, own.end);
    }
    const rebases = this.#base && !this.#baseKept && (encodes || typed || this.#baseDue);
    if (rebases) {
      this.#put(own, name("base"), { ...this.#base, at: date });
      [this.#baseKept, this.#baseDue] = [true, false];
      // Base and events are written as one: together they hold all that came before the cursor.
      this.#removeEach(own, name("t"));
      this.#recentKept = 0;
    }
    // Own events are there already; but for whoever reads only the base and what belongs to it.
    const recent = this.recent.slice(this.#recentKept).filter(({ agent }) => rebases || agent !== own.agent);
    if ((typed || rebases) && recent.length) {
      // Only this tab has the agent: no record of another moment is written over.
      this.#put(own, name(`t${date}.${no}`), recent);
      this.#recentKept = this.recent.length;
    }
    const marks = this.#markDue && (this.#changes.length > 0 || typed || this.#markNow);
    for (const lane of replica.lanes) {
      const events = lane.events.filter(({ kept }) => !kept);
      const saved = startOf(lane);
      const isKnown = lane.keys.has(chainKey(replica.docId, lane.agent));
      const isNew = !isKnown && (events.length || (lane === own && rebases));
      if (isNew) this.#putChain(lane, saved, saved);
      else if (isKnown && ((marks && lane.savedKept !== saved) || lane.logKept !== replica.log)) {
        this.#putChain(lane, lane.chainEnd!, saved);
      }
      for (const event of events) {
        const { after, end, ops, sent, refused, over } = event;
        event.kept = no;
        // A copy: the event may grow before the write is made.
        this.#put(lane, this.#eventKey(lane, after), { after, end, ops: ops.map((op) => ({ ...op })), sent, refused, over });
      }
    }
    if (marks) [this.#markDue, this.#markNow, this.markAt] = [false, false, Infinity];
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

  /** The store is another, or begins anew: everything that it has to hold is written again. `keys` are those that it has of each lane. */
  restart(keys: (lane: Lane) => Iterable<string>): void {
    this.#changes = [];
    for (const lane of this.#replica.lanes) {
      lane.keys = new Set(keys(lane));
      this.remove(lane);
      for (const event of lane.events) event.kept = 0;
    }
    [this.#baseKept, this.#baseDue, this.#recentKept] = [!this.#base, !!this.#base, 0];
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

/** Reads a chain record, also one of a device that knew only one server. */
export const readChain = (value: ChainRecord | number): ChainRecord =>
  typeof value === "number" ? { end: value, saved: 0, server: undefined, log: undefined } : value;

/** Reads what the store has of an agent, from its chain record and its other records. */
export function readSession(docId: string, agent: string, chain: ChainRecord, records: [string, any][], free: boolean): Session {
  const { end, saved, server, log } = chain;
  const prefix = sessionPrefix(docId, agent);
  const session: Session = { ...newLane(agent), free, recent: [], end, server, log, chainEnd: end, savedKept: saved, logKept: log };
  session.keys.add(chainKey(docId, agent));
  for (const [key, value] of records) {
    session.keys.add(key);
    const kind = key[prefix.length];
    if (kind === "b") session.base = value;
    else if (kind === "t") for (const event of value) session.recent.push(event);
    else {
      const event: OutEvent = { ...value, bytes: 0, closed: true, kept: 1, loaded: true };
      if (event.end <= saved) session.recent.push({ agent, after: event.after, ops: event.ops });
      else session.events.push(event);
      session.end = Math.max(session.end, event.end);
    }
  }
  return session;
}
