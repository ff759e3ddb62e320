// What is here: the document, the events that are not known to be durable, and what the store is to hold. Knows of
// no connection; the core, which does, goes on from here.

import { type Change, TextDoc, type WireEvent, type WireInsert, type WireOp, find } from "../crdt/index.js";
import type { DocumentEvents } from "../types.js";
import { Keeper, type Session, isEventKey } from "./keeper.js";
import { type Lane, type OutEvent, judge, newLane, push, startOf } from "./outbox.js";
import { deletedIn, typedIn } from "./reoffer.js";
import { type Rename, succeed } from "./rename.js";

/** What is told to the document's listeners: the public events, and some that only its own parts hear. */
export interface Told extends DocumentEvents {
  /** The document has what the server had when it was asked. */
  synced: null;
  /** Ids have new names. */
  renamed: Rename;
  /** The document was begun anew: ids of before mean nothing any more. */
  renewed: null;
  /** The server does not let this client in (`refused`), or the connection does not answer any more (`again`). */
  link: "refused" | "again";
}

/** A server's state. */
export interface Begun {
  state: Uint8Array;
  /** Those that it lacks. */
  events: WireEvent[];
  cursor: string | undefined;
  log: string | undefined;
}

export type Update = { [K in keyof Told]: [name: K, value: Told[K]] }[keyof Told];

export class Replica {
  doc = new TextDoc();
  /** The agents whose events are sent from here; the last is the one that writes. */
  lanes: Lane[];
  updates: Update[] = [];
  /** Where the document stands in what the server has. */
  cursor: string | undefined;
  /** The name of the log that the durable text is from; `undefined`: no server has said. */
  log: string | undefined;
  readonly keeper: Keeper;
  readonly #told = new Set<string>();
  /** Told of a text that the server forgot, as the document showed it, and of the log that had it. */
  putAside: ((text: string, log: string | undefined) => void) | undefined;
  /** Asked before each local edit, and what it gives, after it; undo takes notes here. */
  note: ((at: number, del: number, ins: string) => () => void) | undefined;

  /** `server`: the address that what is kept here belongs to. */
  constructor(readonly docId: string, protected readonly newAgent: () => string, readonly server?: string) {
    this.lanes = [newLane(newAgent())];
    this.keeper = new Keeper(this);
  }

  /** The agent that writes. */
  get own(): Lane {
    return this.lanes.at(-1)!;
  }

  /** Whether all that the document holds is durable. */
  get settled(): boolean {
    return this.lanes.every(({ events, doubtful }) => !events.length && !doubtful);
  }

  /** Of each agent, how far the document is durable. */
  protected durable(): Map<string, number> {
    const durable = new Map(this.doc.version);
    for (const lane of this.lanes) {
      if (startOf(lane) === 0) durable.delete(lane.agent);
      else if (durable.has(lane.agent)) durable.set(lane.agent, startOf(lane));
    }
    return durable;
  }

