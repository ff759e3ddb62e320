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
  #heard = new Map<string, number>();
  #wanted = "null";
  /** What this connection was told, and for whom. */
  #shown = "null";
  #shownAs = "";
  #sentAt = -Infinity;

  /** `false`: it is too large. */
  set(state: JsonObject | null): boolean {
    const wanted = JSON.stringify(state);
    if (new TextEncoder().encode(wanted).length > STATE_BYTES_MAX) return false;
    this.#wanted = wanted;
    return true;
  }

  /** A new connection knows nothing. */
  reset(): void {
    this.#shown = "null";
  }

  /** Somebody shows something; says whether that is news. */
  received(agent: string, state: JsonObject | null, now: number): boolean {
    if (!state) return this.#remove([agent]);
    this.#heard.set(agent, now);
    this.others = new Map(this.others).set(agent, { agent, user: agent.split("~")[0]!, state });
    return true;
  }

  /** Takes away who has not been heard of for long; says whether there was any. */
  lapse(now: number): boolean {
    return this.#remove([...this.#heard].filter(([, at]) => now >= at + LAPSE_MS).map(([agent]) => agent));
  }

  /** What to send now: pairs of an agent and its state's JSON. */
  due(agent: string, now: number): [agent: string, json: string][] {
    if (now < this.#deadline(agent)) return [];
    const due: [string, string][] = [[agent, this.#wanted]];
    if (this.#shownAs !== agent && this.#shown !== "null") due.unshift([this.#shownAs, "null"]);
    [this.#shown, this.#shownAs, this.#sentAt] = [this.#wanted, agent, now];
    return due;
  }

  deadline(agent: string, synced: boolean): number {
    return Math.min(synced ? this.#deadline(agent) : Infinity, ...[...this.#heard.values()].map((at) => at + LAPSE_MS));
  }

  #deadline(agent: string): number {
    const isShown = this.#wanted === this.#shown && (this.#wanted === "null" || this.#shownAs === agent);
    if (!isShown) return this.#sentAt + SEND_PAUSE_MS;
    return this.#wanted === "null" ? Infinity : this.#sentAt + RENEW_MS;
  }

  #remove(agents: string[]): boolean {
    const gone = agents.filter((agent) => this.#heard.delete(agent));
    if (gone.length) this.others = new Map([...this.others].filter(([agent]) => !gone.includes(agent)));
    return gone.length > 0;
  }
}
