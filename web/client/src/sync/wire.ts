// The wire: every message that is sent and every one that is received, JSON in text frames. Nothing else writes or reads
// frames.

import type { WireEvent, WireOp } from "../crdt/index.js";
import type { Access, JsonObject } from "../types.js";

/** Where chains end, by agent. */
export type Ends = Record<string, number>;

/** What a client sends of one document; direct answers echo the `ref`. */
export type ClientMessage =
  /** The document, and from now on what happens to it. */
  | { action: "JOIN_DOC"; format: "binary"; cursor: string | undefined; ref: number }
  /**
   * What came after `cursor` and is not covered by `version`. With `confirm`, the log itself is asked whether it has all
   * that `version` names.
   */
  | { action: "SYNC_STATE"; format: "binary"; cursor: string | undefined; version: Ends; confirm: true | undefined; ref: number }
  | { action: "SEND_OP"; agent: string; after: number; ops: WireOp[]; ref: number }
  /** `null` takes away what was shown. */
  | { action: "PRESENCE"; agent: string; state: JsonObject | null; ref: string }
  | { action: "LEAVE_DOC" }
  | { action: "PING" };

/** A part of an answer to JOIN_DOC or SYNC_STATE; parts come in any order. */
interface AnswerPart {
  /** 1 … `parts`. */
  part: number;
  parts: number;
  ref?: number;
  /** The log's name, unless the server does not say. */
  log?: string;
  events?: WireEvent[];
  /** In the last part: where the answer stands. */
  cursor?: string;
  /** In the last part: ends of chains in the log that lie before those that the request named. */
  missing?: Ends;
  /** In the last part: what this connection may do with the document, and under which user; the server decides both. */
  access?: Exclude<Access, "none" | null>;
  user?: string;
}

export interface StatePart extends AnswerPart {
  action: "DOC_STATE";
  /** The same for all parts of one state. */
  stateId: string;
  /** A slice of the base's base64. */
  state?: string;
}

export interface ReplayPart extends AnswerPart {
  action: "OP_REPLAY";
  events: WireEvent[];
}

export interface ErrorMessage {
  action: "ERROR";
  code: string;
  message: string;
  /** The same again after a pause may help. */
  retry?: boolean;
  /** Sooner, it would be refused again. */
  retryAfterMs?: number;
  ref?: number | string;
}

/** What the server sends. */
export type ServerMessage =
  | StatePart
  | ReplayPart
  | { action: "REMOTE_OP"; events: WireEvent[] }
  /** The event is durable; `end` is where it ends. */
  | { action: "OP_ACK"; agent: string; after: number; end: number }
  /** `user` and `name` are the server's word, where it demands a token. */
  | { action: "REMOTE_PRESENCE"; agent: string; state: JsonObject | null; user?: string; name?: string }
  | { action: "PONG" }
  | ErrorMessage;

export function encode(docId: string, message: ClientMessage): string {
  const { action, ...fields } = message;
  return JSON.stringify(action === "PING" ? { action } : { action, docId, ...fields });
}

/**
 * Reads a frame. Throws on what is no JSON object. Fields are not checked: what uses one that is wrong throws, and
 * {@link Core.received} takes care of that. An `action` that is not listed is of a newer server, and is passed over.
 */
export function decode(frame: string): ServerMessage {
  const message: ServerMessage | { action?: undefined; message: string } = JSON.parse(frame);
  if (message.action) return message;
  // The gateway's own word that a function failed, which names neither the request nor a code.
  return { action: "ERROR", code: "internal", message: message.message, retry: true };
}
