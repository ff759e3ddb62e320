// What an application holds: a document that can be read and edited at once, and that sees to everything else by
// itself. Here the parts meet: the core with its rules, the connection, what is on the device, undo, presence, and time.

import type { Anchor, Change, LocalOp, TextDoc } from "./crdt/index.js";
import { ReadOnlyError } from "./errors.js";
import { type Env, Link } from "./link.js";
import { addressOf, checkDocId, checkUser } from "./options.js";
import type { Host, Part } from "./part.js";
import { Persistence } from "./persistence.js";
import { Core } from "./sync/core.js";
import type { Update } from "./sync/offline.js";
import { type ClientMessage, encode } from "./sync/wire.js";
import { mayWrite } from "./sync/access.js";
import type { Access, ConnectionStatus, DocumentEvents, Edit, Fork, InklogError, OpenOptions, SaveStatus, StorageStatus } from "./types.js";

/** What the page tells, and what that means here. */
const PAGE_EVENTS = ["online", "offline", "pagehide", "pageshow", "visibilitychange"];

/** Opens a document; it connects by itself, and works before it is connected and offline. */
export const openDocument = (options: OpenOptions): InklogDocument => new InklogDocument(options, globalThis);

/** One document, open in this tab. */
export class InklogDocument {
  readonly docId: string;
  /** Resolves when the text is here, from this device or from the server. */
  readonly ready: Promise<void>;
  /** Resolves when the server's text is here for the first time. */
  readonly synced: Promise<void>;
  /** How many of the edits are durable; a new object whenever it changes. */
  save: SaveStatus = { unsent: 0, sent: 0, allSaved: true, blocked: false };
  /** @internal */
  readonly core: Core;
  /** @internal */
  readonly env: Env;
  /** Opened with a token: nothing may be edited before the server has said what this user may do. */
  readonly #isGuarded: boolean;
  /** Why there is no connection. */
  #obstacle: InklogError | null = null;
  readonly #link: Link;
  readonly #persistence: Persistence;
  /** By what makes them. */
  readonly #parts = new Map<new (host: Host) => Part, Part>();
  readonly #listeners = new Map<string, Set<(value: any) => void>>();
  /** What was told last of each status, as JSON. */
  readonly #told = new Map<string, string>();
  #isReady!: () => void;
  #isSynced!: () => void;
  #isFlushing = false;
  #isFlushDue = false;
  /** When a part is to be called at the latest. */
  #partsDue = Infinity;
  #timer: unknown;
  #isWarning = false;

