// What an application holds: a document that can be read and edited at once, and that sees to everything else by
// itself. Here the parts meet: the core with its rules, the connection, the store, undo, presence, and the clock.

import type { Anchor } from "./crdt/index.js";
import { History } from "./history.js";
import { type Env, Link } from "./link.js";
import { PresenceLane, STATE_BYTES_MAX } from "./presence.js";
import { Sessions } from "./sessions.js";
import { type Storage, browserStorage, memoryStorage } from "./storage.js";
import { Core } from "./sync/core.js";
import type { ConnectionStatus, DocumentEvents, Edit, InklogError, JsonObject, OpenOptions, Presence, SaveStatus } from "./types.js";

const UNDO_MERGE_MS = 500;

/** Opens a document; it connects by itself, and works before and without that. */
export const openDocument = (options: OpenOptions): InklogDocument => new InklogDocument(options, surroundings());

/** One document, open in this tab. */
export class InklogDocument {
  readonly docId: string;
  readonly user: string;
  /** The text as this device kept it, or as the server has it, is here. */
  readonly ready: Promise<void>;
  /** The server's text is here for the first time. */
  readonly synced: Promise<void>;
  readonly #core: Core;
  readonly #history: History;
  readonly #link: Link;
  readonly #presence = new PresenceLane();
  readonly #listeners = new Map<string, Set<(value: any) => void>>();
  #sessions: Sessions | undefined;
  #writing: Promise<void> | null = null;
  readonly #opening: Promise<void>;
  #found = false;
  #adopting = false;
  #flushing = false;
  #again = false;
  #timer: unknown;
  #told: Partial<DocumentEvents> & { agent?: string } = {};
  #isReady!: () => void;
  #isSynced!: () => void;
  readonly #options: OpenOptions;
  readonly #env: Env;

  /** @internal Applications call {@link openDocument}. */
  constructor(options: OpenOptions, env: Env) {
    this.#options = options;
    this.#env = env;
    this.docId = options.docId;
    this.user = options.user ?? guestName(env);
    if (!/^[\w.~-]{1,128}$/.test(this.docId)) throw new RangeError("docId is 1 to 128 of A-Z a-z 0-9 . _ ~ -");
    if (!/^[\w.-]{1,40}$/.test(this.user)) throw new RangeError("user is 1 to 40 of A-Z a-z 0-9 . _ -");
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.synced = new Promise((resolve) => (this.#isSynced = resolve));
    this.#core = new Core(this.docId, () => `${this.user}~${suffix(env)}`, env.random);
    this.#history = new History(this.#core, options.undo?.mergeMs ?? UNDO_MERGE_MS);
    this.#link = new Link(options, env, {
      opened: () => {
        this.#core.connected(env.now());
        this.#flush();
      },
      received: (text) => {
        this.#core.received(text, env.now());
        this.#flush();
      },
      lost: () => {
        this.#core.disconnected();
        this.#presence.reset();
        this.#flush();
      },
    });
    this.#told = this.#state();
    if (options.presence) this.setPresence(options.presence);
    this.#listenToPage("addEventListener");
    this.#opening = this.#open();
  }

  /** The name that this tab writes under; it may change, see the event. */
  get agent(): string {
    return this.#core.own.agent;
  }

  get text(): string {
    return this.#core.doc.toString();
  }

  /** In UTF-16 units. */
  get length(): number {
    return this.#core.doc.length;
  }

  get status(): ConnectionStatus {
    return this.#link.status;
  }

  get save(): SaveStatus {
    return this.#told.save!;
  }

  /** The others who are here, by agent; another map whenever it changes. */
  get presence(): ReadonlyMap<string, Presence> {
    return this.#presence.others;
  }

  get canUndo(): boolean {
    return this.#history.undoable.length > 0;
  }

  get canRedo(): boolean {
    return this.#history.redoable.length > 0;
  }

