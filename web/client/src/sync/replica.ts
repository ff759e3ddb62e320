// What is here: the document, the events that are not known to be durable, and what the store is to hold. Knows of
// no connection; the core, which does, goes on from here.

import { type Change, TextDoc, type WireEvent, type WireInsert, type WireOp } from "../crdt/index.js";
import type { DocumentEvents } from "../types.js";
import { Keeper, type Session, isEventKey } from "./keeper.js";
import { type Lane, judge, newLane, push, startOf } from "./outbox.js";
import { type Rename, succeed } from "./rename.js";

/** What is told to the document's listeners: the public events, and some that only its own parts hear. */
export interface Told extends DocumentEvents {
  /** The document has what the server had when it was asked. */
  synced: null;
  /** Ids have new names. */
  renamed: Rename;
  /** The server does not let this client in (`refused`), or the connection does not answer any more (`again`). */
  link: "refused" | "again";
}

export type Update = { [K in keyof Told]: [name: K, value: Told[K]] }[keyof Told];

export class Replica {
  doc = new TextDoc();
  /** The agents whose events are sent from here; the last is the one that writes. */
  lanes: Lane[];
  updates: Update[] = [];
  /** Where the document stands in what the server has. */
  cursor: string | undefined;
  readonly keeper: Keeper;
  /** Asked before each local edit, and what it gives, after it; undo takes notes here. */
  note: ((at: number, del: number, ins: string) => () => void) | undefined;

  constructor(readonly docId: string, protected readonly newAgent: () => string) {
    this.lanes = [newLane(newAgent())];
    this.keeper = new Keeper(this);
  }

  /** The agent that writes. */
  get own(): Lane {
    return this.lanes.at(-1)!;
  }

  /** Whether all that the document holds is durable, and nothing waits. */
  get settled(): boolean {
    return !this.doc.waitingCount && this.lanes.every(({ events, doubtful }) => !events.length && !doubtful);
  }

  // --- Editing

  edit(at: number, del: number, ins: string, changes: Change[]): void {
    const done = this.note?.(at, del, ins);
    this.delete(at, del);
    const op = ins && this.doc.insert(this.own.agent, at, ins);
    if (op) this.push(op);
    // The text as it was inserted.
    if (del || op) changes.push({ at, del, ins: op && (op as WireInsert).text! });
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
    let before = this.doc.waitingCount ? this.doc.toString() : null;
    const changes: Change[] = [];
    make(changes);
    if (changes.length) this.updates.push(["change", { changes, origin }]);
    if (before === null) return;
    for (const { at, del, ins } of changes) before = before.slice(0, at) + ins + before.slice(at + del);
    this.replaced(before);
  }

  /** What the store has; the locks of the free ones are held by this tab, the others are only read. */
  load(sessions: Session[]): void {
    const before = this.doc.toString();
    const newest = sessions.filter(({ base }) => base).sort((a, b) => b.base!.at - a.base!.at)[0];
    if (newest) {
      if (this.mergeStored(newest)) this.cursor = newest.base!.cursor;
      for (const event of newest.recent) this.doc.apply(event);
    }
    const free = sessions.filter(({ free }) => free).sort((a, b) => b.events.length - a.events.length);
    const lanes = this.admit(free);
    // An agent goes on only where all that it ever wrote is here, and nothing was typed under another yet.
    const own = this.own.end ? undefined : lanes.find(({ agent, end }) => (this.doc.version.get(agent) ?? 0) === end);
    if (own) this.lanes[this.lanes.length - 1] = own;
    this.takeOver(lanes.filter((lane) => lane !== own));
    const session = free.find(({ agent }) => agent === own?.agent);
    this.keeper.load(session, newest, free.filter((other) => other !== session).flatMap(({ recent }) => recent));
    this.replaced(before);
  }

  /** The events of tabs that are no more. */
  adopt(sessions: Session[]): void {
    const before = this.doc.toString();
    for (const { recent } of sessions) for (const event of recent) this.keeper.add(event);
    this.takeOver(this.admit(sessions));
    this.replaced(before);
  }

  /** The store takes nothing any more: the agent, whose record ends here, is not gone on with. */
  abandonStore(): void {
    this.keeper.failed();
    this.lanes.push(newLane(this.newAgent()));
    this.prune();
  }

  // --- What changes as a whole

  /** Takes out lanes that have nothing to send. */
  protected prune(): void {
    this.lanes = this.lanes.filter((lane) => lane === this.own || lane.events.length);
  }

  /** Begins again from the server's state, with what it does not have: under new ids where the old are refused. */
  protected rebuild(fresh: TextDoc, bytes: Uint8Array, events: WireEvent[], cursor: string | undefined): void {
    const before = this.doc.toString();
    for (const event of this.keeper.recent) fresh.apply(event);
    // The one that writes stays the last.
    this.lanes = this.renew(this.lanes);
    this.prune();
    showTyped(fresh, this.lanes);
    this.doc = fresh;
    for (const event of events) this.keeper.add(event);
    this.keeper.rebase(bytes, cursor);
    this.replaced(before);
  }

  protected lane(agent: string): Lane | undefined {
    return this.lanes.find((lane) => lane.agent === agent);
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
    push(this.own, op, this.lanes.filter((lane) => lane !== this.own).map(({ agent }) => agent));
  }

  /** Adds what sessions kept. */
  private admit(sessions: Session[]): Lane[] {
    const known = (agent: string) => this.doc.version.get(agent) ?? 0;
    for (const session of sessions) {
      const { agent, recent, events } = session;
      // An event is sent when the log has the one before it.
      const durable = events.splice(0, Math.max(0, events.findLastIndex(({ sent }) => sent)));
      for (const { after, ops } of durable) recent.push({ agent, after, ops });
      for (const event of recent) this.doc.apply(event);
      if (known(agent) < startOf(session)) this.mergeStored(session);
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

  tell(code: string, message: string, retry: boolean): void {
    this.updates.push(["error", { code, message, retry }]);
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
