// The heart of the client: its rules, without a socket, a clock, randomness or a store. Frames, the time and what the
// store has done go in; frames, updates and batches for the store come out.
//
// What it guarantees, as long as what it hands to the store is kept and the server's log is:
//
// - Nothing typed is lost. An event is sent only after the store has it as it is sent, one at a time, and unchanged
//   until the log is known to hold it.
// - Nothing typed is doubled. On every connection the server's version is learned first, and what it covers is not
//   sent. What the log refuses for good is offered again under new ids only once the server's state has shown that
//   the old ones are not this client's, and old and new change places in one write.
// - Everybody ends with the same text. What comes is merged in whatever order; what cannot be placed yet is a gap
//   and leads to a sync, as silence does from time to time.

import { type Change, type IdRange, TextDoc, type WireEvent, type WireInsert, type WireOp } from "../crdt/index.js";
import type { DocumentEvents, InklogError, JsonObject } from "../types.js";
import { type Answer, Parts, bytesOf } from "./answer.js";
import { Backoff } from "./backoff.js";
import { type Lane, type OutEvent, holds, newLane, push, sameOps, startOf } from "./outbox.js";
import { type Rename, reaches, succeed } from "./rename.js";
import { type Session, Keeper, isEventKey, nothing } from "./keeper.js";

/** The first sync after joining finds what was broadcast while the connection registered. */
const SYNC_AFTER_JOIN_MS = 2_000;
/** A sync comes this long after activity at the latest, and ever less often, to the longest, while nothing changes. */
const SYNC_AFTER_ACTIVITY_MS = 30_000;
const SYNC_PAUSE_MS_MAX = 300_000;
/** An answer that takes longer is taken for lost. */
const PATIENCE_MS = 10_000;
/** A gap that this many syncs did not close may lie before the cursor. */
const GAP_SYNCS_BY_CURSOR = 3;
/** A request outgrows no frame, also with its envelope. */
const VERSION_BYTES_MAX = 30_000;

export type Update =
  | ({ is: "change" } & DocumentEvents["change"])
  /** The document has what the server had when it was asked. */
  | { is: "synced" }
  /** Ids have new names. */
  | { is: "renamed"; rename: Rename }
  | { is: "presence"; agent: string; state: JsonObject | null }
  | { is: "error"; error: InklogError }
  /** The server does not let this client in. */
  | { is: "refused" }
  /** The connection does not answer any more. */
  | { is: "silent" };

interface Connection {
  /** Whether the server's version is known. */
  synced: boolean;
  inFlight: { lane: Lane; event: OutEvent; ref: number; lostAt: number } | null;
  sync: { ref: number; lostAt: number; parts: Parts } | null;
  /** When a sync is due. */
  syncAt: number;
  /** A refused event waits until then. */
  sendAt: number;
  /** Answers lost since anything was heard. */
  lost: number;
}

export class Core {
  doc = new TextDoc();
  /** The agents whose events are sent from here; the last is the one that writes. */
  lanes: Lane[];
  /** To send, in order. */
  frames: string[] = [];
  updates: Update[] = [];
  readonly keeper: Keeper;

  #connection: Connection | null = null;
  #cursor: string | undefined;
  /** The agents of which something came since the cursor. */
  #since = new Set<string>();
  #refs = 0;
  #active = false;
  #gapOpen = false;
  #syncPause = SYNC_AFTER_ACTIVITY_MS;
  readonly #gap: Backoff;
  readonly #sendRetry: Backoff;
  readonly #syncRetry: Backoff;
  readonly #renewal: Backoff;
  readonly #newAgent: () => string;

  constructor(readonly docId: string, newAgent: () => string, random: () => number) {
    this.#newAgent = newAgent;
    this.lanes = [newLane(newAgent())];
    this.keeper = new Keeper(this);
    [this.#gap, this.#sendRetry, this.#syncRetry, this.#renewal] = [5_000, 5_000, 30_000, 300_000].map(
      (longest) => new Backoff(random, 200, longest),
    ) as [Backoff, Backoff, Backoff, Backoff];
  }

  // --- What it knows

  /** The agent that writes. */
  get own(): Lane {
    return this.lanes.at(-1)!;
  }

