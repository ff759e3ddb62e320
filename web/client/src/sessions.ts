// The agents that this device has written under in a document, and which of them this tab may use: an agent's lock
// says that. Locks are taken before anything is read, so that what is read is what the last holder left.

import { type ChainRecord, type Session, chainKey, readChain, readSession, sessionPrefix } from "./sync/keeper.js";
import { type Storage, noStorage } from "./storage.js";

export class Sessions {
  /** What is asked for counts as held, so that it is asked for once. */
  #locks = new Map<string, Promise<(() => void) | null>>();
  /** Those of a real store, also while this one is none. */
  #real: Map<string, Promise<(() => void) | null>>;
  readonly #docId: string;
  readonly #server: string;
  readonly #user: string | null;

  /** `server`: whose records are meant, beside those of no one. `user`: `null` means everybody's. */
  constructor(readonly storage: Storage, docId: string, server: string, user: string | null) {
    this.#docId = docId;
    this.#server = server;
    this.#user = user;
    this.#real = storage === noStorage ? new Map() : this.#locks;
  }

  /** The same agents in another store: locks of a real store stay, the others count for nothing. */
  movedTo(storage: Storage): Sessions {
    const moved = new Sessions(storage, this.#docId, this.#server, this.#user);
    for (const [agent, lock] of this.#real) moved.#real.set(agent, lock);
    if (storage === noStorage) moved.#locks = new Map(moved.#real);
    return moved;
  }

  /** The user's sessions in the document that are not held by this tab; takes the locks that are free. */
  async read(): Promise<Session[]> {
    const prefix = chainKey(this.#docId, "");
    const sessions: Session[] = [];
    for (const [key, value] of await this.storage.read(prefix)) {
      const agent = key.slice(prefix.length);
      const { server } = readChain(value);
      const isOurs = (!server || server === this.#server) && (!this.#user || agent.split("~")[0] === this.#user);
      if (isOurs && !this.#locks.has(agent)) sessions.push(await this.#readOne(agent));
    }
    return sessions;
  }

  async #readOne(agent: string): Promise<Session> {
    const free = await this.hold(agent);
    // Read anew: the last holder may have written since.
    const [chain] = await this.storage.read(chainKey(this.#docId, agent));
    const isThere = chain?.[0] === chainKey(this.#docId, agent);
    const record: ChainRecord = readChain(isThere ? chain[1] : 0);
    return readSession(this.#docId, agent, record, await this.storage.read(sessionPrefix(this.#docId, agent)), free);
  }

  /** The keys that the store has of the agents held by this tab. */
  async keys(): Promise<Map<string, string[]>> {
    const keys = new Map<string, string[]>();
    for (const agent of this.#locks.keys()) {
      const records = [
        ...(await this.storage.read(chainKey(this.#docId, agent))).filter(([key]) => key === chainKey(this.#docId, agent)),
        ...(await this.storage.read(sessionPrefix(this.#docId, agent))),
      ];
      keys.set(agent, records.map(([key]) => key));
    }
    return keys;
  }

  /** Takes an agent's lock, unless it is held already; says whether it is held now. */
  async hold(agent: string): Promise<boolean> {
    const lock = this.#locks.get(agent) ?? this.storage.lock(sessionPrefix(this.#docId, agent));
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
