// Reads events and ops from their wire form, and validates them before anything changes.
import { codePoints } from "./chars.js";
import { EventError } from "./errors.js";
import { MAX_DELETE, MAX_SEQ, type Agent, type Ids } from "./ids.js";
import type { WireEvent, WireOp } from "./types.js";

export const LEFT = 0;
export const RIGHT = 1;
/** On which side of its parent a node hangs. */
export type Side = typeof LEFT | typeof RIGHT;

/** Nodes of one agent with ascending ids, each the right child of the one before; or ids to delete. */
export class Op {
  isDelete = false;
  constructor(
    public agent: Agent,
    public seq: number,
    /** How many ids it uses up. */
    public count: number,
    /** Null if the nodes are already deleted. */
    public text: string | null,
    public side: Side = RIGHT,
    /** The first node's origin, or the first id deleted; null for the start of the document. */
    public ref: Agent | null = null,
    public refSeq = 0,
    /** The first node's number; -1 until it has one. */
    public lv = -1,
    /** The first node's depth; only in an op of a state. */
    public depth = 0,
  ) {}
}

export interface Event {
  agent: Agent;
  after: number;
  ops: Op[];
  /** How many leading ops refer only to known ids. */
  ready: number;
}

/** Whether a value is a valid number for an id, an end or a length. */
export const isSeq = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= MAX_SEQ;

/** Throws when the event breaks a rule. */
export function readEvent(ids: Ids, { agent: name, after, ops }: WireEvent): Event {
  const agent = ids.agent(name);
  if (!isSeq(after) || !Array.isArray(ops) || ops.length === 0) throw new EventError("not an event");
  let end = after;
  const read = ops.map((wire) => {
    const op = readOp(ids, wire);
    if (op.agent !== agent || op.seq < end) throw bad(wire, "is not its agent's next");
    end = endOf(op);
    return op;
  });
  return { agent, after, ops: read, ready: 0 };
}

/** Throws when the op breaks a rule. */
export function readOp(ids: Ids, wire: WireOp): Op {
  const { agent, seq } = ids.parse(wire.id);
  const op = new Op(agent, seq, 1, null);
  let ref: string | null | undefined;
  if (wire.type === "delete") {
    op.isDelete = true;
    op.count = wire.len ?? 1;
    ref = wire.target;
  } else {
    if (wire.type !== "insert" || (wire.left === undefined) === (wire.right === undefined)) throw bad(wire, "has no place");
    op.text = wire.text ?? wire.char!;
    op.count = codePoints(op.text);
    if (wire.right !== undefined) op.side = LEFT;
    ref = op.side === LEFT ? wire.right : wire.left;
  }
  const most = op.isDelete ? MAX_DELETE : MAX_SEQ;
  if (!isSeq(op.count) || op.count < 1 || op.count > Math.min(most, MAX_SEQ - seq)) throw bad(wire, "has a wrong length or text");
  if (ref !== null || op.side === LEFT) {
    const reference = ids.parse(ref!);
    op.ref = reference.agent;
    op.refSeq = reference.seq;
    const limit = op.ref === agent ? seq : MAX_SEQ;
    // A sum over 2^53 would be rounded.
    if ((op.isDelete ? op.count : 1) > limit - op.refSeq) throw bad(wire, "refers to what cannot be before it");
  }
  return op;
}

export const endOf = (op: Op): number => op.seq + op.count;

/** The end of the ids that an op refers to. */
export const refEnd = (op: Op): number => op.refSeq + (op.isDelete ? op.count : 1);

export const bad = (op: WireOp, what: string) => new EventError(`op ${op.id} ${what}`);
