// What an application holds: a document that can be read and edited at once, and that sees to everything else by
// itself. Here the parts meet: the core with its rules, the connection, the store, undo, presence, and the clock.

import type { Anchor } from "./crdt/index.js";
import { type Env, type Link, newLink } from "./link.js";
import { Sessions } from "./sessions.js";
import { type Storage, browserStorage, noStorage } from "./storage.js";
import { Core } from "./sync/core.js";
import type { Session } from "./sync/keeper.js";
import type { Told } from "./sync/replica.js";
import type { ConnectionStatus, DocumentEvents, Edit, OpenOptions, SaveStatus } from "./types.js";

/** Opens a document; it connects by itself, and works before and without that. */
export const openDocument = (options: OpenOptions): InklogDocument => new InklogDocument(options, globalThis);

/** One document, open in this tab. */
export class InklogDocument {
  readonly docId: string;
  readonly user: string;
  /** The text as this device kept it, or as the server has it, is here. */
  readonly ready: Promise<void>;
  /** The server's text is here for the first time. */
  readonly synced: Promise<void>;
  /** How much of what was typed is durable; another object whenever it changes. */
  save!: SaveStatus;
  /** @internal */
  readonly core: Core;
  /** @internal */
  readonly env: Env;
  /** @internal Done whenever something happened; each gives when it is due again. */
  readonly turns: ((now: number) => number)[] = [];
  readonly #link: Link;
  readonly #listeners: { [name: string]: Set<(value: any) => void> } = {};
  #sessions: Sessions | undefined;
  #writing?: Promise<void> | undefined;
  readonly #opening: Promise<void>;
  #adopting?: boolean;
  #flushing?: boolean;
  #again?: boolean;
  #due = 0;
  #timer: unknown;
  readonly #told: { [name: string]: string } = {};
  #isReady!: () => void;
  readonly #options: OpenOptions;

  /** @internal Applications call {@link openDocument}. */
  constructor(options: OpenOptions, env: Env) {
    this.env = env;
    this.#options = options;
    this.docId = options.docId;
    this.user = options.user ?? guestName(env);
    if (!/^[\w.~-]{1,128}$/.test(this.docId)) throw new RangeError("docId is 1 to 128 of A-Z a-z 0-9 . _ ~ -");
    if (!/^[\w.-]{1,40}$/.test(this.user)) throw new RangeError("user is 1 to 40 of A-Z a-z 0-9 . _ -");
    this.core = new Core(this.docId, () => `${this.user}~${suffix(env)}`, env.Math.random);
    this.#link = newLink(options, env, this.core, () => this.flush());
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.synced = new Promise((resolve) =>
      this.on("synced", () => {
        this.#link.status = "online";
        this.#isReady();
        resolve();
        void this.#adopt();
      }),
    );
    this.on("link", (what) => this.#link[what]());
    this.#tell();
    this.#listenToPage("addEventListener");
    this.#opening = this.#open();
  }

  /** The name that this tab writes under; it may change, see the event. */
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

  /** Listens; the result ends that. */
  on<K extends keyof DocumentEvents>(name: K, listener: (value: DocumentEvents[K]) => void): () => void;
  /** @internal Also to what only the parts of the client tell each other. */
  on<K extends keyof Told>(name: K, listener: (value: Told[K]) => void): () => void;
  on(name: string, listener: (value: any) => void): () => void {
    const listeners = (this.#listeners[name] ??= new Set());
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Makes edits, one after the other; a place in the middle of a surrogate pair is moved out of it. */
  edit(edits: readonly Edit[]): void {
    this.core.change("local", (changes) => {
      for (const { at, del, ins } of edits) {
        const from = this.#outside(at, 1);
        this.core.edit(from, Math.max(0, this.#outside(at + del, -1) - from), ins, changes);
      }
    });
    this.flush();
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

  /** Ends here, with everything typed handed to the store; what is not saved yet is sent by whoever opens next. */
  async close(): Promise<void> {
    if (this.status === "closed") return;
    this.#listenToPage("removeEventListener");
    if (this.core.synced) this.send(JSON.stringify({ action: "LEAVE_DOC", docId: this.docId }));
    this.#link.close();
    await this.#opening;
    this.core.keeper.hurry();
    this.flush();
    while (this.#writing) await this.#writing;
    this.env.clearTimeout(this.#timer);
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
    try {
      const sessions = this.#sessionsIn(storage === null ? noStorage : (storage ?? (await browserStorage())));
      found = await sessions.read();
      this.core.load(found);
      this.#sessions = sessions;
      this.#freeLocks();
    } catch (error) {
      this.#keepNothing(error);
    }
    this.flush();
    // The change that brought it has been told by now: who reads the text when it is ready hears of each change once.
    if (found.some(({ base, events }) => base || events.length)) this.#isReady();
  }

  #sessionsIn(storage: Storage): Sessions {
    return new Sessions(storage, this.docId, this.user);
  }

  #keepNothing(error: unknown): void {
    this.core.tell("storage", `this device keeps nothing (${error}): do not close before all is saved`, false);
    // The locks stay: whoever goes on with these agents must know all that they wrote.
    this.#sessions = this.#sessionsIn(noStorage);
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
      } catch (error) {
        if (this.#sessions === sessions) {
          this.#keepNothing(error);
          this.core.abandonStore();
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
    if (this.#adopting || !this.#sessions) return;
    this.#adopting = true;
    try {
      const orphans = (await this.#sessions.read()).filter(({ free, events }) => free && events.length);
      if (orphans.length) this.core.adopt(orphans);
      this.flush();
    } catch {
      // The next time.
    }
    this.#adopting = false;
    this.#freeLocks();
  }

  /** Frees the locks of agents that are not used any more; their records are as they are to be left. */
  #freeLocks(): void {
    if (this.#writing || this.#adopting) return;
    this.#sessions!.keepOnly(this.status === "closed" ? [] : this.core.lanes.map(({ agent }) => agent));
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
    for (const [name, value] of Object.entries({ agent: this.agent, status: this.status, save })) {
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

  #listenToPage(how: "addEventListener" | "removeEventListener"): void {
    for (const name of ["online", "offline", "pagehide"]) this.env[how]?.(name, this.#onPage);
  }
  readonly #onPage = ({ type }: Event): void => {
    // A connection that looks open may be none any more.
    if (type === "online") this.#link.again();
    else if (type === "offline") this.#link.offline();
    // The tab may be gone in a moment: a write that is under way is not waited for.
    else if (this.#sessions) this.#write();
    this.flush();
  };
}

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
