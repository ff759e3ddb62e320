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
import { type Answer, Parts, bytesOf } from "./answer.js";
import { type Backoff, backoff } from "./backoff.js";
import { type Lane, type OutEvent, judge, sameOps, startOf } from "./outbox.js";
import { reaches } from "./rename.js";
import { Replica } from "./replica.js";
import type { JsonObject } from "../types.js";

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

export class Core extends Replica {
  /** To send, in order. */
  frames: string[] = [];
  /** What was last shown, by agent, and when; presence takes out what is over. */
  readonly shown = new Map<string, { state: JsonObject; at: number }>();
  /** Counts what came for it. */
  showings = 0;

  /** What is under way; another object on every connection, `null` without one. */
  connection: Connection | null = null;
  /** The agents of which something came since the cursor. */
  #since = new Set<string>();
  #refs = 0;
  #active?: boolean;
  #gapOpen?: boolean;
  #syncPause = SYNC_AFTER_ACTIVITY_MS;
  readonly #gap: Backoff;
  readonly #sendRetry: Backoff;
  readonly #syncRetry: Backoff;
  readonly #renewal: Backoff;

  constructor(docId: string, newAgent: () => string, random: () => number) {
    super(docId, newAgent);
    const upTo = (longest: number) => backoff(random, 200, longest);
    this.#gap = upTo(5_000);
    this.#sendRetry = upTo(5_000);
    this.#syncRetry = upTo(30_000);
    this.#renewal = upTo(300_000);
  }

  // --- What it knows

  get synced(): boolean {
    return !!this.connection?.synced;
  }

  /** Ids that are typed and not known to be durable; those of them that are on their way. */
  get pending(): { all: number; sent: number } {
    let all = 0;
    for (const { events, end } of this.lanes) if (events.length) all += end - events[0]!.after;
    const event = this.connection?.inFlight?.event;
    return { all, sent: event ? event.end - event.after : 0 };
  }

  // --- What it is told by its socket and its clock

  connected(now: number): void {
    this.frames = [];
    this.connection = { synced: false, inFlight: null, sync: null, syncAt: now, sendAt: 0, lost: 0 };
    this.tick(now);
  }

  /** The socket is gone. What was sent may have arrived, or not. */
  disconnected(): void {
    this.frames = [];
    this.connection = null;
  }

  received(text: string, now: number): void {
    if (!this.connection) return;
    this.connection.lost = 0;
    try {
      this.#take(JSON.parse(text), now);
    } catch (error) {
      this.tell("odd", `the server sent something that cannot be read: ${error}`, true);
      this.#tryAgain(now);
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
    if (connection.lost > 2) {
      connection.lost = 0;
      this.updates.push(["link", "again"]);
    }
    if (!connection.sync && connection.syncAt <= now) this.#requestSync(now);
    this.#pump(now);
  }

  /** When `tick` is due next. */
  deadline(): number {
    const due = [this.keeper.quietAt];
    const connection = this.connection;
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
    const connection = this.connection;
    if (!connection?.synced) return;
    const { inFlight } = connection;
    // It may be known to be durable from elsewhere than its ack.
    if (inFlight && inFlight.lane.events[0] !== inFlight.event) connection.inFlight = null;
    if (connection.inFlight || now < connection.sendAt) return;
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
    const connection = this.connection!;
    const ref = ++this.#refs;
    connection.sync = { ref, lostAt: now + PATIENCE_MS, parts: new Parts() };
    connection.syncAt = Infinity;
    const cursor = this.#gap.tries > GAP_SYNCS_BY_CURSOR ? undefined : this.cursor;
    let version: Record<string, number> | undefined;
    if (connection.synced) {
      version = {};
      for (const [agent, end] of this.doc.version) {
        // Of its own, what is durable: of the rest it wants to hear whether the log has it.
        const lane = this.lane(agent);
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
    const connection = this.connection!;
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
      const lane = this.lane(message.agent);
      if (lane) this.#learn(lane, message.end, now);
    } else if (action === "REMOTE_PRESENCE") {
      this.showings++;
      if (message.state) this.shown.set(message.agent, { state: message.state, at: now });
      else this.shown.delete(message.agent);
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
      this.tellChanges(changes);
    }
  }

  #takeEvent(event: WireEvent, changes: Change[], keepsAll: boolean, now: number): void {
    const lane = this.lane(event.agent);
    if (lane && event.after >= startOf(lane)) {
      const own = lane.events.find(({ after }) => after === event.after);
      if (own?.sent && sameOps(own.ops, event.ops)) this.#learn(lane, own.end, now);
      else this.#refuse(lane, now, own);
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
  #learn(lane: Lane, end: number, now: number): void {
    while (lane.events[0]?.sent && lane.events[0].end <= end) this.#saved(lane);
    // Somebody else writes under this name, or another tab that kept what this one has not.
    if (startOf(lane) < end) this.#refuse(lane, now);
    this.prune();
  }

  #saved(lane: Lane): void {
    const { after, ops, end } = lane.events.shift()!;
    this.keeper.add({ agent: lane.agent, after, ops });
    this.#since.add(lane.agent);
    if (lane !== this.own && !lane.events.length) this.keeper.drained(lane, end);
    this.#sendRetry.tries = this.#renewal.tries = 0;
    this.#active = true;
  }

  #takeState({ state, events, cursor }: Answer, now: number): void {
    const bytes = state ? bytesOf(state) : new TextDoc().encode();
    const server = TextDoc.decode(bytes);
    for (const event of events) server.apply(event);
    for (const lane of this.lanes) judge(lane, server, (lane) => this.#saved(lane));
    this.prune();
    // Under ids that another used, the document may hold text from here: it is begun anew from what the server has.
    if (this.lanes.some((lane) => lane.foreign || lane.events.some(({ refused }) => refused))) {
      return this.rebuild(server, bytes, events, cursor);
    }
    this.#active = true;
    const changes: Change[] = [];
    this.doc.merge(server, changes);
    this.tellChanges(changes);
    this.keeper.rebase(bytes, cursor);
    this.#takeEvents(events, now, true);
  }

  /** A sync is answered in whole. */
  #takeSync(cursor: string | undefined, now: number): void {
    const connection = this.connection!;
    connection.sync = null;
    this.#syncRetry.tries = 0;
    if (cursor) {
      this.cursor = cursor;
      this.#since.clear();
    }
    const first = !connection.synced;
    this.#syncPause =
      this.#active || first ? SYNC_AFTER_ACTIVITY_MS : Math.min(this.#syncPause * 2, SYNC_PAUSE_MS_MAX);
    const pause = this.doc.waitingCount ? this.#gap.pause() : first ? SYNC_AFTER_JOIN_MS : this.#syncPause;
    connection.synced = true;
    connection.syncAt = now + pause;
    this.#active = false;
    this.updates.push(["synced", null]);
  }