  /** Listens; the result ends that. */
  on<K extends keyof DocumentEvents>(name: K, listener: (value: DocumentEvents[K]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Makes edits, one after the other; a place in the middle of a surrogate pair is moved out of it. */
  edit(edits: readonly Edit[]): void {
    const now = this.#env.now();
    this.#core.change("local", (changes) => {
      for (const { at, del, ins } of edits) {
        const from = this.#outside(at, 0);
        const len = Math.max(0, this.#outside(at + del, 1) - from);
        if (len) this.#history.delete(from, len, now);
        const text = ins && this.#history.insert(from, ins, now);
        if (len || text) changes.push({ at: from, del: len, ins: text });
      }
    });
    this.#flush();
  }

  insert(at: number, text: string): void {
    this.edit([{ at, del: 0, ins: text }]);
  }

  delete(at: number, len: number): void {
    this.edit([{ at, del: len, ins: "" }]);
  }

  /** Takes back the last own edits; says whether anything changed. */
  undo(): boolean {
    return this.#take("undo");
  }

  redo(): boolean {
    return this.#take("redo");
  }

  /** Shows the others a state, until it is replaced or the document is closed; at most 4 KB of JSON. */
  setPresence(state: JsonObject | null): void {
    if (!this.#presence.set(state)) {
      this.#fail("too_large", `a presence state is at most ${STATE_BYTES_MAX} bytes; the last one stays`, false);
    }
    this.#flush();
  }

  /** A place that moves with the text; JSON. It sticks to the character before (-1) or after (1). */
  anchor(at: number, side: -1 | 1): Anchor {
    return this.#core.doc.anchor(at, side);
  }

  position(anchor: Anchor): number {
    return this.#core.doc.position(anchor);
  }

  /** Whether the text that an anchor points into is here; presence may overtake it. */
  knows({ id }: Anchor): boolean {
    if (id === null) return true;
    const dash = id.lastIndexOf("-");
    return Number(id.slice(dash + 1)) < (this.#core.doc.version.get(id.slice(0, dash)) ?? 0);
  }

  /** Ends here, with everything typed handed to the store; what is not saved yet is sent by whoever opens next. */
  async close(): Promise<void> {
    if (this.status === "closed") return;
    this.#listenToPage("removeEventListener");
    if (this.#core.synced) {
      this.#presence.set(null);
      this.#sendPresence();
      this.#link.send(JSON.stringify({ action: "LEAVE_DOC", docId: this.docId }));
    }
    this.#link.close();
    await this.#opening;
    this.#core.keeper.hurry();
    this.#flush();
    while (this.#writing) await this.#writing;
    this.#env.clearTimeout(this.#timer);
    this.#freeLocks();
  }

  // --- The store

  async #open(): Promise<void> {
    const { storage } = this.#options;
    try {
      this.#sessions = await this.#openStore(storage === null ? memoryStorage() : (storage ?? (await browserStorage())));
    } catch (error) {
      this.#fail("storage", `this browser keeps nothing (${reason(error)}): do not close before all is saved`, false);
      this.#sessions = await this.#openStore(memoryStorage());
    }
    this.#flush();
    // The change that brought it has been told by now: who reads the text when it is ready hears of each change once.
    if (this.#found) this.#isReady();
  }

  async #openStore(storage: Storage): Promise<Sessions> {
    const sessions = new Sessions(storage, this.docId, this.user);
    const found = await sessions.open();
    this.#core.load(found);
    sessions.keepOnly(this.#core.lanes.map(({ agent }) => agent));
    this.#found ||= found.some(({ base, events }) => base || events.length);
    return sessions;
  }

  /** Writes what there is to write; what is typed meanwhile is the next write. */
  #write(): void {
    const batch = this.#core.keeper.takeBatch(this.#env.date());
    if (!batch) return;
    const sessions = this.#sessions!;
    const lanes = this.#core.lanes.map(({ agent }) => agent);
    const write = async () => {
      for (const agent of lanes) await sessions.hold(agent);
      await sessions.storage.write(batch.changes);
    };
    const writing = write().then(
      () => {
        this.#core.keeper.stored(batch.no);
      },
      (error) => {
        if (this.#sessions !== sessions) return;
        this.#fail("storage", `this device keeps nothing more (${reason(error)}): do not close before all is saved`, false);
        // The locks stay: whoever goes on with these agents must know all that they wrote.
        this.#sessions = new Sessions(memoryStorage(), this.docId, this.user);
        this.#core.abandonStore();
      },
    ).then(() => {
      if (this.#writing === writing) this.#writing = null;
      this.#flush();
      this.#freeLocks();
    });
    this.#writing = writing;
  }

  /** Takes over what closed tabs have not sent. */
  async #adopt(): Promise<void> {
    if (this.#adopting || !this.#sessions) return;
    this.#adopting = true;
    try {
      const orphans = await this.#sessions.orphans();
      if (orphans.length) this.#core.adopt(orphans);
      this.#flush();
    } catch {
      // The next time.
    }
    this.#adopting = false;
    this.#freeLocks();
  }

  /** Frees the locks of agents that are not used any more; their records are as they are to be left. */
  #freeLocks(): void {
    if (this.#writing || this.#adopting) return;
    this.#sessions!.keepOnly(this.status === "closed" ? [] : this.#core.lanes.map(({ agent }) => agent));
  }

  // --- The loop

  /** Does all that follows from what has happened. */
  #flush(): void {
    this.#again = true;
    if (this.#flushing) return;
    this.#flushing = true;
    while (this.#again) {
      this.#again = false;
      this.#turn(this.#env.now());
    }
    this.#flushing = false;
    this.#wait();
  }

  #turn(now: number): void {
    const core = this.#core;
    if (this.#sessions) {
      if (this.status !== "closed") this.#link.tick(now);
      core.tick(now);
      if (!this.#writing) this.#write();
    }
    for (const frame of core.frames.splice(0)) this.#link.send(frame);
    if (core.synced) this.#sendPresence();
    if (this.#presence.lapse(now)) this.#again = true;
    for (const update of core.updates.splice(0)) {
      if (update.is === "change") this.#emit("change", { changes: update.changes, origin: update.origin });
      else if (update.is === "error") this.#emit("error", update.error);
      // What an earlier connection of this tab has shown is still there for a while.
      else if (update.is === "presence") update.agent !== this.agent && this.#presence.received(update.agent, update.state, now);
      else if (update.is === "silent") this.#link.again();
      else if (update.is === "refused") this.#link.refused();
      else if (update.is === "renamed") {
        const { agent, seq, to } = update.rename;
        this.#history.rename({ agent, seq, len: Infinity }, { agent: to, seq: 0 });
      } else {
        this.#link.settled();
        this.#isReady();
        this.#isSynced();
        void this.#adopt();
      }
    }
    this.#tell();
  }

  /** Tells what is another than it was. */
  #tell(): void {
    const before = this.#told;
    const now = (this.#told = this.#state());
    for (const name of ["agent", "status", "save", "presence", "undo"] as const) {
      if (!isSame(now[name], before[name])) this.#emit(name, now[name] as never);
    }
  }

  #state() {
    const { all, sent } = this.#core.pending;
    const save: SaveStatus = { unsent: all - sent, sent, allSaved: !all };
    const undo = { canUndo: this.canUndo, canRedo: this.canRedo };
    return { agent: this.agent, status: this.status, save, presence: this.presence, undo };
  }

  #wait(): void {
    const env = this.#env;
    env.clearTimeout(this.#timer);
    if (this.status === "closed" || !this.#sessions) return;
    const due = Math.min(
      this.#core.deadline(),
      this.#link.deadline,
      this.#presence.deadline(this.agent, this.#core.synced),
    );
    if (due < Infinity) this.#timer = env.setTimeout(() => this.#flush(), Math.max(0, due - env.now()));
  }

  #emit<K extends keyof DocumentEvents>(name: K, value: DocumentEvents[K]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        // A listener's mistake is the application's, and must not stop the document.
        this.#env.setTimeout(() => {
          throw error;
        }, 0);
      }
    }
  }