  get synced(): boolean {
    return !!this.#connection?.synced;
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** Ids that are typed and not known to be durable; those of them that are on their way. */
  get pending(): { all: number; sent: number } {
    let all = 0;
    for (const { events, end } of this.lanes) if (events.length) all += end - events[0]!.after;
    const event = this.#connection?.inFlight?.event;
    return { all, sent: event ? event.end - event.after : 0 };
  }

  /** Whether all that the document holds is durable, and nothing waits. */
  get settled(): boolean {
    return !this.doc.waitingCount && this.lanes.every(({ events, doubtful }) => !events.length && !doubtful);
  }

  // --- What it is told by its owner

  /** Gives the text as it was inserted. */
  insert(at: number, text: string): string {
    const op = this.doc.insert(this.own.agent, at, text);
    this.#push(op);
    return (op as WireInsert).text!;
  }

  delete(at: number, len: number): void {
    for (const op of this.doc.delete(this.own.agent, at, len)) this.#push(op);
  }

  /** Inserts text where deleted characters were; gives its ids. */
  restore(place: IdRange, text: string, changes: Change[]): IdRange {
    const { agent, end: seq } = this.own;
    const op: WireOp = { type: "insert", id: `${agent}-${seq}`, text, right: `${place.agent}-${place.seq}` };
    this.doc.apply({ agent, after: seq, ops: [op] }, changes);
    this.#push(op);
    return { agent, seq, len: this.own.end - seq };
  }

  /**
   * Makes local changes, and tells them. Where another wrote under this agent's name, they may let in what waited for
   * ids that both have used: that is told as well.
   */
  change(origin: DocumentEvents["change"]["origin"], make: (changes: Change[]) => void): void {
    let before = this.doc.waitingCount ? this.doc.toString() : null;
    const changes: Change[] = [];
    make(changes);
    if (changes.length) this.updates.push({ is: "change", changes, origin });
    if (before === null) return;
    for (const { at, del, ins } of changes) before = before.slice(0, at) + ins + before.slice(at + del);
    this.#replaced(before);
  }

  /** What the store has; the locks of the free ones are held by this tab, the others are only read. */
  load(sessions: Session[]): void {
    const before = this.doc.toString();
    const newest = sessions.filter(({ base }) => base).sort((a, b) => b.base!.at - a.base!.at)[0];
    if (newest) {
      this.#cursor = newest.base!.cursor;
      this.#merge(newest.base!.state);
      for (const event of newest.recent) this.doc.apply(event);
    }
    const free = sessions.filter(({ free }) => free).sort((a, b) => b.events.length - a.events.length);
    const lanes = this.#admit(free);
    // An agent goes on only where all that it ever wrote is here, and nothing was typed under another yet.
    const own = this.own.end ? undefined : lanes.find(({ agent, end }) => (this.doc.version.get(agent) ?? 0) === end);
    if (own) this.lanes[this.lanes.length - 1] = own;
    this.#takeOver(lanes.filter((lane) => lane !== own));
    const session = free.find(({ agent }) => agent === own?.agent);
    this.keeper.load(session, newest, free.filter((other) => other !== session).flatMap(({ recent }) => recent));
    this.#replaced(before);
  }

  /** The events of tabs that are no more. */
  adopt(sessions: Session[]): void {
    const before = this.doc.toString();
    for (const { recent } of sessions) for (const event of recent) this.keeper.add(event);
    this.#takeOver(this.#admit(sessions));
    this.#replaced(before);
  }

  /** The store takes nothing any more: the agent, whose record ends here, is not gone on with. */
  abandonStore(): void {
    this.keeper.failed();
    this.lanes.push(newLane(this.#newAgent()));
    this.#prune();
  }

  // --- What it is told by its socket and its clock

  connected(now: number): void {
    this.frames = [];
    this.#connection = { synced: false, inFlight: null, sync: null, syncAt: now, sendAt: 0, lost: 0 };
    this.tick(now);
  }

  /** The socket is gone. What was sent may have arrived, or not. */
  disconnected(): void {
    this.frames = [];
    this.#connection = null;
  }

  /** Asks what was missed, unless that is being asked already. */
  syncNow(now: number): void {
    if (this.#connection) this.#connection.syncAt = now;
    this.tick(now);
  }

  received(text: string, now: number): void {
    if (!this.#connection) return;
    this.#connection.lost = 0;
    const version = this.#known();
    try {
      this.#take(JSON.parse(text), now);
    } catch (error) {
      this.#tell("odd", `the server sent something that cannot be read: ${error}`, true);
      this.#tryAgain(now);
    }
    this.#active ||= this.#known() !== version;
    this.#lookForGap(now);
    this.tick(now);
  }

  /** Time has passed, or the store has: does what is due. */
  tick(now: number): void {
    this.keeper.tick(now);
    const connection = this.#connection;
    if (!connection) return;
    const { sync, inFlight } = connection;
    if (sync && sync.lostAt <= now) {
      connection.sync = null;
      connection.syncAt = now;
      connection.lost++;
    }
    if (inFlight && inFlight.lostAt <= now) {
      connection.inFlight = null;
      connection.lost++;
    }
    if (connection.lost > 2) {
      connection.lost = 0;
      this.updates.push({ is: "silent" });
    }
    if (!connection.sync && connection.syncAt <= now) this.#requestSync(now);
    this.#pump(now);
  }

  /** When `tick` is due next. */
  deadline(): number {
    const due = [this.keeper.quietAt];
    const connection = this.#connection;
    if (connection) {
      due.push(connection.sync?.lostAt ?? connection.syncAt);
      if (connection.inFlight) due.push(connection.inFlight.lostAt);
      else if (connection.synced && connection.sendAt && this.pending.all) due.push(connection.sendAt);
    }
    return Math.min(...due);
  }

  // --- Sending

  /** Sends the oldest event, when none is in flight and the store has it. */
  #pump(now: number): void {
    const connection = this.#connection;
    if (!connection?.synced || connection.inFlight || now < connection.sendAt) return;
    connection.sendAt = 0;
    const lane = this.lanes.find((lane) => lane.events.length && !this.#isBlocked(lane));
    if (!lane) return;
    const event = lane.events[0]!;
    event.closed = true;
    if (!event.sent) [event.sent, event.kept] = [true, 0];
    if (!this.keeper.keeps(event)) return;
    const ref = ++this.#refs;
    connection.inFlight = { lane, event, ref, lostAt: now + PATIENCE_MS };
    this.#send("SEND_OP", { agent: lane.agent, after: event.after, ops: event.ops, ref });
  }

  /** An event that needs another lane's goes after it: should that be refused, no one else needs it. */
  #isBlocked(lane: Lane): boolean {
    const marks = this.lanes
      .filter((other) => other !== lane && other.events.length)
      .map(({ agent, events }) => ({ agent, seq: events[0]!.after }));
    return marks.length > 0 && lane.events[0]!.ops.some((op) => reaches(op, marks));
  }

  #requestSync(now: number): void {
    const connection = this.#connection!;
    const ref = ++this.#refs;
    connection.sync = { ref, lostAt: now + PATIENCE_MS, parts: new Parts() };
    connection.syncAt = Infinity;
    const cursor = this.#gap.tries > GAP_SYNCS_BY_CURSOR ? undefined : this.#cursor;
    let version: Record<string, number> | undefined;
    if (connection.synced) {
      version = {};
      for (const [agent, end] of this.doc.version) {
        // Of its own, what is durable: of the rest it wants to hear whether the log has it.
        const lane = this.#lane(agent);
        if (!cursor || this.#since.has(agent)) version[agent] = Math.min(end, lane ? startOf(lane) : end);
      }
      if (JSON.stringify(version).length > VERSION_BYTES_MAX) version = undefined;
    }
    // Joining shows who is there, too; a version too large to say is not said.
    this.#send(version ? "SYNC_STATE" : "JOIN_DOC", { format: "binary", cursor, version, ref });
  }

  #send(action: string, fields: object): void {
    this.frames.push(JSON.stringify({ action, docId: this.docId, ...fields }));
  }

  // --- Receiving

  #take(message: any, now: number): void {
    const connection = this.#connection!;
    const { action, ref } = message;
    const sync = ref !== undefined && ref === connection.sync?.ref ? connection.sync : null;
    if (action === "REMOTE_OP" || action === "OP_REPLAY") this.#takeEvents(message.events, now);
    if (action === "OP_REPLAY" || action === "DOC_STATE") {
      const whole = sync?.parts.add(message);
      if (whole) {
        if (action === "DOC_STATE") this.#takeState(whole, now);
        // Unless it was refused: then another state is on its way.
        if (connection.sync === sync) this.#takeSync(whole.cursor, now);
      }
    } else if (action === "OP_ACK") {
      const lane = this.#lane(message.agent);
      if (lane) this.#learn(lane, message.end, now);
    } else if (action === "REMOTE_PRESENCE") {
      this.updates.push({ is: "presence", agent: message.agent, state: message.state });
    } else if (action === "ERROR") {
      this.#takeError(message, now);
    } else if (!action) {
      // The gateway's own word that a function failed, which names neither the request nor a code.
      this.#tryAgain(now);
    }
  }

  /** `keepsAll`: also what is known already is to be stored, for it is not in the base that came with it. */
  #takeEvents(events: WireEvent[], now: number, keepsAll = false): void {
    const changes: Change[] = [];
    try {
      for (const event of events) this.#takeEvent(event, changes, keepsAll, now);
    } finally {
      // Also of what came before one that cannot be read.
      this.#tellChanges(changes);
    }
  }

  #takeEvent(event: WireEvent, changes: Change[], keepsAll: boolean, now: number): void {
    const lane = this.#lane(event.agent);
    if (lane && event.after >= startOf(lane)) {
      const own = lane.events.find(({ after }) => after === event.after);
      if (own?.sent && sameOps(own.ops, event.ops)) this.#learn(lane, own.end, now);
      else this.#refuse(lane, now, own);
    } else {
      const isNew = this.doc.apply(event, changes) !== "repeat";
      if (isNew) this.#since.add(event.agent);
      if (isNew || keepsAll) this.keeper.add(event);
    }
  }

