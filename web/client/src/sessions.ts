// The agents that this device has written under in a document, and which of them this tab may use: an agent's lock
// says that. Locks are taken before anything is read, so that what is read is what the last holder left.

import { type Session, endKey, readSession, sessionPrefix } from "./sync/keeper.js";
import type { Storage } from "./storage.js";

export class Sessions {
  /** What is asked for counts as held, so that it is asked for once. */
  #locks = new Map<string, Promise<(() => void) | null>>();
  readonly #docId: string;
  readonly #user: string;

  constructor(readonly storage: Storage, docId: string, user: string) {
    this.#docId = docId;
    this.#user = user;
  }

  /** The user's sessions in the document that are not held yet; takes the locks that are free. */
  async read(): Promise<Session[]> {
    const prefix = endKey(this.#docId, "");
    const held = new Map<string, boolean>();
    for (const [key] of await this.storage.read(prefix)) {
      const agent = key.slice(prefix.length);
      if (agent.split("~")[0] === this.#user && !this.#locks.has(agent)) held.set(agent, await this.hold(agent));
    }
    const records = held.size ? await this.storage.read(this.#docId + "/") : [];
    return [...held].map(([agent, free]) => readSession(this.#docId, agent, records, free));
  }

  /** Takes an agent's lock, unless it is held already; says whether it is held now. */
  async hold(agent: string): Promise<boolean> {
    const lock = this.#locks.get(agent) ?? this.storage.lock(sessionPrefix(this.#docId, agent));
    this.#locks.set(agent, lock);
    const held = await lock;
    if (!held) this.#locks.delete(agent);
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
