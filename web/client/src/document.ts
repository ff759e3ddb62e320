// What an application holds: a document that can be read and edited at once, and that sees to everything else by
// itself. Here the parts meet: the core with its rules, the connection, the store, undo, presence, and the clock.

import type { Anchor } from "./crdt/index.js";
import { type ForkRecord, forkId, forkPrefix, forksOf, withFork } from "./forks.js";
import { type Env, type Link, newLink, wordsOf } from "./link.js";
import { addressOf, checkDocId, checkUser } from "./options.js";
import { Sessions } from "./sessions.js";
import { type Storage, browserStorage, inTime, noStorage, timed } from "./storage.js";
import { type Backoff, backoff } from "./sync/backoff.js";
import { Core } from "./sync/core.js";
import type { Session } from "./sync/keeper.js";
import type { Told } from "./sync/replica.js";
import type {
  ConnectionStatus, DocumentEvents, Edit, Fork, InklogError, OpenOptions, SaveStatus, StorageStatus,
} from "./types.js";

/** The document works in memory, and without what is kept, when the device's store has not opened by then. */
const OPEN_MS_MAX = 5_000;
/** A store that failed is tried again after this long, then ever less often. */
const STORE_PAUSE_MS_FIRST = 2_000;
const STORE_PAUSE_MS_MAX = 300_000;

/** What the page tells, and what that means here. */
const PAGE_EVENTS = ["online", "offline", "pagehide", "pageshow", "visibilitychange"];

/** Opens a document; it connects by itself, and works before it is connected and offline. */
export const openDocument = (options: OpenOptions): InklogDocument => new InklogDocument(options, globalThis);

/** One document, open in this tab. */
export class InklogDocument {
  readonly docId: string;
  readonly user: string;
  /** Resolves when the text is here, from this device or from the server. */
  readonly ready: Promise<void>;
  /** Resolves when the server's text is here for the first time. */
  readonly synced: Promise<void>;
  /** How many of the edits are durable; a new object whenever it changes. */
  save!: SaveStatus;
  /** Where edits are kept until they are saved; a new object whenever it changes. */
  storage: StorageStatus = { kind: "opening", reason: null };
  /** What keeps the document from the server; `null`: no known problem. */
  problem: InklogError | null = null;
  /** Copies of texts that the server forgot, oldest first; a new array whenever it changes. */
  forks: readonly Fork[] = [];
  /** @internal */
  readonly core: Core;
  /** @internal */
  readonly env: Env;
  /** @internal Done whenever something happened; each gives when it is due again. */
  readonly turns: ((now: number) => number)[] = [];
  readonly #link: Link;
  readonly #listeners: { [name: string]: Set<(value: any) => void> } = {};
  #sessions: Sessions | undefined;
  readonly #storeRetry: Backoff;
  #storeTimer: unknown;
  #writing?: Promise<void> | undefined;
  readonly #opening: Promise<void>;
  #adopting?: boolean;
  #flushing?: boolean;
  #again?: boolean;
  #due = 0;
  #timer: unknown;
  readonly #told: { [name: string]: string } = {};
  #isReady!: () => void;
  #isWarning = false;
  #isPersistAsked = false;
  readonly #options: OpenOptions;
  readonly #server: string;

