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

  private readonly _core: Core;
  private readonly _history: History;
  private readonly _link: Link;
  private readonly _presence = new PresenceLane();
  private readonly _listeners = new Map<string, Set<(value: any) => void>>();
  private _sessions: Sessions | undefined;
  private _writing: Promise<void> | null = null;
  private readonly _opening: Promise<void>;
  private _found = false;
  private _adopting = false;
  private _flushing = false;
  private _again = false;
  private _timer: unknown;
  private _told: Partial<DocumentEvents> & { agent?: string } = {};
  private _isReady!: () => void;
  private _isSynced!: () => void;

  /** @internal Applications call {@link openDocument}. */
  constructor(
    private readonly _options: OpenOptions,
    private readonly _env: Env,
  ) {
    this.docId = _options.docId;
    this.user = _options.user ?? guestName(_env);
    this.ready = new Promise((resolve) => (this._isReady = resolve));
    this.synced = new Promise((resolve) => (this._isSynced = resolve));
    this._core = new Core(this.docId, () => `${this.user}~${suffix(_env)}`, _env.random);
    this._history = new History(this._core, _options.undo?.mergeMs ?? UNDO_MERGE_MS);
    this._link = new Link(_options, _env, {
      opened: () => this._do(() => this._core.connected(_env.now())),
      received: (text) => this._do(() => this._core.received(text, _env.now())),
      lost: () => {
        this._core.disconnected();
        this._presence.reset();
        this._flush();
      },
    });
    this._told = this._state();
    if (_options.presence) this.setPresence(_options.presence);
    this._listenToPage("addEventListener");
    this._opening = this._open();
  }

  /** The name that this tab writes under; it may change, see the event. */
  get agent(): string {
    return this._core.own.agent;
  }

  get text(): string {
    return this._core.doc.toString();
  }

  /** In UTF-16 units. */
  get length(): number {
    return this._core.doc.length;
  }

  get status(): ConnectionStatus {
    return this._link.status;
  }

  get save(): SaveStatus {
    return this._told.save!;
  }

  /** The others who are here, by agent; another map whenever it changes. */
  get presence(): ReadonlyMap<string, Presence> {
    return this._presence.others;
  }

  get canUndo(): boolean {
    return this._history.undoable.length > 0;
  }

  get canRedo(): boolean {
    return this._history.redoable.length > 0;
  }

  /** Listens; the result ends that. */
  on<K extends keyof DocumentEvents>(name: K, listener: (value: DocumentEvents[K]) => void): () => void {
    const listeners = this._listeners.get(name) ?? new Set();
    this._listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Makes edits, one after the other; a place in the middle of a surrogate pair is moved out of it. */
  edit(edits: readonly Edit[]): void {
    const now = this._env.now();
    this._core.change("local", (changes) => {
      for (const { at, del, ins } of edits) {
        const from = this._outside(at, 0);
        const len = Math.max(0, this._outside(at + del, 1) - from);
        if (len) this._history.delete(from, len, now);
        const text = ins && this._history.insert(from, ins, now);
        if (len || text) changes.push({ at: from, del: len, ins: text });
      }
    });
    this._flush();
  }

  insert(at: number, text: string): void {
    this.edit([{ at, del: 0, ins: text }]);
  }

  delete(at: number, len: number): void {
    this.edit([{ at, del: len, ins: "" }]);
  }

  /** Takes back the last own edits; says whether anything changed. */
  undo(): boolean {
    return this._take("undo");
  }

  redo(): boolean {
    return this._take("redo");
  }

  /** Shows the others a state, until it is replaced or the document is closed; at most 4 KB of JSON. */
  setPresence(state: JsonObject | null): void {
    if (!this._presence.set(state)) {
      this._fail("too_large", `a presence state is at most ${STATE_BYTES_MAX} bytes; the last one stays`, false);
    }
    this._flush();
  }

  /** A place that moves with the text; JSON. It sticks to the character before (-1) or after (1). */
  anchor(at: number, side: -1 | 1): Anchor {
    return this._core.doc.anchor(at, side);
  }

  position(anchor: Anchor): number {
    return this._core.doc.position(anchor);
  }

  /** Whether the text that an anchor points into is here; presence may overtake it. */
  knows({ id }: Anchor): boolean {
    if (id === null) return true;
    const dash = id.lastIndexOf("-");
    return Number(id.slice(dash + 1)) < (this._core.doc.version.get(id.slice(0, dash)) ?? 0);
  }

  /** Ends here, with everything typed handed to the store; what is not saved yet is sent by whoever opens next. */
  async close(): Promise<void> {
    if (this.status === "closed") return;
    this._listenToPage("removeEventListener");
    if (this._core.synced) {
      this._presence.set(null);
      this._sendPresence();
      this._link.send(JSON.stringify({ action: "LEAVE_DOC", docId: this.docId }));
    }
    this._link.close();
    await this._opening;
    this._core.keeper.hurry();
    this._flush();
    while (this._writing) await this._writing;
    this._env.clearTimeout(this._timer);
    this._freeLocks();
  }

  // --- The store

  private async _open(): Promise<void> {
    const { storage } = this._options;
    try {
      this._sessions = await this._openStore(storage === null ? memoryStorage() : (storage ?? (await browserStorage())));
    } catch (error) {
      this._fail("storage", `this browser keeps nothing (${reason(error)}): do not close before all is saved`, false);
      this._sessions = await this._openStore(memoryStorage());
    }
    this._flush();
    // The change that brought it has been told by now: who reads the text when it is ready hears of each change once.
    if (this._found) this._isReady();
  }

  private async _openStore(storage: Storage): Promise<Sessions> {
    const sessions = new Sessions(storage, this.docId, this.user);
    const found = await sessions.open();
    this._core.load(found);
    sessions.keepOnly(this._core.lanes.map(({ agent }) => agent));
    this._found ||= found.some(({ base, events }) => base || events.length);
    return sessions;
  }

  /** Writes what there is to write; what is typed meanwhile is the next write. */
  private _write(): void {
    const batch = this._core.keeper.takeBatch(this._env.date());
    if (!batch) return;
    const sessions = this._sessions!;
    const lanes = this._core.lanes.map(({ agent }) => agent);
    const write = async () => {
      for (const agent of lanes) await sessions.hold(agent);
      await sessions.storage.write(batch.changes);
    };
    const writing = write().then(
      () => {
        this._core.keeper.stored(batch.no);
      },
      (error) => {
        if (this._sessions !== sessions) return;
        this._fail("storage", `this device keeps nothing more (${reason(error)}): do not close before all is saved`, false);
        // The locks stay: whoever goes on with these agents must know all that they wrote.
        this._sessions = new Sessions(memoryStorage(), this.docId, this.user);
        this._core.abandonStore();
      },
    ).then(() => {
      if (this._writing === writing) this._writing = null;
      this._flush();
      this._freeLocks();
    });
    this._writing = writing;
  }

  /** Takes over what closed tabs have not sent. */
  private async _adopt(): Promise<void> {
    if (this._adopting || !this._sessions) return;
    this._adopting = true;
    try {
      const orphans = await this._sessions.orphans();
      if (orphans.length) this._core.adopt(orphans);
      this._flush();
    } catch {
      // The next time.
    }
    this._adopting = false;
    this._freeLocks();
  }

  /** Frees the locks of agents that are not used any more; their records are as they are to be left. */
  private _freeLocks(): void {
    if (this._writing || this._adopting) return;
    this._sessions!.keepOnly(this.status === "closed" ? [] : this._core.lanes.map(({ agent }) => agent));
  }

  // --- The loop

  /** Does something, and then all that follows from it. */
  private _do(what: () => void): void {
    what();
    this._flush();
  }

  private _flush(): void {
    this._again = true;
    if (this._flushing) return;
    this._flushing = true;
    while (this._again) {
      this._again = false;
      this._turn(this._env.now());
    }
    this._flushing = false;
    this._wait();
  }

  private _turn(now: number): void {
    const core = this._core;
    if (this._sessions) {
      if (this.status !== "closed") this._link.tick(now);
      core.tick(now);
      if (!this._writing) this._write();
    }
    for (const frame of core.frames.splice(0)) this._link.send(frame);
    if (core.synced) this._sendPresence();
    if (this._presence.lapse(now)) this._again = true;
    for (const update of core.updates.splice(0)) {
      if (update.is === "change") this._emit("change", { changes: update.changes, origin: update.origin });
      else if (update.is === "error") this._emit("error", update.error);
      else if (update.is === "presence") this._presence.received(update.agent, update.state, now);
      else if (update.is === "silent") this._link.again();
      else if (update.is === "refused") this._link.refused();
      else if (update.is === "renamed") {
        const { agent, seq, to } = update.rename;
        this._history.rename({ agent, seq, len: Infinity }, { agent: to, seq: 0 });
      } else {
        this._link.settled();
        this._isReady();
        this._isSynced();
        void this._adopt();
      }
    }
    this._tell();
  }

  /** Tells what is another than it was. */
  private _tell(): void {
    const before = this._told;
    const now = (this._told = this._state());
    for (const name of ["agent", "status", "save", "presence", "undo"] as const) {
      if (!isSame(now[name], before[name])) this._emit(name, now[name] as never);
    }
  }

  private _state() {
    const { all, sent } = this._core.pending;
    const save: SaveStatus = { unsent: all - sent, sent, allSaved: !all };
    const undo = { canUndo: this.canUndo, canRedo: this.canRedo };
    return { agent: this.agent, status: this.status, save, presence: this.presence, undo };
  }

  private _wait(): void {
    const { _env: env } = this;
    env.clearTimeout(this._timer);
    if (this.status === "closed" || !this._sessions) return;
    const due = Math.min(
      this._core.deadline(),
      this._link.deadline,
      this._presence.deadline(this.agent, this._core.synced),
    );
    if (due < Infinity) this._timer = env.setTimeout(() => this._flush(), Math.max(0, due - env.now()));
  }

  private _emit<K extends keyof DocumentEvents>(name: K, value: DocumentEvents[K]): void {
    for (const listener of [...(this._listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        // A listener's mistake is the application's, and must not stop the document.
        this._env.setTimeout(() => {
          throw error;
        }, 0);
      }
    }
  }

  // --- Small things

  private _take(what: "undo" | "redo"): boolean {
    const { undoable, redoable } = this._history;
    const [from, to] = what === "undo" ? [undoable, redoable] : [redoable, undoable];
    let isMade = false;
    this._core.change(what, (changes) => {
      // A step of which others have left nothing is skipped.
      while (!changes.length && from.length) this._history.take(from, to, changes);
      isMade = changes.length > 0;
    });
    this._flush();
    return isMade;
  }

  /** The nearest place within the text that splits no surrogate pair. */
  private _outside(at: number, up: 0 | 1): number {
    const { length } = this;
    if (!(at > 0)) return 0;
    if (at >= length) return length;
    return /^[\ud800-\udbff][\udc00-\udfff]$/.test(this._core.doc.slice(at - 1, at + 1)) ? at - 1 + 2 * up : at;
  }

  private _sendPresence(): void {
    for (const [agent, json] of this._presence.due(this.agent, this._env.now())) {
      this._link.send(`{"action":"PRESENCE","docId":"${this.docId}","agent":"${agent}","state":${json},"ref":"presence"}`);
    }
  }

  private _fail(code: string, message: string, retry: boolean): void {
    const error: InklogError = { code, message, retry };
    this._core.updates.push({ is: "error", error });
  }

  private _listenToPage(how: "addEventListener" | "removeEventListener"): void {
    for (const name of ["online", "offline", "pagehide"]) this._env.page?.[how](name, this._onPage);
  }

  private readonly _onPage = ({ type }: Event): void => {
    if (type === "online") this._link.online();
    else if (type === "offline") this._link.offline();
    // The tab may be gone in a moment: a write that is under way is not waited for.
    else if (this._sessions) this._write();
    this._flush();
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