  // --- Small things

  #take(what: "undo" | "redo"): boolean {
    const { undoable, redoable } = this.#history;
    const [from, to] = what === "undo" ? [undoable, redoable] : [redoable, undoable];
    let isMade = false;
    this.#core.change(what, (changes) => {
      // A step of which others have left nothing is skipped.
      while (!changes.length && from.length) this.#history.take(from, to, changes);
      isMade = changes.length > 0;
    });
    this.#flush();
    return isMade;
  }

  /** The nearest place within the text that splits no surrogate pair. */
  #outside(at: number, up: 0 | 1): number {
    const { length } = this;
    if (!(at > 0)) return 0;
    if (at >= length) return length;
    return /^[\ud800-\udbff][\udc00-\udfff]$/.test(this.#core.doc.slice(at - 1, at + 1)) ? at - 1 + 2 * up : at;
  }

  #sendPresence(): void {
    for (const [agent, json] of this.#presence.due(this.agent, this.#env.now())) {
      this.#link.send(`{"action":"PRESENCE","docId":"${this.docId}","agent":"${agent}","state":${json},"ref":"presence"}`);
    }
  }

  #fail(code: string, message: string, retry: boolean): void {
    const error: InklogError = { code, message, retry };
    this.#core.updates.push({ is: "error", error });
  }

  #listenToPage(how: "addEventListener" | "removeEventListener"): void {
    for (const name of ["online", "offline", "pagehide"]) this.#env.page?.[how](name, this.#onPage);
  }
  readonly #onPage = ({ type }: Event): void => {
    if (type === "online") {
      this.#link.online();
      // A connection that looks open may be none any more.
      this.#core.syncNow(this.#env.now());
    }
    else if (type === "offline") this.#link.offline();
    // The tab may be gone in a moment: a write that is under way is not waited for.
    else if (this.#sessions) this.#write();
    this.#flush();
  };
}

function surroundings(): Env {
  return {
    now: () => performance.now(),
    date: () => Date.now(),
    random: () => Math.random(),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    page: typeof addEventListener === "function" ? globalThis : undefined,
  };
}

/** Small objects are compared by what they say; the map of presence is another one when it changed. */
const isSame = (a: any, b: any): boolean =>
  a === b || (a.constructor === Object && Object.keys(a).every((key) => a[key] === b[key]));

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const suffix = ({ random }: Env): string => Math.floor(random() * 36 ** 7).toString(36).padStart(7, "0");

/** A name of this browser's own, kept where that is possible. */
function guestName(env: Env): string {
  const fresh = "guest-" + suffix(env);
  try {
    return (localStorage.inklogGuest ??= fresh);
  } catch {
    return fresh;
  }
}