  /** @internal Applications call {@link openDocument}. */
  constructor(options: OpenOptions, env: Env) {
    this.env = env;
    checkDocId(options.docId);
    this.docId = options.docId;
    const user = options.user ?? guestName(env);
    checkUser(user);
    this.#isGuarded = !!options.token;
    const server = addressOf(options.url);
    const flush = () => this.flush();
    this.core = new Core(this.docId, user, (user) => `${user}~${suffix(env)}`, env.Math.random, server);
    this.core.visible = isVisible(env);
    this.#link = new Link(options, env, this.core, flush, (problem) => this.#setObstacle(problem));
    this.#persistence = new Persistence(this.core, env, options.storage, this.#isGuarded && options.user === undefined, server, flush);
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.synced = new Promise((resolve) => (this.#isSynced = resolve));
    this.#tellStatus();
    for (const name of PAGE_EVENTS) env.addEventListener?.(name, this.#onPage);
    // The change that brought it has been told by then: who reads the text when it is ready hears of each change once.
    void this.#persistence.open().then((isKept) => isKept && this.#isReady());
  }

  /** The user's name. If the server demands a token, it is the token's user, known by the time of `synced`. */
  get user(): string {
    return this.core.user;
  }

  /** What the user may do with the document: the server's last word, even if that was on an earlier visit. */
  get access(): Access {
    return this.core.access;
  }

  /**
   * Whether the document takes no edits from this user: they may not change it, or it was opened with a `token` and the server
   * has never said on this device what they may do.
   */
  get readOnly(): boolean {
    return this.access === null ? this.#isGuarded : !mayWrite(this.access);
  }

  /** What keeps the document, or what was typed into it, from the server; `null`: no known problem. */
  get problem(): InklogError | null {
    return this.#obstacle ?? this.core.held;
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

  /** Where edits are kept until they are saved; a new object whenever it changes. */
  get storage(): StorageStatus {
    return this.#persistence.status;
  }

  /** Copies of texts that the server forgot, oldest first; a new array whenever it changes. */
  get forks(): readonly Fork[] {
    return this.#persistence.forks;
  }

  /** Whether others' edits cannot be applied because they need edits that cannot be fetched. */
  get gap(): boolean {
    return this.core.gap;
  }

  /** Adds a listener; returns a function that removes it. */
  on<K extends keyof DocumentEvents>(name: K, listener: (value: DocumentEvents[K]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * The visible text that was typed here and is not saved: its pieces, in the order of the text. For the user to copy once they
   * may no longer write; `text` shows it in place.
   */
  unsavedText(): string[] {
    return this.core.unsavedText();
  }

  /**
   * Connects now, with a fresh token: call it when the user has signed in again or has been given other rights. A working
   * connection stays in use until the new one is synced.
   */
  reconnect(): void {
    this.#link.renew();
    this.flush();
  }

  /**
   * Makes edits, one after the other; a place inside a surrogate pair is moved out of it. Throws, without changing anything,
   * if the document is closed or an edit is malformed, and a {@link ReadOnlyError} if it is `readOnly`.
   */
  edit(edits: readonly Edit[]): void {
    if (this.status === "closed") throw new Error(`the document ${this.docId} is closed: open it again`);
    if (this.readOnly) throw new ReadOnlyError(this.access);
    for (const { at, del, ins } of edits) {
      if (!Number.isFinite(at) || !Number.isFinite(del) || typeof ins !== "string") {
        throw new TypeError("an edit is { at: number, del: number, ins: string }");
      }
    }
    this.#persistence.askToPersist();
    try {
      this.core.change("local", (changes) => {
        for (const { at, del, ins } of edits) {
          const from = this.#outside(at, 1);
          // An insert inside of a surrogate pair deletes nothing.
          this.core.edit(from, del > 0 ? this.#outside(at + del, -1) - from : 0, ins, changes);
        }
      });
    } finally {
      for (const part of this.#parts.values()) part.edited?.();
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
    this.#persistence.discardFork(id);
    this.flush();
  }

  /** Closes the document after writing all edits to the store; unsaved ones are sent the next time it is opened. */
  async close(): Promise<void> {
    if (this.status === "closed") return;
    for (const name of PAGE_EVENTS) this.env.removeEventListener?.(name, this.#onPage);
    if (this.core.synced) this.send({ action: "LEAVE_DOC" });
    this.#link.close();
    await this.#persistence.close();
    this.env.clearTimeout(this.#timer);
  }

  // --- For its parts

  /** @internal The part that a class makes, which is the same one from then on. */
  part<P extends Part>(kind: new (host: Host) => P): P {
    const known = this.#parts.get(kind) as P | undefined;
    if (known) return known;
    const part = new kind(this);
    this.#parts.set(kind, part);
    this.core.note = (at, del, ins) => {
      const done = [...this.#parts.values()].map((part) => part.editing?.(at, del, ins));
      return (ops) => done.forEach((made) => made?.(ops));
    };
    return part;
  }

  /** @internal */
  get replica(): TextDoc {
    return this.core.doc;
  }

  /** @internal */
  get connection(): object | null {
    return this.core.synced ? this.core.connection : null;
  }

  /** @internal */
  get shown(): Host["shown"] {
    return this.core.shown;
  }

  /** @internal */
  get showings(): number {
    return this.core.showings;
  }

  /** @internal */
  now(): number {
    return this.env.performance.now();
  }

  /** @internal */
  send(message: ClientMessage): void {
    this.#link.send(encode(this.docId, message));
  }

  /** @internal */
  change(origin: "undo" | "redo", make: (changes: Change[]) => void): void {
    this.core.change(origin, make);
  }

  /** @internal */
  push(op: LocalOp): void {
    this.core.push(op);
  }

  /** @internal */
  tell<K extends keyof DocumentEvents>(name: K, value: DocumentEvents[K]): void {
    this.core.updates.push([name, value] as Update);
  }

  // --- The loop

  /** @internal Does all that follows from what has happened. */
  flush(): void {
    this.#isFlushDue = true;
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    while (this.#isFlushDue) {
      this.#isFlushDue = false;
      this.#tick(this.now());
    }
    this.#isFlushing = false;
    this.#wait();
  }

  #tick(now: number): void {
    const { core } = this;
    if (this.#persistence.isOpen) {
      if (this.status !== "closed") this.#link.tick(now);
      core.tick(now);
      this.#persistence.tick();
    }
    for (const frame of core.frames.splice(0)) this.#link.send(frame);
    this.#partsDue = Infinity;
    for (const part of this.#parts.values()) this.#partsDue = Math.min(this.#partsDue, part.tick?.(now) ?? Infinity);
    for (const update of core.updates.splice(0)) this.#follow(update);
    this.#tellStatus();
  }

  /** What the core tells concerns the other parts of the client, or the application. */
  #follow([name, value]: Update): void {
    switch (name) {
      case "synced":
        this.#link.online();
        this.#isReady();
        this.#isSynced();
        void this.#persistence.adopt();
        return;
      case "link":
        return value === "again" ? this.#link.again() : this.#link.refused(value);
      case "renamed":
        for (const part of this.#parts.values()) part.renamed?.(value);
        return;
      case "renewed":
        for (const part of this.#parts.values()) part.renewed?.();
        return;
      default:
        this.#emit(name, value);
    }
  }

  /** Tells what is another than it was. */
  #tellStatus(): void {
    const { all, sent } = this.core.pending;
    const { access, agent, readOnly, status, storage, problem, gap } = this;
    const blocked = all > 0 && (status === "refused" || !!this.core.held);
    const save: SaveStatus = { unsent: all - sent, sent, allSaved: !all, blocked };
    this.#warn(!save.allSaved && storage.kind !== "device");
    for (const [name, value] of Object.entries({ access, agent, status, storage, problem, gap, save })) {
      const told = JSON.stringify(value) + (name === "access" && readOnly);
      if (told === this.#told.get(name)) continue;
      this.#told.set(name, told);
      if (value === save) this.save = save;
      this.#emit(name, value);
    }
  }

  #wait(): void {
    const { env } = this;
    env.clearTimeout(this.#timer);
    if (this.status === "closed" || !this.#persistence.isOpen) return;
    const due = Math.min(this.core.deadline(), this.#link.deadline, this.#partsDue);
    if (due < Infinity) this.#timer = env.setTimeout(() => this.flush(), Math.max(0, due - this.now()));
  }

  #emit(name: string, value: unknown): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
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

  #setObstacle(problem: InklogError | null): void {
    this.#obstacle = problem;
    if (problem) this.core.tell(problem.code, problem.message, problem.retry);
  }

  /** Asks before the page is closed while something typed is neither saved nor kept. Only then: browsers keep no page for "back" that may ask. */
  #warn(isDue: boolean): void {
    if (isDue === this.#isWarning) return;
    this.#isWarning = isDue;
    if (isDue) this.env.addEventListener?.("beforeunload", warn);
    else this.env.removeEventListener?.("beforeunload", warn);
  }

  readonly #onPage = ({ type }: Event): void => {
    const { core } = this;
    core.visible = isVisible(this.env);
    // A connection that looks open may be none any more.
    if (type === "online") this.#link.again();
    else if (type === "offline") this.#link.offline();
    else if (type === "pageshow" || (type === "visibilitychange" && core.visible)) this.#wake();
    else this.#persistence.hurry();
    this.flush();
  };

  /** The page is back from somewhere: what is broken is noticed now. */
  #wake(): void {
    if (this.core.connection) this.core.woke(this.now());
    else if (this.status !== "connecting") this.#link.again();
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