  #takeError({ code, message, retry, ref }: any, now: number): void {
    const { sync, inFlight } = this.connection!;
    const ofSync = sync?.ref === ref;
    const ofSend = inFlight?.ref === ref;
    // Of presence, or of a request given up.
    if (ref !== undefined && !ofSync && !ofSend) return;
    if (retry) return this.#tryAgain(now, ref);
    const final = code === "unauthorized" || code === "forbidden";
    this.tell(code, message, !final);
    if (code === "unauthorized" || (ofSync && final)) {
      this.updates.push(["link", "refused"]);
    } else if (inFlight && !ofSync && !final) {
      this.#refuse(inFlight.lane, now, inFlight.event);
    } else {
      // Without the cursor, in case that is what it does not like.
      if (ofSync) this.cursor = undefined;
      this.#tryAgain(now, ref);
      if (ofSend) this.connection!.sendAt = now + this.#renewal.pause();
    }
  }

  /** Something failed: it is sent again after a pause, or, when nobody says what failed, all that is under way. */
  #tryAgain(now: number, ref?: number): void {
    const connection = this.connection!;
    const failed = (request: { ref: number } | null) => request && request.ref === (ref ?? request.ref);
    if (failed(connection.sync)) {
      connection.sync = null;
      connection.syncAt = now + this.#syncRetry.pause();
    }
    if (failed(connection.inFlight)) {
      connection.inFlight = null;
      connection.sendAt = now + this.#sendRetry.pause();
    }
  }

  // --- When the log does not take what is here

  /** The lane cannot go on. The server's whole state is asked for: it decides what has to be offered again. */
  #refuse(lane: Lane, now: number, event?: OutEvent): void {
    lane.doubtful = true;
    if (event) [event.refused, event.kept] = [true, 0];
    this.cursor = undefined;
    const syncAt = now + this.#renewal.pause();
    Object.assign(this.connection!, { synced: false, inFlight: null, sync: null, syncAt });
  }

  // --- Small things

  /** A gap leads to a sync at once; while it stays, `#takeSync` sees to the next. */
  #lookForGap(now: number): void {
    const gap = this.doc.waitingCount > 0;
    if (!gap) this.#gap.tries = 0;
    const opened = gap && !this.#gapOpen;
    this.#gapOpen = gap;
    const connection = this.connection;
    if (!connection?.synced) return;
    const latest = opened ? now : this.#active ? now + SYNC_AFTER_ACTIVITY_MS : Infinity;
    connection.syncAt = Math.min(connection.syncAt, latest);
  }
}
