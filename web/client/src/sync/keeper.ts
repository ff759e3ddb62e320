// What the store has to hold, so that a tab may die between any two steps: what was typed, before it is sent, and
// the text that it was typed on. Per agent, under `<docId>/<agent>/`:
//
//   base      the document as the server knew it once (binary), its cursor, and when that was
//   t…        durable events since, of others: what was typed may need them
//   e…        own events, by their `after`; whatever is here is sent as it is, until the log has it
//
// and under `<docId>/~/<agent>` (a chain record) where the agent's chain stood when its last `base` was written or its
// events were removed, how far it is durable, and to which server and log it belongs. A base never holds what is not
// durable, so that nothing depends on what may yet be refused.

import { type TextDoc, type WireEvent, localOp } from "../crdt/index.js";
import { type ChainRecord, type OutEvent, type Outbox, newOutbox, startOf, wireEvent } from "./outbox.js";

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

/** What the store has of one agent. */
export interface StoredAgent extends Outbox {
  /** The log that it is of, as its chain record had it; `undefined`: not known. */
  log: string | undefined;
  /** The agent's lock is held by this tab. */
  free: boolean;
  base?: Base;
  /** Durable events that the base may lack, of this agent and of others. */
  recent: WireEvent[];
}

/** What a keeper keeps. */
export interface Kept {
  readonly docId: string;
  /** The address that it belongs to. */
  readonly server?: string | undefined;
  readonly log: string | undefined;
  readonly cursor: string | undefined;
  readonly doc: TextDoc;
  readonly outboxes: readonly Outbox[];
  /** The one of the agent that writes. */
  readonly own: Outbox;
  /** All that the document holds is durable. */
  readonly settled: boolean;
}

/** One write, made whole or not at all. */
export interface Batch {
  /** Counts up. */
  id: number;
  changes: [key: string, value: unknown][];
}