  /** The log has this agent's events up to `end`. */
  #learn(lane: Lane, end: number, now: number): void {
    const start = startOf(lane);
    while (lane.events[0]?.sent && lane.events[0].end <= end) this.#saved(lane);
    // Somebody else writes under this name, or another tab that kept what this one has not.
    if (startOf(lane) < end) this.#refuse(lane, now);
    const connection = this.#connection!;
    if (startOf(lane) > start && connection.inFlight?.lane === lane) connection.inFlight = null;
    this.#prune();
  }

  #saved(lane: Lane): void {
    const { after, ops, end } = lane.events.shift()!;
    this.keeper.add({ agent: lane.agent, after, ops });
    this.#since.add(lane.agent);
    if (lane !== this.own && !lane.events.length) this.keeper.drained(lane, end);
    this.#sendRetry.tries = this.#renewal.tries = 0;
    this.#active = true;
  }

  /** Takes out lanes that have nothing to send. */
  #prune(): void {
    this.lanes = this.lanes.filter((lane) => lane === this.own || lane.events.length);
  }

  #takeState({ state, events, cursor }: Answer, now: number): void {
    const bytes = state ? bytesOf(state) : null;
    if (this.lanes.some(({ events, doubtful }) => events.length || doubtful)) {
      const server = bytes ? TextDoc.decode(bytes) : new TextDoc();
      for (const event of events) server.apply(event);
      for (const lane of this.lanes) this.#compare(lane, server);
      this.#prune();
      if (this.lanes.some((lane) => lane.foreign || lane.events.some(({ refused }) => refused))) {
        return this.#rebuild(server, bytes, events, cursor);
      }
    }
    const changes: Change[] = [];
    if (bytes) this.#merge(bytes, changes);
    this.#tellChanges(changes);
    if (bytes) this.keeper.rebase(bytes, cursor);
    this.#takeEvents(events, now, true);
    const { own } = this;
    if ((this.doc.version.get(own.agent) ?? 0) > own.end) {
      // Somebody else wrote under this name, and nothing is here that would have to be offered again.
      this.keeper.remove(own);
      this.lanes[this.lanes.length - 1] = newLane(this.#newAgent());
    }
  }

  /** Drops from a lane what the server's state holds of it; marks what that state proves to be another's. */
  #compare(lane: Lane, server: TextDoc): void {
    while (lane.events.length && holds(server, lane.agent, lane.events[0]!)) this.#saved(lane);
    this.#judge(lane, server);
  }

  #judge(lane: Lane, server: TextDoc): void {
    lane.doubtful = false;
    lane.foreign = startOf(lane) < (server.version.get(lane.agent) ?? 0);
    const [first] = lane.events;
    if (lane.foreign && first) first.refused = true;
  }

  /** A sync is answered in whole. */
  #takeSync(cursor: string | undefined, now: number): void {
    const connection = this.#connection!;
    connection.sync = null;
    this.#syncRetry.tries = 0;
    if (cursor) {
      this.#cursor = cursor;
      this.#since.clear();
    }
    const first = !connection.synced;
    this.#syncPause =
      this.#active || first ? SYNC_AFTER_ACTIVITY_MS : Math.min(this.#syncPause * 2, SYNC_PAUSE_MS_MAX);
    const pause = this.doc.waitingCount ? this.#gap.pause() : first ? SYNC_AFTER_JOIN_MS : this.#syncPause;
    connection.synced = true;
    connection.syncAt = now + pause;
    this.#active = false;
    this.updates.push({ is: "synced" });
  }

  #takeError({ code, message, retry, ref }: any, now: number): void {
    const { sync, inFlight } = this.#connection!;
    const ofSync = sync?.ref === ref;
    const ofSend = inFlight?.ref === ref;
    // Of presence, or of a request given up.
    if (ref !== undefined && !ofSync && !ofSend) return;
    if (retry) return this.#tryAgain(now, ref);
    const final = code === "unauthorized" || code === "forbidden";
    this.#tell(code, message, !final);
    if (code === "unauthorized" || (ofSync && final)) {
      this.updates.push({ is: "refused" });
    } else if (inFlight && !ofSync && !final) {
      this.#refuse(inFlight.lane, now, inFlight.event);
    } else {
      // Without the cursor, in case that is what it does not like.
      if (ofSync) this.#cursor = undefined;
      this.#tryAgain(now, ref);
      if (ofSend) this.#connection!.sendAt = now + this.#renewal.pause();
    }
  }

  /** Something failed: it is sent again after a pause, or, when nobody says what failed, all that is under way. */
  #tryAgain(now: number, ref?: number): void {
    const connection = this.#connection!;
    if (connection.sync && (ref === undefined || connection.sync.ref === ref)) {
      connection.sync = null;
      connection.syncAt = now + this.#syncRetry.pause();
    }
    if (connection.inFlight && (ref === undefined || connection.inFlight.ref === ref)) {
      connection.inFlight = null;
      connection.sendAt = now + this.#sendRetry.pause();
    }
  }

  // --- When the log does not take what is here

  /** The lane cannot go on. The server's whole state is asked for: it decides what has to be offered again. */
  #refuse(lane: Lane, now: number, event?: OutEvent): void {
    lane.doubtful = true;
    if (event) [event.refused, event.kept] = [true, 0];
    this.#beginAgain(now + this.#renewal.pause());
  }

  #beginAgain(syncAt: number): void {
    this.#cursor = undefined;
    if (this.#connection) Object.assign(this.#connection, { synced: false, inFlight: null, sync: null, syncAt });
  }

  /** Begins again from the server's state, with what it does not have: under new ids where the old are refused. */
  #rebuild(fresh: TextDoc, bytes: Uint8Array | null, events: WireEvent[], cursor: string | undefined): void {
    const before = this.doc.toString();
    for (const event of this.keeper.recent) fresh.apply(event);
    // The one that writes stays the last.
    this.lanes = this.#renew(this.lanes);
    this.#prune();
    for (const { agent, events } of this.lanes) for (const { after, ops } of events) fresh.apply({ agent, after, ops });
    this.doc = fresh;
    for (const event of events) this.keeper.add(event);
    this.keeper.rebase(bytes ?? nothing(), cursor);
    this.#replaced(before);
  }

  // --- Small things

  #lane(agent: string): Lane | undefined {
    return this.lanes.find((lane) => lane.agent === agent);
  }

  #merge(bytes: Uint8Array, changes?: Change[]): void {
    if (this.doc.version.size || this.doc.waitingCount) return this.doc.mergeState(bytes, changes);
    this.doc = TextDoc.decode(bytes);
    if (this.doc.length) changes?.push({ at: 0, del: 0, ins: this.doc.toString() });
  }

  #push(op: WireOp): void {
    push(this.own, op, this.lanes.filter((lane) => lane !== this.own).map(({ agent }) => agent));
  }

  /** Adds what sessions kept. */
  #admit(sessions: Session[]): Lane[] {
    const { doc } = this;
    const known = (agent: string) => doc.version.get(agent) ?? 0;
    const lanes = sessions.map(({ agent, base, recent, events, end, keys }): Lane => {
      for (const event of recent) doc.apply(event);
      const lane = { agent, end, events, keys };
      // An event is sent when the log has the one before it.
      const durable = events.splice(0, Math.max(0, events.findLastIndex(({ sent }) => sent)));
      for (const { after, ops } of durable) {
        recent.push({ agent, after, ops });
        doc.apply(recent.at(-1)!);
      }
      if (known(agent) < startOf(lane) && base) doc.mergeState(base.state);
      return lane;
    });
    for (const lane of lanes) {
      // So far all that the document holds of the agent is durable: what that covers is saved.
      while (lane.events.length && holds(doc, lane.agent, lane.events[0]!)) lane.events.shift();
      this.#judge(lane, doc);
    }
    const admitted = this.#renew(lanes);
    for (const { agent, events } of admitted) for (const { after, ops } of events) doc.apply({ agent, after, ops });
    return admitted;
  }

  /** Sends what there is to send of other sessions. */
  #takeOver(lanes: Lane[]): void {
    // What is typed from now on is typed on these, too.
    const open = this.own.events.at(-1);
    if (open) open.closed = true;
    for (const lane of lanes) {
      if (lane.events.length) this.lanes.unshift(lane);
      else if ([...lane.keys].some(isEventKey)) this.keeper.drained(lane, lane.end);
    }
  }

  /** Gives heirs what has to get new ids. */
  #renew(lanes: Lane[]): Lane[] {
    const successions = succeed(lanes, this.#newAgent);
    return lanes.flatMap((lane) => {
      const found = successions.find((one) => one.lane === lane);
      if (!found) return [lane];
      const { heir, rename } = found;
      this.updates.push({ is: "renamed", rename });
      lane.end = rename.seq;
      lane.foreign = false;
      this.keeper.remove(lane, lane.events.length ? rename.seq : undefined);
      return lane.events.length ? [lane, heir] : [heir];
    });
  }

  /** The document is another than before. */
  #replaced(before: string): void {
    const after = this.doc.toString();
    if (after !== before) this.#tellChanges([difference(before, after)]);
  }

  #tellChanges(changes: Change[]): void {
    if (changes.length) this.updates.push({ is: "change", changes, origin: "remote" });
  }

  #tell(code: string, message: string, retry: boolean): void {
    this.updates.push({ is: "error", error: { code, message, retry } });
  }

  #known(): number {
    let sum = 0;
    for (const end of this.doc.version.values()) sum += end;
    return sum;
  }

  /** A gap leads to a sync at once; while it stays, `_takeSync` sees to the next. */
  #lookForGap(now: number): void {
    const gap = this.doc.waitingCount > 0;
    if (!gap) this.#gap.tries = 0;
    const opened = gap && !this.#gapOpen;
    this.#gapOpen = gap;
    const connection = this.#connection;
    if (!connection?.synced) return;
    const latest = opened ? now : this.#active ? now + SYNC_AFTER_ACTIVITY_MS : Infinity;
    connection.syncAt = Math.min(connection.syncAt, latest);
  }
}

/** One change that makes `after` of `before`. */
function difference(before: string, after: string): Change {
  const shortest = Math.min(before.length, after.length);
  let [at, tail] = [0, 0];
  while (at < shortest && before[at] === after[at]) at++;
  while (tail < shortest - at && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return { at, del: before.length - at - tail, ins: after.slice(at, after.length - tail) };
}
