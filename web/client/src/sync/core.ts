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

import { type Change, TextDoc, type WireEvent } from "../crdt/index.js";
import { mayWrite } from "./access.js";
import { type Answer, Parts, bytesOf } from "./answer.js";
import { type Backoff, backoff } from "./backoff.js";
import { agree, ahead } from "./compare.js";
import type { StoredAgent } from "./keeper.js";
import { OfflineDocument, type ServerState, showTyped } from "./offline.js";
import { type OutEvent, type Outbox, judge, sameOps, startOf, wireEvent } from "./outbox.js";
import { reaches } from "./rename.js";
import { type ClientMessage, type Ends, type ErrorMessage, type ReplayPart, type ServerMessage, type StatePart, decode, encode } from "./wire.js";
import type { InklogError, JsonObject } from "../types.js";

/** The first sync after joining finds what was broadcast while the connection registered. */
const SYNC_AFTER_JOIN_MS = 2_000;
/** A sync comes this long after activity at the latest, and ever less often, to the longest, while nothing changes. */
const SYNC_AFTER_ACTIVITY_MS = 30_000;
const SYNC_PAUSE_MS_MAX = 300_000;
/** An acknowledgement that takes longer is taken for lost. */
const ACK_PATIENCE_MS = 10_000;
/** A state of which nothing came for this long is asked for again, then after twice that, and so on. What has come counts all the same. */
const SYNC_PATIENCE_MS = 20_000;
const SYNC_PATIENCE_MS_MAX = 160_000;
/** So many answers may be under way. */
const ANSWERS_MAX = 3;
/** A gap that this many syncs did not close may lie before the cursor. */
const GAP_SYNCS_BY_CURSOR = 3;
/** A request outgrows no frame, also with its envelope. */
const VERSION_BYTES_MAX = 30_000;
/** The server looks up no more agents in its log for one request. */
const CONFIRM_AGENTS_MAX = 8;
/** So many events are held back until the server's state has come. */
const EARLY_MAX = 10_000;
/** While somebody looks, the server is asked for a sign of life after this long without one, */
const PING_AFTER_MS = 18_000;
/** which must come within this time; behind a first state that is on its way, it takes longer. */
const PONG_PATIENCE_MS = 8_000;
const PONG_PATIENCE_MS_SLOW = 60_000;
/** After a sleep, or out of the background, a connection is asked at once, and given up sooner. */
const PONG_PATIENCE_MS_WAKING = 4_000;

/** One object, since who shows it looks whether it is another. */
const HELD: InklogError = {
  code: "forbidden",
  message: "you may not change this document now: what you typed is kept on this device, and sent once you may",
  retry: true,
};

/** What somebody showed last and when it arrived; `user` and `name` if the server says who they are. */
export interface Shown {
  state: JsonObject;
  heardAt: number;
  user?: string | undefined;
  name?: string | undefined;
}

/** What waits for an answer. */
interface Request {
  ref: number;
  /** When the answer is taken for lost. */
  lostAt: number;
}

interface Connection {
  /** Whether the server's version is known. */
  synced: boolean;
  inFlight: (Request & { outbox: Outbox; event: OutEvent }) | null;
  sync: (Request & { patience: number }) | null;
  /** Answers of which parts have come or may come, by their requests; a later request does not make them worthless. */
  answers: Map<number, Parts>;
  /** What was broadcast before the server's state came. */
  early: WireEvent[];
  /** When a sync is due. */
  syncAt: number;
  /** When the last one was requested. */
  syncedAt: number;
  /** A refused event waits until then. */
  sendAt: number;
  /** Answers lost since anything was heard. */
  lost: number;
  heardAt: number;
  /** An unanswered PING makes the connection a dead one then. */
  deadAt: number;
}

export class Core extends OfflineDocument {
  /** To send, in order. */
  frames: string[] = [];
  /** By agent; presence takes out what is over. */
  readonly shown = new Map<string, Shown>();
  /** Counts what came for it. */
  showings = 0;

