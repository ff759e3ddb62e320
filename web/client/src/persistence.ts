// What of a document is on this device: read when it is opened, written as the core hands it over, and moved between
// memory and the device's store as that fails and works again. Also what closed tabs left, and what was put aside.

import { type ForkRecord, forkId, forkPrefix, forksOf, withFork } from "./forks.js";
import { type Env, wordsOf } from "./link.js";
import { type Storage, browserStorage, inTime, noStorage, timed } from "./storage.js";
import { StoredAgents } from "./storedAgents.js";
import { type AccessRecord, accessKey } from "./sync/access.js";
import { type Backoff, backoff } from "./sync/backoff.js";
import type { Core } from "./sync/core.js";
import type { StoredAgent } from "./sync/keeper.js";
import type { Fork, OpenOptions, StorageStatus } from "./types.js";

/** The document works in memory, and without what is kept, when the device's store has not opened by then. */
const OPEN_MS_MAX = 5_000;
/** A store that failed is tried again after this long, then ever less often. */
const PAUSE_MS_FIRST = 2_000;
const PAUSE_MS_MAX = 300_000;

export class Persistence {
  status: StorageStatus = { kind: "opening", reason: null };
  /** Oldest first. */
  forks: readonly Fork[] = [];
  readonly #core: Core;
  readonly #env: Env;
  readonly #storage: OpenOptions["storage"];
  /** The user is whoever was signed in last on this device. */
  readonly #isAnyone: boolean;
  readonly #server: string;
  readonly #flush: () => void;
  /** Of the store that is written to; none before it is open. */
  #agents: StoredAgents | undefined;
  readonly #retry: Backoff;
  #timer: unknown;
  #writing: Promise<void> | undefined;
  #opening: Promise<unknown> = Promise.resolve();
  #isAdopting = false;
  #isClosed = false;
  #isPersistAsked = false;

  /** `isAnyone`: the user is not known beforehand. `server`: the address that what is kept belongs to. `flush` does what follows from what the core was told. */
  constructor(core: Core, env: Env, storage: OpenOptions["storage"], isAnyone: boolean, server: string, flush: () => void) {
    this.#core = core;
    this.#env = env;
    this.#storage = storage;
    this.#isAnyone = isAnyone;
    this.#server = server;
    this.#flush = flush;
    this.#retry = backoff(env.Math.random, PAUSE_MS_FIRST, PAUSE_MS_MAX, 0.5);
    core.putAside = (text, log) => this.#putAside(text, log);
  }

  /** What is kept has been read, or cannot be. */
  get isOpen(): boolean {
    return !!this.#agents;
  }

  /** Reads what is kept; says whether there was anything. */
  open(): Promise<boolean> {
    const opening = this.#open();
    this.#opening = opening;
    return opening;
  }

