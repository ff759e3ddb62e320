// Who is here. A lane of its own beside the edits: what is shown is only ever the newest, at most five times a
// second, and only when it changed or is about to lapse.

import type { Anchor } from "./crdt/index.js";
import type { InklogDocument } from "./document.js";
import { parseId } from "./sync/ids.js";
import type { JsonObject, Presence } from "./types.js";

export { shortName } from "./names.js";

const SEND_PAUSE_MS = 200;
/** The server forgets after 60 s. */
const RENEW_MS = 40_000;
const LAPSE_MS = 75_000;
/** The server takes 4 KB. */
const STATE_BYTES_MAX = 4096;

const lanes = new WeakMap<InklogDocument, PresenceLane>();

/** Who is in a document, and what they show; the same one whenever it is asked for. */
export function presenceOf(doc: InklogDocument): PresenceLane {
  const lane = lanes.get(doc) ?? new PresenceLane(doc);
  lanes.set(doc, lane);
  return lane;
}

/** Whether the text that an anchor points into is here; presence may overtake it. */
export function knows(doc: InklogDocument, { id }: Anchor): boolean {
  if (id === null) return true;
  const { agent, seq } = parseId(id);
  return seq < (doc.core.doc.version.get(agent) ?? 0);
}

export class PresenceLane {
  /** The others who are here, by agent; another map whenever it changes, which the event `presence` tells. */
  others: ReadonlyMap<string, Presence> = new Map();
  readonly #doc: InklogDocument;
  #seen: unknown[] = [];
  #wanted = "null";
  /** What this connection was told, and for whom. */
  #shown = "null";
  #shownAs = "";
  #connection: unknown;
  #sentAt = -Infinity;

  /** @internal See {@link presenceOf}. */
  constructor(doc: InklogDocument) {
    this.#doc = doc;
    doc.turns.push((now) => this.#turn(now));
    doc.flush();
  }

  /** Shows the others a state, until it is replaced or the document is closed; at most 4 KB of JSON. */
  set(state: JsonObject | null): void {
    const wanted = JSON.stringify(state);
    if (new TextEncoder().encode(wanted).length > STATE_BYTES_MAX) {
      this.#doc.core.tell("too_large", `a presence state is at most ${STATE_BYTES_MAX} bytes; the last one stays`, false);
    } else this.#wanted = wanted;
    this.#doc.flush();
  }

  /** Sends and tells what is due; gives when the next is. */
  #turn(now: number): number {
    const { agent, core } = this.#doc;
    let due = Infinity;
    for (const [other, { at }] of core.shown) {
      if (now >= at + LAPSE_MS) core.shown.delete(other);
      else due = Math.min(due, at + LAPSE_MS);
    }
    const seen = [...core.shown.values()];
    if (seen.length !== this.#seen.length || seen.some((one, at) => one !== this.#seen[at])) this.#tell(seen);
    if (!core.synced) return due;
    // A new connection knows nothing.
    if (this.#connection !== core.connection) this.#shown = "null";
    this.#connection = core.connection;
    if (now >= this.#sendAt(agent)) {
      if (this.#shownAs !== agent && this.#shown !== "null") this.#send(this.#shownAs, "null");
      this.#send(agent, this.#wanted);
      [this.#shown, this.#shownAs, this.#sentAt] = [this.#wanted, agent, now];
    }
    return Math.min(due, this.#sendAt(agent));
  }

  #tell(seen: unknown[]): void {
    const { agent, core } = this.#doc;
    this.#seen = seen;
    const { size } = this.others;
    // What an earlier connection of this tab has shown is still there for a while.
    const others = [...core.shown].filter(([other]) => other !== agent);
    this.others = new Map(others.map(([agent, { state }]) => [agent, { agent, user: agent.split("~")[0]!, state }]));
    if (size || others.length) core.updates.push(["presence", this.others]);
  }

  #sendAt(agent: string): number {
    const isShown = this.#wanted === this.#shown && (this.#wanted === "null" || this.#shownAs === agent);
    if (!isShown) return this.#sentAt + SEND_PAUSE_MS;
    return this.#wanted === "null" ? Infinity : this.#sentAt + RENEW_MS;
  }

  #send(agent: string, json: string): void {
    this.#doc.send(`{"action":"PRESENCE","docId":"${this.#doc.docId}","agent":"${agent}","state":${json},"ref":"presence"}`);
  }
}
