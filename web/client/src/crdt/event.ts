// An event, read from its wire form and checked as a whole before anything is changed.
import { MAX_DELETE, codePoints } from "./compose.js";
import { EventError } from "./errors.js";
import { isAgent, isSeq, parseId, parseSeq, MAX_SEQ } from "./id.js";
import { Agent, type Ids } from "./ids.js";
import { LEFT, RIGHT, type Side } from "./run.js";
import type { WireDelete, WireEvent, WireInsert, WireOp } from "./types.js";

/** An op, read. */
export interface Op {
  seq: number;
  /** How many ids it uses up. */
  count: number;
  /** An insert's text; null for a delete. */
  text: string | null;
  side: Side;
  /** Whose id the anchor or the target is, by name as long as nothing is known of that agent; null for the start of
   * the document. */
  ref: Agent | string | null;
  refSeq: number;
}

export interface Event {
  agent: Agent;
  after: number;
  end: number;
  ops: Op[];
  /** How many of the ops refer only to what is known. */
  ready: number;
}

/** Throws when the event breaks a rule. `agent` may be one that `ids` does not list yet. */
export function readEvent(ids: Ids, wire: WireEvent): Event {
  const name = wire.agent;
  let agent = ids.find(name);
  if (!agent) {
    if (!isAgent(name)) throw new EventError(`not an agent: ${String(name)}`);
    agent = new Agent(name, 0);
  }
  if (!isSeq(wire.after)) throw new EventError("an event needs an `after`");
  if (!Array.isArray(wire.ops) || wire.ops.length === 0) throw new EventError("an event needs at least one op");
  const ops: Op[] = [];
  let end = wire.after;
  for (const wireOp of wire.ops) {
    const op = readOp(ids, agent, wireOp);
    if (op.seq < end) throw bad(wireOp, "overlaps what comes before it");
    end = op.seq + op.count;
    if (end > MAX_SEQ) throw bad(wireOp, "goes beyond 2^53");
    ops.push(op);
  }
  return { agent, after: wire.after, end, ops, ready: 0 };
}

function readOp(ids: Ids, own: Agent, wire: WireOp): Op {
  const seq = ownSeq(own, wire.id);
  if (seq < 0) throw bad(wire, "has not its event's agent");
  const isDelete = wire.type === "delete";
  if (!isDelete && wire.type !== "insert") throw bad(wire, "is no insert or delete");
  const op: Op = isDelete
    ? { seq, count: wire.len ?? 1, text: null, side: RIGHT, ref: own, refSeq: 0 }
    : { seq, count: 0, text: insertText(wire), side: anchorSide(wire), ref: own, refSeq: 0 };
  if (isDelete) {
    if (!isSeq(op.count) || op.count < 1 || op.count > MAX_DELETE) throw bad(wire, "has a wrong length");
  } else if ((op.count = codePoints(op.text!)) < 1) {
    throw bad(wire, "has no text, or half a surrogate pair");
  }
  const ref = isDelete ? wire.target : op.side === LEFT ? wire.right! : wire.left!;
  if (!isDelete && ref === null) {
    op.ref = null;
    return op;
  }
  const refSeq = ownSeq(own, ref);
  if (refSeq >= 0) {
    op.refSeq = refSeq;
  } else {
    const id = parseId(ref);
    op.ref = ids.find(id.agent) ?? id.agent;
    op.refSeq = id.seq;
  }
  const refEnd = refEndOf(op);
  if (refEnd > MAX_SEQ) throw bad(wire, "refers beyond 2^53");
  if (refSeq >= 0 && refEnd > seq) throw bad(wire, "refers to an id of its own agent that is not below it");
  return op;
}

/** The end of the ids that an op refers to. */
export const refEndOf = (op: Op): number => op.refSeq + (op.text === null ? op.count : 1);

/** The number of an id when it is `agent`'s, else -1. */
function ownSeq(agent: Agent, id: string): number {
  const { name } = agent;
  return typeof id === "string" && id.charCodeAt(name.length) === 45 && id.startsWith(name) && id.lastIndexOf("-") === name.length
    ? parseSeq(id, name.length + 1)
    : -1;
}

export function anchorSide(wire: WireInsert): Side {
  if ((wire.left === undefined) === (wire.right === undefined) || wire.right === null) {
    throw bad(wire, "needs either `left` or `right`");
  }
  return wire.left === undefined ? LEFT : RIGHT;
}

function insertText(wire: WireInsert): string {
  const text = wire.text ?? wire.char;
  if (typeof text !== "string" || wire.len !== undefined || (wire.text === undefined) === (wire.char === undefined)) {
    throw bad(wire, "needs either `text` or `char`");
  }
  if (wire.char !== undefined && codePoints(text) > 1) throw bad(wire, "has more than one character in `char`");
  return text;
}

export const bad = (op: WireInsert | WireDelete, what: string) => new EventError(`op ${String(op?.id)} ${what}`);
