// The agents that this device has written under in a document, and which of them this tab may use: an agent's lock
// says that. Locks are taken before anything is read, so that what is read is what the last holder left.

import { type StoredAgent, agentPrefix, chainKey, readAgent, readChain } from "./sync/keeper.js";
import type { ChainRecord } from "./sync/outbox.js";
import { type Storage, noStorage } from "./storage.js";

/** What frees a lock; `null`: another tab holds it. */
type Lock = Promise<(() => void) | null>;

export class StoredAgents {
  /** What is asked for counts as held, so that it is asked for once. */
  #locks = new Map<string, Lock>();
  /** Those of a real store, also while this one is none. */
  #real: Map<string, Lock>;
  readonly #docId: string;
  readonly #server: string;
  readonly #user: () => string | null;

  /** `server`: whose records are meant, beside those of no one. `user`: who is signed in; `null` means everybody's. */
  constructor(readonly storage: Storage, docId: string, server: string, user: () => string | null) {
    this.#docId = docId;
    this.#server = server;
    this.#user = user;
    this.#real = storage === noStorage ? new Map() : this.#locks;
  }

  /** The same agents in another store: locks of a real store stay, the others count for nothing. */
  movedTo(storage: Storage): StoredAgents {
    const moved = new StoredAgents(storage, this.#docId, this.#server, this.#user);
    for (const [agent, lock] of this.#real) moved.#real.set(agent, lock);
    if (storage === noStorage) moved.#locks = new Map(moved.#real);
    return moved;
  }

  /** What the user's agents in the document have kept, but for those held by this tab; takes the locks that are free. */
  async read(): Promise<StoredAgent[]> {
    const prefix = chainKey(this.#docId, "");
    const user = this.#user();
    const found: StoredAgent[] = [];
    for (const [key, value] of await this.storage.read(prefix)) {
      const agent = key.slice(prefix.length);
      const { server } = readChain(value);
      const isOurs = (!server || server === this.#server) && (!user || agent.split("~")[0] === user);
      if (!isOurs || this.#locks.has(agent)) continue;
      const free = await this.hold(agent);
      // Read anew: the last holder may have written since.
      const chain = await this.#chainOf(agent);
      found.push(readAgent(this.#docId, agent, readChain(chain ?? 0), await this.#recordsOf(agent), free));
    }
    return found;
  }

  async #chainOf(agent: string): Promise<ChainRecord | number | undefined> {
    const wanted = chainKey(this.#docId, agent);
    const records = await this.storage.read(wanted);
    return records.find(([key]) => key === wanted)?.[1];
  }

  #recordsOf(agent: string): Promise<[key: string, value: any][]> {
    return this.storage.read(agentPrefix(this.#docId, agent));
  }

  /** The keys that the store has of the agents held by this tab. */
  async keys(): Promise<Map<string, string[]>> {
    const all = new Map<string, string[]>();
    for (const agent of this.#locks.keys()) {
      const chain = (await this.#chainOf(agent)) === undefined ? [] : [chainKey(this.#docId, agent)];
      all.set(agent, [...chain, ...(await this.#recordsOf(agent)).map(([key]) => key)]);
    }
    return all;
  }

  /** Takes an agent's lock, unless it is held already; says whether it is held now. */
  async hold(agent: string): Promise<boolean> {
    const lock = this.#locks.get(agent) ?? this.storage.lock(agentPrefix(this.#docId, agent));
    this.#locks.set(agent, lock);
    let held;
    try {
      held = await lock;
    } finally {
      if (!held) this.#locks.delete(agent);
    }
    return !!held;
  }

  /** Frees the locks of all other agents. */
  keepOnly(agents: string[]): void {
    for (const [agent, lock] of this.#locks) {
      if (agents.includes(agent)) continue;
      void lock.then((free) => free?.());
      this.#locks.delete(agent);
    }
  }
}