  /** What is under way; another object on every connection, `null` without one. */
  connection: Connection | null = null;
  /** Somebody looks at the document: a dead connection is to be noticed soon. */
  visible = true;
  /** Events of others wait for something that the server, asked for all it has, does not have either. */
  gap = false;
  /** Why the server refused the last event for lack of a right. */
  #refusal: InklogError | null = null;
  /** The agents of which something came since the cursor. */
  #since = new Set<string>();
  #refs = 0;
  #active?: boolean;
  #waiting = 0;
  /** The document has what the server's state lacks: whether its log has it is asked before anything is sent. */
  #aheadOf: [agent: string, end: number][] = [];
  /** The log lacks it, too: the next state is one to begin anew from. */
  #forgot?: boolean;
  #syncPause = SYNC_AFTER_ACTIVITY_MS;
  readonly #gap: Backoff;
  readonly #sendRetry: Backoff;
  readonly #syncRetry: Backoff;
  readonly #absence: Backoff;
  readonly #renewal: Backoff;

  constructor(docId: string, user: string, agentOf: (user: string) => string, random: () => number, server?: string) {
    super(docId, user, agentOf, server);
    const upTo = (longest: number, least?: number) => backoff(random, 200, longest, least);
    this.#gap = upTo(SYNC_PAUSE_MS_MAX, 0.5);
    this.#sendRetry = upTo(5_000);
    this.#syncRetry = upTo(30_000);
    this.#absence = upTo(30_000, 0.5);
    this.#renewal = upTo(300_000);
  }

  // --- What it knows

  get synced(): boolean {
    return !!this.connection?.synced;
  }

  /** Ids that are typed and not known to be durable; those of them that are on their way. */
  get pending(): { all: number; sent: number } {
    const event = this.connection?.inFlight?.event;
    return { all: this.unsaved, sent: event ? event.end - event.after : 0 };
  }

  /** Why unsaved edits are not sent or not accepted; `null` if there are none, or nothing blocks them. */
  get held(): InklogError | null {
    if (!this.unsaved) return null;
    const isLocked = this.access !== null && !mayWrite(this.access);
    return isLocked ? HELD : this.#refusal;
  }

  // --- What it is told by its socket, its clock and its store

  /** The server did not let the client in. If the user's right was not known, it counts as none. */
  turnedAway(isForbidden: boolean): void {
    if (isForbidden || this.access === null) this.allow("none");
  }

  /** The events of tabs that are no more. What they knew, and this one does not, the log may have forgotten since. */
  adopt(agents: StoredAgent[], now: number): void {
    const before = this.durable();
    this.takeIn(agents);
    const more = ahead(this.durable(), before);
    if (!more.length || !this.connection) return;
    this.#aheadOf = more;
    this.#restartSync(now);
  }

  connected(now: number): void {
    this.frames = [];
    this.connection = {
      synced: false, inFlight: null, sync: null, answers: new Map(), early: [], syncAt: now, syncedAt: -Infinity, sendAt: 0, lost: 0,
      heardAt: now, deadAt: Infinity,
    };
    this.tick(now);
  }

  /** The socket is gone. What was sent may have arrived, or not. */
  disconnected(): void {
    this.frames = [];
    this.connection = null;
  }

  /** The page was away: whether the connection is still one is asked at once. */
  woke(now: number): void {
    const { connection } = this;
    if (connection) this.#ping(connection, now, PONG_PATIENCE_MS_WAKING);
  }

  received(frame: string, now: number): void {
    const { connection } = this;
    if (!connection) return;
    connection.lost = 0;
    connection.heardAt = now;
    connection.deadAt = Infinity;
    try {
      this.#take(decode(frame), now);
    } catch (error) {
      this.tell("bad_message", `the server sent an invalid message: ${error}`, true);
      this.#tryAgain(now);
    }
    this.#lookForGap(now);
    this.tick(now);
  }

  /** A frame from the connection that this one replaced: its broadcasts count, its answers do not. */
  overheard(frame: string, now: number): void {
    if (!this.connection) return;
    try {
      const message = decode(frame);
      if (message.action === "REMOTE_OP") this.#takeBroadcast(message.events, now);
    } catch {
      // The next sync brings it.
    }
    this.#lookForGap(now);
    this.tick(now);
  }