  async #open(): Promise<boolean> {
    let found: StoredAgent[] = [];
    // Whoever opened the document is listening by then.
    await null;
    if (this.#storage === null) {
      this.#agents = this.#agentsIn(noStorage);
      this.status = { kind: "memory", reason: "the application turned storage off" };
    } else {
      try {
        const agents = this.#agentsIn(await this.#openStore());
        await inTime(this.#env, OPEN_MS_MAX, this.#recall(agents));
        found = await inTime(this.#env, OPEN_MS_MAX, agents.read());
        await this.#loadForks(agents);
        this.#core.load(found);
        this.#useDevice(agents);
        this.#freeLocks();
      } catch (error) {
        this.#agents = this.#agentsIn(noStorage);
        this.#failed(error);
      }
    }
    this.#flush();
    return found.some(({ base, events, recent }) => base || events.length || recent.length);
  }

  /** Writes what there is to write, unless a write is under way: then it is the next one. */
  tick(): void {
    if (this.#agents && !this.#writing) this.#write(this.#agents);
  }

  /** The tab may be gone in a moment: a write that is under way is not waited for. */
  hurry(): void {
    if (!this.#agents) return;
    this.#core.keeper.hurry(false);
    this.#write(this.#agents);
  }

  /** Ends with everything that is to be kept handed to the store. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#opening;
    this.#core.keeper.hurry(true);
    this.#flush();
    while (this.#writing) await this.#writing;
    this.#env.clearTimeout(this.#timer);
    this.#freeLocks();
  }

  /** Takes over what closed tabs have not sent. */
  async adopt(): Promise<void> {
    const agents = this.#agents;
    if (this.#isAdopting || !agents || this.status.kind !== "device") return;
    this.#isAdopting = true;
    const core = this.#core;
    try {
      const free = (await agents.read()).filter((agent) => agent.free);
      if (this.#agents !== agents) return;
      const orphans = free.filter((agent) => agent.events.length && core.isOfLog(agent));
      // What another log had is a copy that nobody will ask for, unless something waits in it.
      const copies = free.filter((agent) => !agent.events.length && !core.isOfLog(agent));
      if (orphans.length) core.adopt(orphans, this.#env.performance.now());
      for (const { keys } of copies) for (const key of keys) core.keeper.record(key);
    } catch {
      // The next time.
    } finally {
      this.#isAdopting = false;
      this.#flush();
      this.#freeLocks();
    }
  }

  /** Asks the browser, once, not to take away what is kept when it needs room. */
  askToPersist(): void {
    if (this.#isPersistAsked || this.#storage !== undefined) return;
    this.#isPersistAsked = true;
    // A browser may refuse, or ask the person; nothing depends on it.
    (globalThis.navigator as Partial<Navigator> | undefined)?.storage?.persist?.().catch(() => {});
  }

  /** Gives up a text that was put aside. */
  discardFork(id: string): void {
    if (!this.forks.some((fork) => fork.id === id)) return;
    this.#core.keeper.record(this.#forkKey(id));
    this.#setForks(this.forks.filter((fork) => fork.id !== id));
  }

  // --- The store

  #agentsIn(storage: Storage): StoredAgents {
    return new StoredAgents(storage, this.#core.docId, this.#server, () => this.#core.user);
  }

  async #recall({ storage }: StoredAgents): Promise<void> {
    const wanted = accessKey(this.#core.docId, this.#server);
    const record: AccessRecord | undefined = (await storage.read(wanted)).find(([key]) => key === wanted)?.[1];
    // Another user's right says nothing about this one's.
    if (record && (this.#isAnyone || record.user === this.#core.user)) this.#core.recall(record);
  }

  #openStore(): Promise<Storage> {
    const opening = async () => timed(this.#storage ?? (await browserStorage()), this.#env);
    return inTime(this.#env, OPEN_MS_MAX, opening());
  }

  #useDevice(agents: StoredAgents): void {
    this.#agents = agents;
    this.status = { kind: "device", reason: null };
  }

  /** The store failed: what is typed is in memory only, until it works again. */
  #failed(error: unknown): void {
    const reason = `this device cannot store edits (${wordsOf(error)})`;
    this.status = { kind: "memory", reason };
    this.#core.tell("storage", `${reason}: do not close the page before everything is saved`, true);
    if (this.#isClosed) return;
    this.#env.clearTimeout(this.#timer);
    this.#timer = this.#env.setTimeout(() => void this.#tryAgain(this.#agents!), this.#retry.pause());
  }

  /** Moves from memory to the store, if that works again. */
  async #tryAgain(before: StoredAgents): Promise<void> {
    const core = this.#core;
    try {
      const agents = before.movedTo(await this.#openStore());
      const keys = await agents.keys();
      for (const { agent } of core.outboxes) await agents.hold(agent);
      await this.#loadForks(agents);
      if (this.#isClosed) return agents.keepOnly([]);
      while (this.#writing) await this.#writing;
      core.resumeStore(keys);
      for (const fork of this.forks) this.#recordFork(fork);
      this.#useDevice(agents);
      this.#flush();
      void this.adopt();
    } catch (error) {
      this.#failed(error);
      this.#flush();
    }
  }

  #write(agents: StoredAgents): void {
    const core = this.#core;
    const batch = core.keeper.takeBatch(this.#env.Date.now());
    if (!batch) return;
    const used = core.outboxes.map(({ agent }) => agent);
    const write = async () => {
      try {
        for (const agent of used) await agents.hold(agent);
        await agents.storage.write(batch.changes);
        core.keeper.stored(batch.id);
        if (agents.storage !== noStorage) this.#retry.tries = 0;
      } catch (error) {
        if (this.#agents === agents) {
          // The locks stay: whoever goes on with these agents must know all that they wrote.
          this.#agents = agents.movedTo(noStorage);
          core.abandonStore();
          this.#failed(error);
        }
      }
      if (this.#writing === writing) this.#writing = undefined;
      this.#flush();
      this.#freeLocks();
    };
    const writing = write();
    this.#writing = writing;
  }

  /** Frees the locks of agents that are not used any more; their records are as they are to be left. */
  #freeLocks(): void {
    if (this.#writing || this.#isAdopting || (!this.#isClosed && this.status.kind !== "device")) return;
    this.#agents!.keepOnly(this.#isClosed ? [] : this.#core.outboxes.map(({ agent }) => agent));
  }

  // --- What the server forgot

  #putAside(text: string, log: string | undefined): void {
    const fork: Fork = { id: forkId(text), text, at: this.#env.Date.now() };
    const { forks, gone } = withFork(this.forks, fork);
    for (const { id } of gone) this.#core.keeper.record(this.#forkKey(id));
    this.#recordFork(fork, log);
    this.#setForks(forks);
  }

  #recordFork(fork: Fork, log?: string): void {
    const record: ForkRecord = { ...fork, server: this.#server, log };
    this.#core.keeper.record(this.#forkKey(fork.id), record);
  }

  #forkKey(id: string): string {
    return forkPrefix(this.#core.docId) + id;
  }

  /** Adds those that the store has to those that are known. */
  async #loadForks({ storage }: StoredAgents): Promise<void> {
    const kept = forksOf(await storage.read(forkPrefix(this.#core.docId)), this.#server);
    const others = this.forks.filter(({ id }) => !kept.some((fork) => fork.id === id));
    if (kept.length) this.#setForks([...kept, ...others]);
  }

  #setForks(forks: readonly Fork[]): void {
    this.forks = forks;
    this.#core.updates.push(["forked", forks]);
  }
}
