// Who is here. Beside the edits, and not kept: what is shown is only ever the newest, at most five times a
// second, and only when it changed or is about to lapse.

import type { Anchor } from "./crdt/index.js";
import { splitId } from "./crdt/ids.js";
import type { InklogDocument } from "./document.js";
import type { Host } from "./part.js";
import type { JsonObject, JsonOf, JsonState, Presence } from "./types.js";

export { shortName } from "./names.js";

const SEND_PAUSE_MS = 200;
/** The server forgets after 60 s. */
const RENEW_MS = 40_000;
const LAPSE_MS = 75_000;
/** What the server takes, in bytes of JSON. */
const STATE_BYTES_MAX = 4096;
/**
 * After others were looked at, the next look is this long away for each of them: in a crowd, many messages make one
 * look, and looking takes a small share of the time however many they are.
 */
const PAUSE_MS_EACH = 0.05;

/**
 * Who is in a document, and their states; always the same object for a document. `State` is the application's type of
 * state; an `interface` is enough.
 */
export const presenceOf = <State extends JsonState<State> = JsonObject>(doc: InklogDocument): DocumentPresence<State> =>
  doc.part(DocumentPresence<State>);

/** Whether the text that an anchor points into is here; presence may overtake it. */
export function knows(doc: InklogDocument, { id }: Anchor): boolean {
  if (id === null) return true;
  const { agent, seq } = splitId(id);
  return seq < (doc.replica.version.get(agent) ?? 0);
}

/** A presence of no particular `State` takes whatever is an object in JSON. */
type Settable<T> = T extends readonly unknown[] ? never : T & JsonOf<T>;

export class DocumentPresence<State = JsonObject> {
  /** The others who are here, by agent; a new map whenever it changes, with a `presence` event. */
  others: ReadonlyMap<string, Presence<State>> = new Map();
  readonly #host: Host;
  /** What was there at the last look, and when another may find something else. */
  #showings = 0;
  #lookedAt = -Infinity;
  #lapseAt = Infinity;
  #wanted = "null";
  /** What this connection was told, and for whom. */
  #shown = "null";
  #shownAs = "";
  #connection: unknown;
  #sentAt = -Infinity;

  /** @internal See {@link presenceOf}. */
  constructor(host: Host) {
    this.#host = host;
    this.#look(host.now());
    // Not at once: who asks may be in the middle of something, such as a render, in which nothing may be told.
    void Promise.resolve().then(() => host.flush());
  }

  /**
   * Shows the others a state, as `JSON.stringify` writes it, until it is replaced or the document is closed; `null`
   * shows nothing. Throws a TypeError if JSON does not write the state as an object, and a RangeError if it has more
   * than 4,096 bytes of JSON (UTF-8); the previous state then stays.
   */
  set<Shown extends object>(state: Settable<string extends keyof State ? Shown : State> | null): void {
    this.#wanted = jsonOf(state);
    this.#host.flush();
  }

  /** @internal Sends and tells what is due; returns when the next is. */
  tick(now: number): number {
    const { agent, connection, status } = this.#host;
    if (now >= this.#lookAt() || status === "closed") this.#look(now);
    if (!connection) return this.#lookAt();
    // A new connection knows nothing.
    if (this.#connection !== connection) this.#shown = "null";
    this.#connection = connection;
    if (now >= this.#sendAt(agent)) {
      if (this.#shownAs !== agent && this.#shown !== "null") this.#send(this.#shownAs, "null");
      this.#send(agent, this.#wanted);
      this.#shown = this.#wanted;
      this.#shownAs = agent;
      this.#sentAt = now;
    }
    return Math.min(this.#lookAt(), this.#sendAt(agent));
  }

  #lookAt(): number {
    const { showings, shown } = this.#host;
    if (this.#showings === showings) return this.#lapseAt;
    return Math.min(this.#lapseAt, this.#lookedAt + Math.floor(shown.size * PAUSE_MS_EACH));
  }

  #look(now: number): void {
    const { agent, shown, showings, status } = this.#host;
    // Whoever has left hears of nobody.
    if (status === "closed") shown.clear();
    const others = new Map<string, Presence<any>>();
    this.#lapseAt = Infinity;
    for (const [other, { state, heardAt, user, name = user }] of shown) {
      if (now >= heardAt + LAPSE_MS) shown.delete(other);
      else {
        this.#lapseAt = Math.min(this.#lapseAt, heardAt + LAPSE_MS);
        // What an earlier connection of this tab has shown is still there for a while.
        if (other === agent) continue;
        const one = { agent: other, user: user ?? other.split("~")[0]!, state: state as any };
        others.set(other, name === undefined ? one : { ...one, name });
      }
    }
    const { size } = this.others;
    this.#showings = showings;
    this.#lookedAt = now;
    this.others = others;
    if (size || others.size) this.#host.tell("presence", others);
  }

  #sendAt(agent: string): number {
    const isShown = this.#wanted === this.#shown && (this.#wanted === "null" || this.#shownAs === agent);
    if (!isShown) return this.#sentAt + SEND_PAUSE_MS;
    return this.#wanted === "null" ? Infinity : this.#sentAt + RENEW_MS;
  }

  #send(agent: string, json: string): void {
    this.#host.send({ action: "PRESENCE", agent, state: JSON.parse(json), ref: "presence" });
  }
}

/** A state as it is sent. */
function jsonOf(state: unknown): string {
  // Half a surrogate pair, as in a name that was cut, is no text to the server.
  const json = JSON.stringify(state)?.replace(/\\(ud[89a-f]..|.)/g, (all, what) => (what[1] ? "\ufffd" : all));
  const kind = Object.prototype.toString.call(state).slice(8, -1);
  if (json !== "null" && !(kind === "Object" && json?.startsWith("{")))
    throw new TypeError(`a presence state must be a JSON object or null, not ${kind}`);
  const { length } = new TextEncoder().encode(json);
  if (length > STATE_BYTES_MAX)
    throw new RangeError(`a presence state has at most ${STATE_BYTES_MAX} bytes of JSON, this one has ${length}`);
  return json;
}