  /** @internal Applications call {@link openDocument}. */
  constructor(options: OpenOptions, env: Env) {
    this.env = env;
    this.#options = options;
    checkDocId(options.docId);
    this.docId = options.docId;
    this.user = options.user ?? guestName(env);
    checkUser(this.user);
    this.#server = addressOf(options.url);
    this.core = new Core(this.docId, () => `${this.user}~${suffix(env)}`, env.Math.random, this.#server);
    this.core.visible = isVisible(env);
    this.#storeRetry = backoff(env.Math.random, STORE_PAUSE_MS_FIRST, STORE_PAUSE_MS_MAX, 0.5);
    const tell = (problem: InklogError | null) => this.#setProblem(problem);
    this.#link = newLink(options, env, this.core, () => this.flush(), tell);
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.synced = new Promise((resolve) =>
      this.on("synced", () => {
        this.#link.online();
        this.#isReady();
        resolve();
        void this.#adopt();
      }),
    );
    this.on("link", (what) => this.#link[what]());
    this.on("error", (error) => {
      // It says why the server does not let the client in.
      if (error.code === "unauthorized" || error.code === "forbidden") this.#setProblem(error);
    });
    this.core.putAside = (text, log) => this.#putAside(text, log);
    this.#tell();
    this.#listenToPage("addEventListener");
    this.#opening = this.#open();
  }

  /** The name under which this tab writes; it may change, see the `agent` event. */
  get agent(): string {
    return this.core.own.agent;
  }

  get text(): string {
    return this.core.doc.toString();
  }

  /** In UTF-16 units. */
  get length(): number {
    return this.core.doc.length;
  }

  get status(): ConnectionStatus {
    return this.#link.status;
  }

  /** Whether others' edits cannot be applied because they need edits that cannot be fetched. */
  get gap(): boolean {
    return this.core.gap;
  }

  /** Adds a listener; returns a function that removes it. */
  on<K extends keyof DocumentEvents>(name: K, listener: (value: DocumentEvents[K]) => void): () => void;
  /** @internal Also to what only the parts of the client tell each other. */
  on<K extends keyof Told>(name: K, listener: (value: Told[K]) => void): () => void;
  on(name: string, listener: (value: any) => void): () => void {
    const listeners = (this.#listeners[name] ??= new Set());
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * Makes edits, one after the other; a place inside a surrogate pair is moved out of it. Throws, without
   * changing anything, if the document is closed or an edit is malformed.
   */
  edit(edits: readonly Edit[]): void {
    if (this.status === "closed") throw new Error(`the document ${this.docId} is closed: open it again to edit it`);
    for (const { at, del, ins } of edits) {
      if (!Number.isFinite(at) || !Number.isFinite(del) || typeof ins !== "string") {
        throw new TypeError("an edit is { at: number, del: number, ins: string }");
      }
    }
    this.#askToPersist();
    try {
      this.core.change("local", (changes) => {
        for (const { at, del, ins } of edits) {
          const from = this.#outside(at, 1);
          this.core.edit(from, Math.max(0, this.#outside(at + del, -1) - from), ins, changes);
        }
      });
    } finally {
      this.flush();
    }
  }

  insert(at: number, text: string): void {
    this.edit([{ at, del: 0, ins: text }]);
  }

  delete(at: number, len: number): void {
    this.edit([{ at, del: len, ins: "" }]);
  }

  /** A place that moves with the text; JSON. It sticks to the character before (-1) or after (1). */
  anchor(at: number, side: -1 | 1): Anchor {
    return this.core.doc.anchor(at, side);
  }

  position(anchor: Anchor): number {
    return this.core.doc.position(anchor);
  }

  /**
   * Restores a fork: makes the smallest change from the current text to the fork's, as an ordinary edit, which can be
   * undone. The fork is then discarded.
   */
  async restoreFork(id: string): Promise<void> {
    const { leastChange } = await import("./restore.js");
    const fork = this.forks.find((fork) => fork.id === id);
    if (!fork) return;
    this.edit(leastChange(this.text, fork.text));
    this.discardFork(id);
  }

  /** Discards a fork. */
  discardFork(id: string): void {
    if (!this.forks.some((fork) => fork.id === id)) return;
    this.core.keeper.record(forkPrefix(this.docId) + id);
    this.#setForks(this.forks.filter((fork) => fork.id !== id));
    this.flush();
  }

  /** Closes the document after writing all edits to the store; unsaved ones are sent the next time it is opened. */
  async close(): Promise<void> {
    if (this.status === "closed") return;
    this.#listenToPage("removeEventListener");
    if (this.core.synced) this.send(JSON.stringify({ action: "LEAVE_DOC", docId: this.docId }));
    this.#link.close();
    await this.#opening;
    this.core.keeper.hurry(true);
    this.flush();
    while (this.#writing) await this.#writing;
    this.env.clearTimeout(this.#timer);
    this.env.clearTimeout(this.#storeTimer);
    this.#freeLocks();
  }

  /** @internal */
  send(frame: string): void {
    this.#link.send(frame);
  }

  // --- The store

  async #open(): Promise<void> {
    const { storage } = this.#options;
    let found: Session[] = [];
    // Whoever opened it is listening by then.
    await null;
    if (storage === null) {
      this.#sessions = this.#sessionsIn(noStorage);
      this.#setStorage("memory", "the application turned storage off");
    } else {
      try {
        const sessions = this.#sessionsIn(await inTime(this.env, OPEN_MS_MAX, this.#openStore()));
        found = await inTime(this.env, OPEN_MS_MAX, sessions.read());
        await this.#loadForks(sessions);
        this.core.load(found);
        this.#sessions = sessions;
        this.#setStorage("device", null);
        this.#freeLocks();
      } catch (error) {
        this.#sessions = this.#sessionsIn(noStorage);
        this.#storeFailed(error);
      }
    }
    this.flush();
    // The change that brought it has been told by now: who reads the text when it is ready hears of each change once.
    if (found.some(({ base, events, recent }) => base || events.length || recent.length)) this.#isReady();
  }

  #sessionsIn(storage: Storage): Sessions {
    return new Sessions(storage, this.docId, this.#server, this.user);
  }

  async #openStore(): Promise<Storage> {
    return timed(this.#options.storage ?? (await browserStorage()), this.env);
  }

  /** The store failed: what is typed is in memory only, until it works again. */
  #storeFailed(error: unknown): void {
    this.#setStorage("memory", `this device cannot store edits (${wordsOf(error)})`);
    this.core.tell("storage", `${this.storage.reason}: do not close the page before everything is saved`, true);
    if (this.status === "closed") return;
    this.env.clearTimeout(this.#storeTimer);
    this.#storeTimer = this.env.setTimeout(() => void this.#tryStore(), this.#storeRetry.pause());
  }

  /** Moves from memory to the store, if that works again. */
  async #tryStore(): Promise<void> {
    const before = this.#sessions!;
    try {
      const storage = await inTime(this.env, OPEN_MS_MAX, this.#openStore());
      const sessions = before.movedTo(storage);
      const keys = await sessions.keys();
      for (const { agent } of this.core.lanes) await sessions.hold(agent);
      await this.#loadForks(sessions);
      if (this.status === "closed") return sessions.keepOnly([]);
      while (this.#writing) await this.#writing;
      this.core.resumeStore(keys);
      for (const fork of this.forks) this.#record(fork);
      this.#sessions = sessions;
      this.#setStorage("device", null);
      this.flush();
      void this.#adopt();
    } catch (error) {
      this.#storeFailed(error);
      this.flush();
    }
  }

  /** Writes what there is to write; what is typed meanwhile is the next write. */
  #write(): void {
    const batch = this.core.keeper.takeBatch(this.env.Date.now());
    if (!batch) return;
    const sessions = this.#sessions!;
    const lanes = this.core.lanes.map(({ agent }) => agent);
    const write = async () => {
      try {
        for (const agent of lanes) await sessions.hold(agent);
        await sessions.storage.write(batch.changes);
        this.core.keeper.stored(batch.no);
        if (sessions.storage !== noStorage) this.#storeRetry.tries = 0;
      } catch (error) {
        if (this.#sessions === sessions) {
          // The locks stay: whoever goes on with these agents must know all that they wrote.
          this.#sessions = sessions.movedTo(noStorage);
          this.core.abandonStore();
          this.#storeFailed(error);
        }
      }
      if (this.#writing === writing) this.#writing = undefined;
      this.flush();
      this.#freeLocks();
    };
    const writing = (this.#writing = write());
  }

  /** Takes over what closed tabs have not sent. */
  async #adopt(): Promise<void> {
    const sessions = this.#sessions;
    if (this.#adopting || !sessions || this.storage.kind !== "device") return;
    this.#adopting = true;
    try {
      const free = (await sessions.read()).filter((session) => session.free);
      if (this.#sessions !== sessions) return;
      const orphans = free.filter((session) => session.events.length && this.core.isOfLog(session));
      if (orphans.length) this.core.adopt(orphans, this.env.performance.now());
      // What another log had is a copy that nobody will ask for, unless something waits in it.
      const copies = free.filter((session) => !session.events.length && !this.core.isOfLog(session));
      for (const { keys } of copies) for (const key of keys) this.core.keeper.record(key);
      this.flush();
    } catch {
      // The next time.
    } finally {
      this.#adopting = false;
      this.#freeLocks();
    }
  }

  /** Frees the locks of agents that are not used any more; their records are as they are to be left. */
  #freeLocks(): void {
    const isClosed = this.status === "closed";
    if (this.#writing || this.#adopting || (!isClosed && this.storage.kind !== "device")) return;
    this.#sessions!.keepOnly(isClosed ? [] : this.core.lanes.map(({ agent }) => agent));
  }

  #setStorage(kind: StorageStatus["kind"], reason: string | null): void {
    this.storage = { kind, reason };
  }

  /** Asks the browser, once, not to take away what is kept when it needs room. */
  #askToPersist(): void {
    if (this.#isPersistAsked || this.#options.storage !== undefined) return;
    this.#isPersistAsked = true;
    // A browser may refuse, or ask the person; nothing depends on it.
    (globalThis.navigator as Partial<Navigator> | undefined)?.storage?.persist?.().catch(() => {});
  }

  // --- What the server forgot

  #putAside(text: string, log: string | undefined): void {
    const fork: Fork = { id: forkId(text), text, at: this.env.Date.now() };
    const { forks, gone } = withFork(this.forks, fork);
    for (const { id } of gone) this.core.keeper.record(forkPrefix(this.docId) + id);
    this.#record(fork, log);
    this.#setForks(forks);
  }

  #record(fork: Fork, log?: string): void {
    const record: ForkRecord = { ...fork, server: this.#server, log };
    this.core.keeper.record(forkPrefix(this.docId) + fork.id, record);
  }

  /** Adds those that the store has to those that are known. */
  async #loadForks({ storage }: Sessions): Promise<void> {
    const kept = forksOf(await storage.read(forkPrefix(this.docId)), this.#server);
    if (kept.length) this.#setForks([...kept, ...this.forks.filter(({ id }) => !kept.some((other) => other.id === id))]);
  }

  #setForks(forks: readonly Fork[]): void {
    this.forks = forks;
    this.core.updates.push(["forked", forks]);
  }

  // --- The loop

  /** @internal Does all that follows from what has happened. */
  flush(): void {
    this.#again = true;
    if (this.#flushing) return;
    this.#flushing = true;
    while (this.#again) {
      this.#again = false;
      this.#turn(this.env.performance.now());
    }
    this.#flushing = false;
    this.#wait();
  }

  #turn(now: number): void {
    const { core } = this;
    if (this.#sessions) {
      if (this.status !== "closed") this.#link.tick(now);
      core.tick(now);
      if (!this.#writing) this.#write();
    }
    for (const frame of core.frames.splice(0)) this.send(frame);
    this.#due = Math.min(...this.turns.map((turn) => turn(now)));
    for (const [name, value] of core.updates.splice(0)) this.#emit(name, value);
    this.#tell();
  }

  /** Tells what is another than it was. */
  #tell(): void {
    const { all, sent } = this.core.pending;
    const save: SaveStatus = { unsent: all - sent, sent, allSaved: !all };
    const { agent, status, storage, problem, gap } = this;
    this.#warn(!save.allSaved && storage.kind !== "device");
    for (const [name, value] of Object.entries({ agent, status, storage, problem, gap, save })) {
      const told = JSON.stringify(value);
      if (told === this.#told[name]) continue;
      this.#told[name] = told;
      if (value === save) this.save = save;
      this.#emit(name, value);
    }
  }

  #wait(): void {
    const { env } = this;
    env.clearTimeout(this.#timer);
    if (this.status === "closed" || !this.#sessions) return;
    const due = Math.min(this.core.deadline(), this.#link.deadline, this.#due);
    if (due < Infinity) this.#timer = env.setTimeout(() => this.flush(), Math.max(0, due - env.performance.now()));
  }

  #emit(name: string, value: unknown): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        // A listener's mistake is the application's, and must not stop the document.
        this.env.setTimeout(() => {
          throw error;
        }, 0);
      }
    }
  }

  // --- Small things

  /** The place within the text that is before the character there (1), or after the one before (-1): where that is
   * inside a surrogate pair, it is before or after the pair. */
  #outside(at: number, side: -1 | 1): number {
    return at > 0 ? this.position(this.anchor(Math.min(at, this.length), side)) : 0;
  }

  #setProblem(problem: InklogError | null): void {
    this.problem = problem;
    if (problem) this.core.tell(problem.code, problem.message, problem.retry);
  }

  /** Asks before the page is closed while something typed is neither saved nor kept. Only then: browsers keep no page for "back" that may ask. */
  #warn(isDue: boolean): void {
    if (isDue === this.#isWarning) return;
    this.#isWarning = isDue;
    this.env[isDue ? "addEventListener" : "removeEventListener"]?.("beforeunload", warn);
  }

  #listenToPage(how: "addEventListener" | "removeEventListener"): void {
    for (const name of PAGE_EVENTS) this.env[how]?.(name, this.#onPage);
  }
  readonly #onPage = ({ type }: Event): void => {
    const { core } = this;
    core.visible = isVisible(this.env);
    // A connection that looks open may be none any more.
    if (type === "online") this.#link.again();
    else if (type === "offline") this.#link.offline();
    else if (type === "pageshow" || (type === "visibilitychange" && core.visible)) this.#wake();
    // The tab may be gone in a moment: a write that is under way is not waited for.
    else if (this.#sessions) {
      core.keeper.hurry(false);
      this.#write();
    }
    this.flush();
  };

  /** The page is back from somewhere: what is broken is noticed now. */
  #wake(): void {
    if (this.core.connection) this.core.woke(this.env.performance.now());
    else if (this.status === "offline") this.#link.again();
  }
}

const isVisible = ({ document }: Env): boolean => document?.visibilityState !== "hidden";

const warn = (event: Event): void => event.preventDefault();

const suffix = ({ Math }: Env): string => Math.random().toString(36).slice(2, 9);

/** A name of this browser's own, kept where that is possible. */
function guestName(env: Env): string {
  const fresh = "guest-" + suffix(env);
  try {
    return (localStorage.inklogGuest ??= fresh);
  } catch {
    return fresh;
  }
}
