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

  /** All sessions of the user in the document; takes the locks that are free. */
  async open(): Promise<Session[]> {
    const sessions: Session[] = [];
    for (const agent of await this.#agents()) sessions.push(await this.#read(agent, await this.hold(agent)));
    return sessions;
  }

  /** Sessions with events that nobody sends: their tabs are gone. */
  async orphans(): Promise<Session[]> {
    const orphans: Session[] = [];
    for (const agent of await this.#agents()) {
      if (this.#locks.has(agent) || !(await this.hold(agent))) continue;
      const session = await this.#read(agent, true);
      if (session.events.length) orphans.push(session);
      else this.#free(agent);
    }
    return orphans;
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
    for (const agent of this.#locks.keys()) if (!agents.includes(agent)) this.#free(agent);
  }

  #free(agent: string): void {
    void this.#locks.get(agent)?.then((free) => free?.());
    this.#locks.delete(agent);
  }

  async #agents(): Promise<string[]> {
    const prefix = endKey(this.#docId, "");
    const agents = (await this.storage.read(prefix)).map(([key]) => key.slice(prefix.length));
    return agents.filter((agent) => agent.split("~")[0] === this.#user);
  }

  async #read(agent: string, free: boolean): Promise<Session> {
    const key = endKey(this.#docId, agent);
    const [[, end] = [key, 0]] = (await this.storage.read(key)).filter(([other]) => other === key);
    const records = await this.storage.read(sessionPrefix(this.#docId, agent));
    return readSession(this.#docId, agent, end, records, free);
  }
}
