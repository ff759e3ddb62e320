/** An op on the wire, in JSON. */
export type WireOp = WireInsert | WireDelete;

/** Exactly one of `left` and `right`; `text`, `char` (one character), or in a state `len` (deleted ones). */
export interface WireInsert {
  type: "insert";
  /** `<agent>-<seq>` of the first character. */
  id: string;
  text?: string;
  char?: string;
  len?: number;
  left?: string | null;
  right?: string;
}

export interface WireDelete {
  type: "delete";
  id: string;
  /** The first id deleted. */
  target: string;
  /** How many ids; default 1. */
  len?: number;
}

/** One step of an agent's chain. */
export interface WireEvent {
  agent: string;
  /** The end of the agent's previous event, 0 for its first. */
  after: number;
  ops: WireOp[];
  /** When the server took it, in ms since the epoch. */
  at?: number;
}

/** A change with which an editor follows the document: replaces `del` UTF-16 units at `at` with `ins`. Apply several
 * one after the other. */
export interface Change {
  at: number;
  del: number;
  ins: string;
}

/** What happened to an event: it is now part of the document, it already was, or it waits until it can be applied. */
export type Applied = "now" | "repeat" | "waits";

/** A place that moves with the text: beside a character (-1 after it, 1 before it), or at the start (-1) or the
 * end (1) of the document when `id` is null. Can be stored as JSON. */
export interface Anchor {
  id: string | null;
  side: -1 | 1;
}

/** Ids `seq … seq+len-1` of an agent. */
export interface IdRange {
  agent: string;
  seq: number;
  len: number;
}
