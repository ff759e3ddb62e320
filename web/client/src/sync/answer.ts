// The answer to a JOIN_DOC or SYNC_STATE: parts that come in any order.

import type { WireEvent } from "../crdt/index.js";

/** All parts of an answer, put together. */
export interface Answer {
  action: "DOC_STATE" | "OP_REPLAY";
  /** base64 of the base; empty: there is none. */
  state: string;
  events: WireEvent[];
  cursor: string | undefined;
  /** The log's name; `undefined`: the server does not say. */
  log: string | undefined;
  /** Ends of agents' chains in the log, where they lie before what the request named. */
  missing: Record<string, number> | undefined;
}

export class Parts {
  #of: string | undefined;
  readonly #came = new Map<number, any>();

  /** Adds a part; returns the whole once all are there. A part of another state begins anew. */
  add(message: any): Answer | null {
    const of = message.stateId ?? message.action;
    if (of !== this.#of) this.#came.clear();
    this.#of = of;
    this.#came.set(message.part, message);
    if (this.#came.size < message.parts) return null;
    const parts = [...this.#came.values()].sort((a, b) => a.part - b.part);
    const last = parts.at(-1);
    return {
      action: message.action,
      state: parts.map(({ state }) => state ?? "").join(""),
      events: parts.flatMap(({ events }) => events ?? []),
      cursor: last.cursor,
      log: message.log,
      missing: last.missing,
    };
  }
}

/** The bytes that base64 stands for. */
export function bytesOf(base64: string): Uint8Array {
  const chars = atob(base64);
  const bytes = new Uint8Array(chars.length);
  for (let at = 0; at < chars.length; at++) bytes[at] = chars.charCodeAt(at);
  return bytes;
}