/** The beginning of the keys of one agent, and the key of its chain record. */
export const agentPrefix = (docId: string, agent: string): string => `${docId}/${agent}/`;
export const chainKey = (docId: string, agent: string): string => agentPrefix(docId, "~") + agent;

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
  readonly #of: Kept;
  #recentKept = 0;
  /** Those of `recent` that cannot be applied: they outlive a base. */
  #recentWaiting = 0;
  /** The newest base; it stays here, should the store lose it. */
  #base: Omit<Base, "at"> | undefined;
  #baseKept = true;
  #baseDue = false;
  #encodeDue = false;
  /** More is durable than is written; and that is to be written now. */
  #markDue = false;
  #markNow = false;
  #changes: Batch["changes"] = [];
  /** The batches that were given, and those that are stored; what was loaded counts as the first. */
  #given = 1;
  #stored = 1;

  constructor(of: Kept) {
    this.#of = of;
  }

  /** The document was loaded: from the own agent's records, the newest base of all, and the events of others. */
  load(own: StoredAgent | undefined, newest: StoredAgent | undefined, others: WireEvent[]): void {
    // What the own agent has is stored; the rest, and another's base, is as soon as something is typed on it.
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

  /** Of an outbox that is not gone on with here, only what is not sent stays in the store, up to `before`. */
  keepUnsent(outbox: Outbox, before?: number): void {
    const prefix = agentPrefix(this.#of.docId, outbox.agent);
    for (const kind of ["base", "t"]) this.#removeEach(outbox, prefix + kind);
    if (before !== undefined) this.remove(outbox, before);
  }

  /** Everything of the outbox is durable: its agent can be used again by and by. */
  drained(outbox: Outbox, end: number): void {
    this.remove(outbox);
    this.#putChain(outbox, end, end);
  }

  /** Writes or, without a value, removes a record that is of no agent. */
  record(key: string, value?: unknown): void {
    this.#changes.push([key, value]);
  }

  #put(outbox: Outbox, key: string, value: unknown): void {
    outbox.keys.add(key);
    this.#changes.push([key, value]);
  }

  #putChain(outbox: Outbox, end: number, saved: number): void {
    const { docId, server, log } = this.#of;
    outbox.record = { end, saved, server, log };
    this.#put(outbox, chainKey(docId, outbox.agent), outbox.record);
  }

  /** Removes an outbox's records, or only its events from one on. */
  remove(outbox: Outbox, after?: number): void {
    if (after === undefined) {
      this.#removeEach(outbox, "");
      outbox.record = undefined;
    } else {
      const first = this.#eventKey(outbox, after);
      this.#removeEach(outbox, first.slice(0, -PADDED), first);
    }
  }

  #removeEach(outbox: Outbox, prefix: string, first = ""): void {
    for (const key of outbox.keys) {
      if (key < first || !key.startsWith(prefix)) continue;
      this.#changes.push([key, undefined]);
      outbox.keys.delete(key);
    }
  }

  tick(now: number): void {
    if (this.recent.length <= this.#recentWaiting || !this.#of.settled) this.quietAt = Infinity;
    else if (this.quietAt <= now) {
      this.#encodeDue = true;
      this.quietAt = Infinity;
    } else if (this.quietAt === Infinity && !this.#encodeDue) this.quietAt = now + QUIET_MS;
    if (this.markAt <= now) {
      this.#markNow = true;
      this.markAt = Infinity;
    } else if (this.#markDue && !this.#markNow && this.markAt === Infinity) this.markAt = now + MARK_MS;
  }

  /** The tab may go: what can be written now is, and where there is time, a base, too. */
  hurry(encodes: boolean): void {
    this.#encodeDue ||= encodes && this.recent.length > this.#recentWaiting;
    this.#markNow = this.#markDue;
  }

  /** What there is to write; `null`: nothing. The same is not given twice. `date` is ms since the epoch. */
  takeBatch(date: number): Batch | null {
    const { own, outboxes } = this.#of;
    const id = this.#given + 1;
    const isTyped = own.events.some(({ kept }) => !kept);
    const isRebased = this.#putBase(date, isTyped);
    if (isTyped || isRebased) this.#putRecent(`t${date}.${id}`, isRebased);
    const marks = this.#markDue && (this.#changes.length > 0 || isTyped || this.#markNow);
    for (const outbox of outboxes) {
      this.#putChainIfDue(outbox, marks, outbox === own && isRebased);
      for (const event of outbox.events) if (!event.kept) this.#putEvent(outbox, event, id);
    }
    if (marks) {
      this.#markDue = false;
      this.#markNow = false;
      this.markAt = Infinity;
    }
    const changes = this.#changes;
    this.#changes = [];
    if (!changes.length) return null;
    this.#given = id;
    return { id, changes };
  }

  /** Puts the own agent's base, made anew or as it came, where it is due; says whether it was. */
  #putBase(date: number, isTyped: boolean): boolean {
    const { own, doc, cursor, settled } = this.#of;
    const encodes = this.#encodeDue && settled;
    this.#encodeDue = false;
    if (encodes) {
      this.remove(own);
      this.#base = { state: doc.encode(), cursor };
      this.#baseKept = false;
      this.recent = this.recent.filter(({ agent, after }) => after >= (doc.version.get(agent) ?? 0));
      this.#recentWaiting = this.recent.length;
      this.#putChain(own, own.end, own.end);
    }
    if (!this.#base || this.#baseKept || !(encodes || isTyped || this.#baseDue)) return false;
    this.#put(own, this.#ownKey("base"), { ...this.#base, at: date });
    this.#baseKept = true;
    this.#baseDue = false;
    // Base and events are written as one: together they hold all that came before the cursor.
    this.#removeEach(own, this.#ownKey("t"));
    this.#recentKept = 0;
    return true;
  }

  /** Puts the durable events that are not stored yet. */
  #putRecent(name: string, isRebased: boolean): void {
    const { own } = this.#of;
    // Own events are there already; but for whoever reads only the base and what belongs to it.
    const recent = this.recent.slice(this.#recentKept).filter(({ agent }) => isRebased || agent !== own.agent);
    if (!recent.length) return;
    // Only this tab has the agent: no record of another moment is written over.
    this.#put(own, this.#ownKey(name), recent);
    this.#recentKept = this.recent.length;
  }

  /** Puts a chain record that is new, or says less than it has to. */
  #putChainIfDue(outbox: Outbox, marks: boolean, hasBase: boolean): void {
    const saved = startOf(outbox);
    const { record } = outbox;
    if (record) {
      const isMarkDue = marks && record.saved !== saved;
      if (isMarkDue || record.log !== this.#of.log) this.#putChain(outbox, record.end, saved);
    } else if (hasBase || outbox.events.some(({ kept }) => !kept)) this.#putChain(outbox, saved, saved);
  }

  #putEvent(outbox: Outbox, event: OutEvent, batch: number): void {
    const { after, end, sent, refused, over } = event;
    event.kept = batch;
    const { ops } = wireEvent(outbox.agent, event);
    this.#put(outbox, this.#eventKey(outbox, after), { after, end, ops, sent, refused, over });
  }

  /** A batch is stored, and with it all before. */
  stored(batch: number): void {
    this.#stored = batch;
  }

  /** The store is another, or begins anew: everything that it has to hold is written again. `keys` are those that it has of each outbox. */
  restart(keys: (outbox: Outbox) => Iterable<string>): void {
    this.#changes = [];
    for (const outbox of this.#of.outboxes) {
      outbox.keys = new Set(keys(outbox));
      this.remove(outbox);
      for (const event of outbox.events) event.kept = 0;
    }
    this.#baseKept = !this.#base;
    this.#baseDue = !this.#baseKept;
    this.#recentKept = 0;
  }

  /** What was given to be stored was not. */
  failed(): void {
    for (const { events } of this.#of.outboxes) for (const event of events) if (!this.keeps(event)) event.kept = 0;
  }

  /** Whether the event is stored as it is. */
  keeps(event: OutEvent): boolean {
    return event.kept > 0 && event.kept <= this.#stored;
  }

  #ownKey(name: string): string {
    return agentPrefix(this.#of.docId, this.#of.own.agent) + name;
  }

  #eventKey(outbox: Outbox, after: number): string {
    return agentPrefix(this.#of.docId, outbox.agent) + "e" + padded(after);
  }
}

/** Reads a chain record, also one of a device that knew only one server: then it is the end alone. */
export const readChain = (value: ChainRecord | number): ChainRecord =>
  typeof value === "number" ? { end: value, saved: 0, server: undefined, log: undefined } : value;

/** Reads what the store has of an agent, from its chain record and its other records. */
export function readAgent(docId: string, agent: string, record: ChainRecord, records: [string, any][], free: boolean): StoredAgent {
  const prefix = agentPrefix(docId, agent);
  const stored: StoredAgent = { ...newOutbox(agent), end: record.end, record, log: record.log, free, recent: [] };
  stored.keys.add(chainKey(docId, agent));
  for (const [key, value] of records) {
    stored.keys.add(key);
    const name = key.slice(prefix.length);
    if (name === "base") stored.base = value;
    else if (name.startsWith("t")) for (const event of value) stored.recent.push(event);
    else if (value.end <= record.saved) stored.recent.push({ agent, after: value.after, ops: value.ops });
    else stored.events.push({ ...value, ops: value.ops.map(localOp), bytes: 0, closed: true, kept: 1, loaded: true });
    if (name.startsWith("e")) stored.end = Math.max(stored.end, value.end);
  }
  return stored;
}
