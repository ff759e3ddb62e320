// Who is here. A lane of its own beside the edits: what is shown is only ever the newest, at most five times a
// second, and only when it changed or is about to lapse.

import type { JsonObject, Presence } from "./types.js";

const SEND_PAUSE_MS = 200;
/** The server forgets after 60 s. */
const RENEW_MS = 40_000;
const LAPSE_MS = 75_000;
/** The server takes 4 KB. */
export const STATE_BYTES_MAX = 4096;

export class PresenceLane {
  others: ReadonlyMap<string, Presence> = new Map();
  private _heard = new Map<string, number>();
  private _wanted = "null";
  /** What this connection was told, and for whom. */
  private _shown = "null";
  private _shownAs = "";
  private _sentAt = -Infinity;

  /** `false`: it is too large. */
  set(state: JsonObject | null): boolean {
    const wanted = JSON.stringify(state);
    if (new TextEncoder().encode(wanted).length > STATE_BYTES_MAX) return false;
    this._wanted = wanted;
    return true;
  }

  /** A new connection knows nothing. */
  reset(): void {
    this._shown = "null";
  }

  /** Somebody shows something; says whether that is news. */
  received(agent: string, state: JsonObject | null, now: number): boolean {
    if (!state) return this._remove([agent]);
    this._heard.set(agent, now);
    this.others = new Map(this.others).set(agent, { agent, user: agent.split("~")[0]!, state });
    return true;
  }

  /** Takes away who has not been heard of for long; says whether there was any. */
  lapse(now: number): boolean {
    return this._remove([...this._heard].filter(([, at]) => now >= at + LAPSE_MS).map(([agent]) => agent));
  }

  /** What to send now: pairs of an agent and its state's JSON. */
  due(agent: string, now: number): [agent: string, json: string][] {
    if (now < this._deadline(agent)) return [];
    const due: [string, string][] = [[agent, this._wanted]];
    if (this._shownAs !== agent && this._shown !== "null") due.unshift([this._shownAs, "null"]);
    [this._shown, this._shownAs, this._sentAt] = [this._wanted, agent, now];
    return due;
  }

  deadline(agent: string, synced: boolean): number {
    return Math.min(synced ? this._deadline(agent) : Infinity, ...[...this._heard.values()].map((at) => at + LAPSE_MS));
  }

  private _deadline(agent: string): number {
    const isShown = this._wanted === this._shown && (this._wanted === "null" || this._shownAs === agent);
    if (!isShown) return this._sentAt + SEND_PAUSE_MS;
    return this._wanted === "null" ? Infinity : this._sentAt + RENEW_MS;
  }

  private _remove(agents: string[]): boolean {
    const gone = agents.filter((agent) => this._heard.delete(agent));
    if (gone.length) this.others = new Map([...this.others].filter(([agent]) => !gone.includes(agent)));
    return gone.length > 0;
  }
}