  /** Ids that are typed and not known to be durable. */
  get unsaved(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.end - startOf(lane), 0);
  }

  // --- Editing

  edit(at: number, del: number, ins: string, changes: Change[]): void {
    const done = this.note?.(at, del, ins);
    if (del) {
      this.delete(at, del);
      changes.push({ at, del, ins: "" });
    }
    if (ins) {
      const op = this.doc.insert(this.own.agent, at, ins) as WireInsert;
      this.push(op);
      const last = changes.at(-1);
      // The text as it was inserted. What replaces something is one change with it.
      if (del && last) last.ins = op.text!;
      else changes.push({ at, del: 0, ins: op.text! });
    }
    done?.();
  }

  delete(at: number, len: number): void {
    for (const op of this.doc.delete(this.own.agent, at, len)) this.push(op);
  }

  /**
   * Makes local changes, and tells them. Where another wrote under this agent's name, they may let in what waited for
   * ids that both have used: that is told as well.
   */
  change(origin: DocumentEvents["change"]["origin"], make: (changes: Change[]) => void): void {
    const before = this.doc.isAwaited(this.own.agent) ? this.doc.toString() : null;
    const changes = this.telling(origin, make);
    if (before === null) return;
    // What the changes told lead to, in a document of its own, so that many in a large text take no square of time.
    const told = new TextDoc();
    if (before) told.insert("t", 0, before);
    for (const { at, del, ins } of changes) {
      told.delete("t", at, del);
      if (ins) told.insert("t", at, ins);
    }
    this.replaced(told.toString());
  }

  /**
   * Changes the document and tells of it: both happen, or neither. After an exception, whose work may be half done, the
   * document is what the store and the lanes have, and that is told as one change.
   */
  protected telling(origin: DocumentEvents["change"]["origin"], make: (changes: Change[]) => void): Change[] {
    const changes: Change[] = [];
    const { length } = this.doc;
    try {
      make(changes);
    } catch (error) {
      this.restore();
      const whole = { at: 0, del: length, ins: this.doc.toString() };
      this.updates.push(["change", { changes: [whole], origin: "remote" }]);
      throw error;
    }
    if (changes.length) this.updates.push(["change", { changes, origin }]);
    return changes;
  }

  /** Makes of the document what may be quite another, and tells the difference, also before an exception. */
  private asWhole(make: () => void): void {
    const before = this.doc.toString();
    try {
      make();
    } finally {
      this.replaced(before);
    }
  }

  /** Puts the document together again from what is durable and what the lanes have. */
  private restore(): void {
    const doc = new TextDoc();
    this.keeper.replay(doc);
    showTyped(doc, this.lanes);
    this.doc = doc;
    this.cursor = undefined;
    this.updates.push(["renewed", null]);
  }

  /** What the store has; the locks of the free ones are held by this tab, the others are only read. */
  load(sessions: Session[]): void {
    this.asWhole(() => this.loadAll(sessions));
  }

  private loadAll(all: Session[]): void {
    const byAge = [...all].sort((a, b) => (b.base?.at ?? -1) - (a.base?.at ?? -1));
    // Of several logs, that of the newest text: the server will say whether it is still its own.
    this.log = byAge.find(({ log }) => log)?.log;
    const sessions = byAge.filter((session) => this.isOfLog(session));
    const newest = sessions.find(({ base }) => base);
    if (newest && this.mergeStored(newest)) this.cursor = newest.base!.cursor;
    // What is saved shows, whichever tab wrote it.
    for (const { recent } of sessions) this.applyAll(recent);
    for (const session of sessions) if (this.known(session.agent) < startOf(session)) this.mergeStored(session);
    const free = sessions.filter(({ free }) => free).sort((a, b) => b.events.length - a.events.length);
    const lanes = this.admit(free);
    // An agent goes on only where all that it ever wrote is here, and nothing was typed under another yet.
    const own = this.own.end ? undefined : lanes.find(({ agent, end }) => this.known(agent) === end);
    if (own) this.lanes[this.lanes.length - 1] = own;
    this.takeOver(lanes.filter((lane) => lane !== own));
    const session = free.find(({ agent }) => agent === own?.agent);
    this.keeper.load(session, newest, sessions.filter((other) => other !== session).flatMap(({ recent }) => recent));
  }

  /** Takes over the events of tabs that are no more. */
  protected takeIn(sessions: Session[]): void {
    this.asWhole(() => {
      for (const { recent } of sessions) for (const event of recent) this.keeper.add(event);
      this.takeOver(this.admit(sessions));
    });
  }

  /** Whether a session is of the log that the document is from, as far as both are known. */
  isOfLog({ log }: Session): boolean {
    return !log || !this.log || log === this.log;
  }

  /** The store takes nothing any more: the agent, whose record ends here, is not gone on with. */
  abandonStore(): void {
    this.keeper.failed();
    this.lanes.push(newLane(this.newAgent()));
    this.prune();
  }

  /**
   * The store works again: it gets everything anew. `agents` are those that this tab has held since before, with the
   * keys that the store has of them.
   */
  resumeStore(agents: ReadonlyMap<string, string[]>): void {
    this.keeper.restart(({ agent }) => agents.get(agent) ?? []);
    for (const [agent, keys] of agents) {
      if (this.lane(agent)) continue;
      const lane = { ...newLane(agent), keys: new Set(keys) };
      if (keys.length) this.keeper.drained(lane, this.known(agent));
    }
  }

  // --- What changes as a whole

  /** Takes out lanes that have nothing to send. */
  protected prune(): void {
    this.lanes = this.lanes.filter((lane) => lane === this.own || lane.events.length);
  }

  /** Begins again from the server's state, with what it does not have: under new ids where the old are refused. */
  protected rebuild(fresh: TextDoc, bytes: Uint8Array, events: WireEvent[], cursor: string | undefined): void {
    const before = this.doc.toString();
    // Where the server's state lags, what is typed may need what it lacks.
    this.keeper.replay(fresh);
    // The one that writes stays the last.
    this.lanes = this.renew(this.lanes);
    this.prune();
    showTyped(fresh, this.lanes);
    this.doc = fresh;
    for (const event of events) this.keeper.add(event);
    this.keeper.rebase(bytes, cursor);
    this.replaced(before);
  }

  /**
   * The log is not the one, or not any more the one, that the document is from: begins anew from the server's state.
   * What was never saved is typed again, where the text around it is still there. What the store had of it for a log of
   * another name stays there, for that log. What the document showed is put aside.
   */
  protected beginAnew(fresh: TextDoc, server: Begun, sameIds: boolean): void {
    const old = this.doc;
    const before = old.toString();
    const { lanes } = this;
    const isOther = !!server.log && server.log !== this.log;
    const isTyped = ({ loaded }: OutEvent) => !loaded || !isOther;
    const typedFrom = new Map<string, number>();
    for (const { agent, events } of lanes) {
      const first = events.find(isTyped);
      if (first) typedFrom.set(agent, first.after);
    }
    const typed = typedIn(old, fresh, typedFrom);
    const deleted = sameIds ? lanes.flatMap(({ events }) => deletedIn(events.filter(isTyped))) : [];
    const { log } = this;
    for (const lane of lanes) {
      if (lane.events[0] && !isTyped(lane.events[0])) this.keeper.keepUnsent(lane, typedFrom.get(lane.agent));
      else this.keeper.remove(lane);
    }
    this.lanes = [newLane(this.newAgent())];
    this.log = server.log ?? this.log;
    this.doc = fresh;
    this.keeper.recent = server.events;
    this.keeper.rebase(server.state, server.cursor);
    for (const { at, text } of typed.reverse()) this.edit(at, 0, text, []);
    for (const ids of deleted) for (const { at, len } of find(this.doc, ids).reverse()) this.edit(at, len, "", []);
    this.updates.push(["renewed", null]);
    this.replaced(before);
    // With the next batch, which also removes what was kept of it.
    if (before && before !== this.doc.toString()) this.putAside?.(before, log);
  }

  protected lane(agent: string): Lane | undefined {
    return this.lanes.find((lane) => lane.agent === agent);
  }

  /** The end of what is applied of an agent. */
  private known(agent: string): number {
    return this.doc.version.get(agent) ?? 0;
  }

  /** Applies stored events; one that cannot be read is as good as none. */
  private applyAll(events: WireEvent[]): void {
    for (const event of events) {
      try {
        this.doc.apply(event);
      } catch {
        // The server has it.
      }
    }
  }

  /** A base that cannot be read is as good as none: the server has it all, and what was typed is kept beside it. */
  private mergeStored({ base }: Session): boolean {
    try {
      if (base) this.doc.mergeState(base.state);
      return true;
    } catch {
      return false;
    }
  }

  /** A local edit that the document has already. */
  push(op: WireOp): void {
    push(this.own, op, () => this.lanes.filter((lane) => lane !== this.own).map(({ agent }) => agent));
  }

  /** Adds what sessions kept. */
  private admit(sessions: Session[]): Lane[] {
    for (const session of sessions) {
      const { agent, recent, events } = session;
      // An event is sent when the log has the one before it.
      const durable = events.splice(0, Math.max(0, events.findLastIndex(({ sent }) => sent)));
      for (const { after, ops } of durable) recent.push({ agent, after, ops });
      this.applyAll(recent);
      if (this.known(agent) < startOf(session)) this.mergeStored(session);
    }
    for (const lane of sessions) {
      // So far all that the document holds of the agent is durable.
      judge(lane, this.doc, ({ events }) => events.shift());
    }
    const admitted = this.renew(sessions);
    showTyped(this.doc, admitted);
    return admitted;
  }

  /** Sends what there is to send of other sessions. */
  private takeOver(lanes: Lane[]): void {
    // What is typed from now on is typed on these, too.
    const open = this.own.events.at(-1);
    if (open) open.closed = true;
    for (const lane of lanes) {
      if (lane.events.length) this.lanes.unshift(lane);
      else if ([...lane.keys].some(isEventKey)) this.keeper.drained(lane, lane.end);
    }
  }

  /** Gives heirs what has to get new ids. */
  protected renew(lanes: Lane[]): Lane[] {
    const successions = succeed(lanes, this.newAgent);
    return lanes.flatMap((lane) => {
      const found = successions.find((one) => one.lane === lane);
      if (!found) return [lane];
      const { heir, rename } = found;
      this.updates.push(["renamed", rename]);
      lane.end = rename.seq;
      lane.foreign = false;
      this.keeper.remove(lane, lane.events.length ? rename.seq : undefined);
      return lane.events.length ? [lane, heir] : [heir];
    });
  }

  /** The document is another than before. */
  protected replaced(before: string): void {
    const after = this.doc.toString();
    if (after !== before) this.tellChanges([difference(before, after)]);
  }

  protected tellChanges(changes: Change[]): void {
    if (changes.length) this.updates.push(["change", { changes, origin: "remote" }]);
  }

  /** Tells of an error; while nothing gets better, of each only once. */
  tell(code: string, message: string, retry: boolean): void {
    const error = `${code} ${message}`;
    if (!this.#told.has(error)) this.updates.push(["error", { code, message, retry }]);
    this.#told.add(error);
  }

  /** Something went well: where nothing is left to be saved, what goes wrong from now on is news. */
  protected calm(): void {
    if (!this.unsaved) this.#told.clear();
  }
}

/** Applies what the lanes have not sent. */
function showTyped(doc: TextDoc, lanes: Lane[]): void {
  for (const { agent, events } of lanes) for (const { after, ops } of events) doc.apply({ agent, after, ops });
}

/** One change that makes `after` of `before`. */
function difference(before: string, after: string): Change {
  const shortest = Math.min(before.length, after.length);
  let [at, tail] = [0, 0];
  while (at < shortest && before[at] === after[at]) at++;
  while (tail < shortest - at && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return { at, del: before.length - at - tail, ins: after.slice(at, after.length - tail) };
}
