// The agents that this device has written under in a document, and which of them this tab may use: an agent's lock
// says that. Locks are taken before anything is read, so that what is read is what the last holder left.

import { type Session, endKey, readSession, sessionPrefix } from "./sync/keeper.js";
import type { Storage } from "./storage.js";

export class Sessions {
  /** What is asked for counts as held, so that it is asked for once. */
  private _locks = new Map<string, Promise<(() => void) | null>>();

  constructor(
    readonly storage: Storage,
    private readonly _docId: string,
    private readonly _user: string,
  ) {}

  /** All sessions of the user in the document; takes the locks that are free. */
  async open(): Promise<Session[]> {
    const sessions: Session[] = [];
    for (const agent of await this._agents()) {
      const free = await this.hold(agent);
      sessions.push(await this._read(agent, free));
    }
    return sessions;
  }

  /** Sessions with events that nobody sends: their tabs are gone. */
  async orphans(): Promise<Session[]> {
    const orphans: Session[] = [];
    for (const agent of await this._agents()) {
      if (this._locks.has(agent) || !(await this.hold(agent))) continue;
      const session = await this._read(agent, true);
      if (session.events.length) orphans.push(session);
      else this._free(agent);
    }
    return orphans;
  }

  /** Takes an agent's lock, unless it is held already; says whether it is held now. */
  async hold(agent: string): Promise<boolean> {
    const lock = this._locks.get(agent) ?? this.storage.lock(sessionPrefix(this._docId, agent));
    this._locks.set(agent, lock);
    const held = await lock;
    if (!held) this._locks.delete(agent);
    return !!held;
  }

  /** Frees the locks of all other agents. */
  keepOnly(agents: string[]): void {
    for (const agent of this._locks.keys()) if (!agents.includes(agent)) this._free(agent);
  }

  private _free(agent: string): void {
    void this._locks.get(agent)?.then((free) => free?.());
    this._locks.delete(agent);
  }

  private async _agents(): Promise<string[]> {
    const prefix = endKey(this._docId, "");
    const agents = (await this.storage.read(prefix)).map(([key]) => key.slice(prefix.length));
    return agents.filter((agent) => agent.split("~")[0] === this._user);
  }

  private async _read(agent: string, free: boolean): Promise<Session> {
    const end = (await this.storage.read(endKey(this._docId, agent))).find(([key]) => key === endKey(this._docId, agent));
    return readSession(this._docId, agent, end?.[1] ?? 0, await this.storage.read(sessionPrefix(this._docId, agent)), free);
  }
}