  /** Time has passed, or the store has: does what is due. */
  tick(now: number): void {
    this.keeper.tick(now);
    const connection = this.connection;
    if (!connection) return;
    for (const request of [connection.sync, connection.inFlight]) {
      if (!request || request.lostAt > now) continue;
      connection.lost++;
      this.#tryAgain(now, request.ref);
    }
    if (connection.lost > 2 || connection.deadAt <= now) {
      connection.lost = 0;
      connection.deadAt = Infinity;
      this.updates.push(["link", "again"]);
    } else if (this.#pingAt(connection) <= now) {
      this.#ping(connection, now, connection.synced ? PONG_PATIENCE_MS : PONG_PATIENCE_MS_SLOW);
    }
    if (!connection.sync && connection.syncAt <= now) this.#requestSync(now);
    this.#pump(now);
  }

  /** When `tick` is due next. */
  deadline(): number {
    const due = [this.keeper.quietAt, this.keeper.markAt];
    const connection = this.connection;
    if (connection) {
      due.push(connection.sync?.lostAt ?? connection.syncAt, connection.deadAt, this.#pingAt(connection));
      if (connection.inFlight) due.push(connection.inFlight.lostAt);
      else if (this.#maySend() && connection.sendAt && this.unsaved) due.push(connection.sendAt);
    }
    return Math.min(...due);
  }

  #pingAt({ heardAt, deadAt }: Connection): number {
    return this.visible && deadAt === Infinity ? heardAt + PING_AFTER_MS : Infinity;
  }

  #ping(connection: Connection, now: number, patience: number): void {
    connection.deadAt = Math.min(connection.deadAt, now + patience);
    this.#send({ action: "PING" });
  }

  // --- Sending

  /** Sends the oldest event, when none is in flight and the store has it. */
  #pump(now: number): void {
    const connection = this.connection!;
    const { inFlight } = connection;
    // It may be known to be durable from elsewhere than its ack.
    if (inFlight && inFlight.outbox.events[0] !== inFlight.event) connection.inFlight = null;
    if (!this.#maySend() || connection.inFlight || now < connection.sendAt) return;
    connection.sendAt = 0;
    const outbox = this.outboxes.find((outbox) => outbox.events.length && !this.#isBlocked(outbox));
    if (!outbox) return;
    const event = outbox.events[0]!;
    event.closed = true;
    if (!event.sent) {
      event.sent = true;
      // It is stored anew, as one that may have been sent.
      event.kept = 0;
    }
    if (!this.keeper.keeps(event)) return;
    const ref = ++this.#refs;
    connection.inFlight = { outbox, event, ref, lostAt: now + ACK_PATIENCE_MS };
    this.#send({ action: "SEND_OP", ...wireEvent(outbox.agent, event), ref });
  }

  #maySend(): boolean {
    return this.synced && mayWrite(this.access);
  }

