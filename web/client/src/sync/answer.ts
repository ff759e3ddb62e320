// The answer to a JOIN_DOC or SYNC_STATE: parts that come in any order.

import type { WireEvent } from "../crdt/index.js";
import type { Access } from "../types.js";
import type { Ends, ReplayPart, StatePart } from "./wire.js";

/** All parts of an answer, put together. */
export interface Answer {
  action: "DOC_STATE" | "OP_REPLAY";
  /** base64 of the base; empty: there is none. */
  state: string;
  events: WireEvent[];
  cursor: string | undefined;
  /** The log's name; `undefined`: the server does not say. */
  log: string | undefined;
  missing: Ends | undefined;
  access: Access | undefined;
  user: string | undefined;
}

export class Parts {
  #of: string | undefined;
  readonly #came = new Map<number, StatePart | ReplayPart>();

  /** Adds a part; returns the whole once all are there. A part of another state begins anew. */
  add(part: StatePart | ReplayPart): Answer | null {
    const { action, log } = part;
    const of = action === "DOC_STATE" ? part.stateId : action;
    if (of !== this.#of) this.#came.clear();
    this.#of = of;
    this.#came.set(part.part, part);
    if (this.#came.size < part.parts) return null;
    const parts = [...this.#came.values()].sort((a, b) => a.part - b.part);
    const { cursor, missing, access, user } = parts.at(-1)!;
    const state = parts.map((part) => (part.action === "DOC_STATE" && part.state) || "").join("");
    return { action, state, events: parts.flatMap(({ events }) => events ?? []), cursor, log, missing, access, user };
  }
}

/** The bytes that base64 stands for. */
export function bytesOf(base64: string): Uint8Array {
  const chars = atob(base64);
  const bytes = new Uint8Array(chars.length);
  for (let i = 0; i < chars.length; i++) bytes[i] = chars.charCodeAt(i);
  return bytes;
}
