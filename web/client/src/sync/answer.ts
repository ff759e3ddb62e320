// The answer to a JOIN_DOC or SYNC_STATE: parts that come in any order.

import type { WireEvent } from "../crdt/index.js";

/** All parts of an answer, put together. */
export interface Answer {
  /** base64 of the base; empty: there is none. */
  state: string;
  events: WireEvent[];
  cursor: string | undefined;
}

export class Parts {
  #of: string | undefined;
  #came: { [part: number]: any } = {};

  /** Adds a part; gives the whole when all are there. A part of another state begins anew. */
  add(message: any): Answer | null {
    const of = message.stateId ?? message.action;
    if (of !== this.#of) this.#came = {};
    this.#of = of;
    this.#came[message.part] = message;
    // In the order of their numbers.
    const parts = Object.values(this.#came);
    if (parts.length < message.parts) return null;
    return {
      state: parts.map(({ state }) => state ?? "").join(""),
      events: parts.flatMap(({ events }) => events ?? []),
      cursor: parts.at(-1).cursor,
    };
  }
}

/** The bytes that base64 stands for. */
export const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