  /** An event that needs another outbox's goes after it: should that be refused, no one else needs it. */
  #isBlocked(outbox: Outbox): boolean {
    const marks = this.outboxes
      .filter((other) => other !== outbox && other.events.length)
      .map(({ agent, events }) => ({ agent, seq: events[0]!.after }));
    return outbox.events[0]!.ops.some((op) => reaches(op, marks));
  }

  #requestSync(now: number): void {
    const connection = this.connection!;
    const ref = ++this.#refs;
    const patience = Math.min(SYNC_PATIENCE_MS * 2 ** this.#syncRetry.tries, SYNC_PATIENCE_MS_MAX);
    connection.sync = { ref, lostAt: now + patience, patience };
    connection.answers.set(ref, new Parts());
    const [oldest] = connection.answers.keys();
    if (connection.answers.size > ANSWERS_MAX) connection.answers.delete(oldest!);
    connection.syncAt = Infinity;
    connection.syncedAt = now;
    const confirm = this.#aheadOf.length > 0 || undefined;
    // Once without, in case the gap lies before the cursor.
    const cursor = confirm || this.#gap.tries === GAP_SYNCS_BY_CURSOR + 1 ? undefined : this.cursor;
    // Joining shows who is there, too.
    const version = connection.synced || confirm ? this.#versionSince(cursor) : undefined;
    if (version) this.#send({ action: "SYNC_STATE", format: "binary", cursor, version, confirm, ref });
    else this.#send({ action: "JOIN_DOC", format: "binary", cursor, ref });
  }

  /** What is durable of each agent, or of those of which something came since the cursor. Of one that is too large to say only
   * what the server's log is asked about is left, or nothing. */
  #versionSince(cursor: string | undefined): Ends | undefined {
    const durable = this.durable();
    const ends = [...durable].filter(([agent]) => !cursor || this.#since.has(agent));
    const version = Object.fromEntries(ends);
    if (JSON.stringify(version).length <= VERSION_BYTES_MAX) return version;
    const asked = this.#aheadOf.filter(([agent]) => durable.has(agent)).slice(0, CONFIRM_AGENTS_MAX);
    return this.#aheadOf.length ? Object.fromEntries(asked) : undefined;
  }

  #send(message: ClientMessage): void {
    this.frames.push(encode(this.docId, message));
  }

  // --- Receiving

  #take(message: ServerMessage, now: number): void {
    switch (message.action) {
      case "REMOTE_OP":
        this.#absence.tries = 0;
        return this.#takeBroadcast(message.events, now);
      case "OP_REPLAY":
      case "DOC_STATE":
        return this.#takePart(message, now);
      case "OP_ACK": {
        const outbox = this.outboxOf(message.agent);
        if (outbox) this.#learn(outbox, message.end, now);
        return;
      }
      case "REMOTE_PRESENCE":
        this.#absence.tries = 0;
        this.showings++;
        if (message.state) {
          const { state, user, name } = message;
          this.shown.set(message.agent, { state, heardAt: now, user, name });
        } else this.shown.delete(message.agent);
        return;
      case "ERROR":
        return this.#takeError(message, now);
    }
  }

  /** Until the server has said which log it has, its events may be of another one. */
  #takeBroadcast(events: WireEvent[], now: number): void {
    const { synced, early } = this.connection!;
    if (synced) return this.#takeEvents(events, now);
    // What is too much comes with the sync that follows.
    for (const event of events) if (early.length < EARLY_MAX) early.push(event);
  }

  #takePart(message: StatePart | ReplayPart, now: number): void {
    const connection = this.connection!;
    const parts = connection.answers.get(message.ref!);
    if (!parts) {
      // An answer that is not asked for any more still brings events.
      if (message.action === "OP_REPLAY") this.#takeEvents(message.events, now);
      return;
    }
    const { sync, inFlight } = connection;
    // Behind a large state on a slow line, everything else is late.
    if (sync) sync.lostAt = now + sync.patience;
    if (inFlight) inFlight.lostAt = Math.max(inFlight.lostAt, now + ACK_PATIENCE_MS);
    const whole = parts.add(message);
    if (!whole) return;
    // A server that demands no token need not say it.
    this.allow(whole.access ?? "manage");
    const isTaken = whole.action === "DOC_STATE" ? this.#takeState(whole, now) : this.#takeReplay(whole, now);
    if (isTaken) this.#takeSync(whole.cursor, now);
  }

  /** `keepsAll`: also what is known already is to be stored, for it is not in the base that came with it. */
  #takeEvents(events: WireEvent[], now: number, keepsAll = false): void {
    const changes: Change[] = [];
    try {
      for (const event of events) this.#takeEvent(event, changes, keepsAll, now);
    } finally {
      // Also of what came before one that cannot be read.
      this.tellChanges(changes);
    }
  }

  #takeEvent(event: WireEvent, changes: Change[], keepsAll: boolean, now: number): void {
    const outbox = this.outboxOf(event.agent);
    if (outbox && event.after >= startOf(outbox)) {
      const own = outbox.events.find(({ after }) => after === event.after);
      if (own?.sent && sameOps(own.ops, event)) this.#learn(outbox, own.end, now);
      else this.#refuse(outbox, now, own);
    } else {
      const isNew = this.doc.apply(event, changes) !== "repeat";
      if (isNew) {
        this.#since.add(event.agent);
        this.#active = true;
      }
      if (isNew || keepsAll) this.keeper.add(event);
    }
  }

  /** The log has this agent's events up to `end`. */
  #learn(outbox: Outbox, end: number, now: number): void {
    while (outbox.events[0]?.sent && outbox.events[0].end <= end) this.#saved(outbox);
    // Somebody else writes under this name, or another tab that kept what this one has not.
    if (startOf(outbox) < end) this.#refuse(outbox, now);
    this.prune();
  }

  #saved(outbox: Outbox): void {
    const event = outbox.events.shift()!;
    this.keeper.add(wireEvent(outbox.agent, event));
    this.#since.add(outbox.agent);
    if (outbox !== this.own && !outbox.events.length) this.keeper.drained(outbox, event.end);
    this.#sendRetry.tries = 0;
    this.#renewal.tries = 0;
    this.#refusal = null;
    this.#active = true;
    this.calm();
    this.keeper.mark();
  }

  /** Says whether the sync is done with it. */
  #takeReplay({ events, log, missing, user = this.user }: Answer, now: number): boolean {
    if ((log && this.log && log !== this.log) || user !== this.user) return this.#askForState(now);
    if (missing) {
      this.#forgot = true;
      return this.#askForState(now);
    }
    this.log ??= log;
    this.#aheadOf = [];
    this.#takeEvents(events, now);
    // Not if it was refused: then another state is on its way.
    return this.connection!.answers.size > 0;
  }

  /** Says whether the sync is done with it. */
  #takeState({ state, events, cursor, log, missing, user }: Answer, now: number): boolean {
    const base = state ? bytesOf(state) : new TextDoc().encode();
    const doc = TextDoc.decode(base);
    for (const event of events) doc.apply(event);
    const newUser = user === this.user ? undefined : user;
    const server: ServerState = { base, events, cursor, log, doc, newUser };
    // What reached the log, and was never acknowledged, is saved, whatever becomes of the rest.
    for (const outbox of this.outboxes) judge(outbox, doc, (outbox) => this.#saved(outbox));
    const durable = this.durable();
    const isOther = !!log && !!this.log && log !== this.log;
    const lacks = ahead(durable, doc.version);
    const sameIds = agree(this.doc, doc, durable);
    // Where all of a text is there under its ids, the log is a copy of the one that it is from.
    const isCopy = sameIds && !lacks.length && durable.size > 0;
    if (this.#forgot || !sameIds || (missing && lacks.length) || (isOther && !isCopy) || newUser) {
      this.#forgot = false;
      this.#aheadOf = [];
      this.beginAnew(server, sameIds && !isOther);
      this.#active = true;
      return true;
    }
    const wasAsked = this.#aheadOf.length > 0;
    this.#aheadOf = wasAsked ? [] : lacks;
    if (lacks.length && !wasAsked) {
      // It may be late, or have forgotten: only its log knows.
      this.#restartSync(now);
      return false;
    }
    this.log = log ?? this.log;
    this.prune();
    this.#active = true;
    // Under ids that another used, the document may hold text from here: it is begun anew from what the server has.
    if (this.outboxes.some((outbox) => outbox.foreign || outbox.events.some(({ refused }) => refused))) {
      this.rebuild(server);
      return true;
    }
    if (!this.synced) {
      // Since the last connection, the log may have forgotten what waits and is not there. If it has not, it comes again.
      this.doc.dropWaiting();
      showTyped(this.doc, this.outboxes);
    }
    this.telling("remote", (changes) => this.doc.merge(doc, changes));
    this.keeper.rebase(base, cursor);
    this.#takeEvents(events, now, true);
    return this.connection!.answers.size > 0;
  }

  /** A replay is not enough: the whole state decides. */
  #askForState(now: number): boolean {
    this.cursor = undefined;
    this.#aheadOf = [];
    this.#restartSync(now);
    return false;
  }

  /** Nothing is sent, and no earlier answer counts, until another request is answered. */
  #restartSync(syncAt: number): void {
    Object.assign(this.connection!, { synced: false, inFlight: null, sync: null, answers: new Map(), syncAt });
  }

  /** A sync is answered in whole. */
  #takeSync(cursor: string | undefined, now: number): void {
    const connection = this.connection!;
    connection.sync = null;
    connection.answers.clear();
    this.#syncRetry.tries = 0;
    // A state that is nowhere kept has no cursor; an older one would bring it all again.
    this.cursor = cursor;
    if (cursor) this.#since.clear();
    const first = !connection.synced;
    this.calm();
    this.#syncPause =
      this.#active || first ? SYNC_AFTER_ACTIVITY_MS : Math.min(this.#syncPause * 2, SYNC_PAUSE_MS_MAX);
    const waits = this.doc.waitingCount > 0;
    // Not even all that the server has has brought it.
    if (waits && this.#gap.tries > GAP_SYNCS_BY_CURSOR) this.gap = true;
    const pause = waits ? this.#gap.pause() : first ? SYNC_AFTER_JOIN_MS : this.#syncPause;
    connection.synced = true;
    connection.syncAt = now + pause;
    this.#active = false;
    this.#takeEvents(connection.early.splice(0), now);
    this.updates.push(["synced", null]);
  }

  #takeError({ code, message, retry, retryAfterMs = 0, ref }: ErrorMessage, now: number): void {
    if (code === "not_joined") return this.#registerAgain(now);
    const { sync, inFlight } = this.connection!;
    const ofSync = sync?.ref === ref;
    const ofSend = inFlight?.ref === ref;
    // Of presence, or of a request given up.
    if (ref !== undefined && !ofSync && !ofSend) return;
    if (retry) return this.#tryAgain(now, ref, Math.min(retryAfterMs, SYNC_PAUSE_MS_MAX));
    const isForbidden = code === "forbidden";
    if (code === "unauthorized" || (ofSync && isForbidden)) {
      this.turnedAway(isForbidden);
      this.updates.push(["link", { code, message, retry: false }]);
      return;
    }
    this.tell(code, message, !isForbidden);
    if (ofSend && isForbidden) this.#refusal = { code, message, retry: true };
    if (inFlight && !ofSync && !isForbidden) {
      this.#refuse(inFlight.outbox, now, inFlight.event, code);
    } else {
      // Without the cursor, in case that is what it does not like.
      if (ofSync) this.cursor = undefined;
      this.#tryAgain(now, ref);
      if (ofSend) this.connection!.sendAt = now + this.#renewal.pause();
    }
  }

  /**
   * The server does not know this connection any more, as when Redis has lost its data: a sync registers it again. Where
   * that does not help, ever less often.
   */
  #registerAgain(now: number): void {
    const connection = this.connection!;
    if (!connection.synced || connection.sync) return;
    const soon = Math.max(now, connection.syncedAt + this.#absence.pause());
    connection.syncAt = Math.min(connection.syncAt, soon);
  }

  /**
   * Something failed: it is sent again after a pause of at least `leastMs`, or, when nobody says what failed, all that is
   * under way.
   */
  #tryAgain(now: number, ref?: number | string, leastMs = 0): void {
    const connection = this.connection!;
    const failed = (request: Request | null) => request && (ref === undefined || request.ref === ref);
    if (failed(connection.sync)) {
      connection.sync = null;
      connection.syncAt = now + Math.max(this.#syncRetry.pause(), leastMs);
    }
    if (failed(connection.inFlight)) {
      connection.inFlight = null;
      connection.sendAt = now + Math.max(this.#sendRetry.pause(), leastMs);
    }
  }

  // --- When the log does not take what is here

  /** The outbox cannot go on. The server's whole state is asked for: it decides what has to be offered again. */
  #refuse(outbox: Outbox, now: number, event?: OutEvent, code?: string): void {
    outbox.doubtful = true;
    if (event) {
      event.refused = true;
      // After a conflict, it may be compacted itself: it stays stored as it is until a state shows more.
      if (code !== "conflict") event.kept = 0;
    }
    this.cursor = undefined;
    this.#restartSync(now + this.#renewal.pause());
  }

  // --- Small things

  /**
   * Something new that cannot be placed leads to a sync: at once where all was in order before, else no sooner than
   * activity does. While it stays, `#takeSync` sees to the next.
   */
  #lookForGap(now: number): void {
    const waiting = this.doc.waitingCount;
    const opened = waiting > 0 && this.#waiting === 0;
    const grew = waiting > this.#waiting;
    this.#waiting = waiting;
    if (!waiting) {
      this.#gap.tries = 0;
      this.gap = false;
    }
    const { connection } = this;
    if (!connection?.synced) return;
    let latest = Infinity;
    if (opened) latest = now;
    else if (grew) latest = Math.max(now, connection.syncedAt + SYNC_AFTER_ACTIVITY_MS);
    else if (this.#active) latest = now + SYNC_AFTER_ACTIVITY_MS;
    connection.syncAt = Math.min(connection.syncAt, latest);
  }
}
