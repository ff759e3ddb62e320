// What was typed and is not known to be durable: per agent a chain of events, of which the last may still grow.
// An event's boundaries stay from the moment it is closed: when it is about to be sent, or would outgrow a frame.

import { RIGHT } from "../crdt/event.js";
import { idText } from "../crdt/ids.js";
import { type LocalOp, type TextDoc, type WireEvent, localOp, pushOp, wireOp } from "../crdt/index.js";

/** An event is closed before its ops outgrow this many bytes of JSON: a frame takes 32 KB. */
export const EVENT_BYTES_MAX = 30_000;
/** What an op takes beside its text and its agents' names: field names, three numbers, punctuation. */
const OP_BYTES = 127;

export interface OutEvent {
  after: number;
  end: number;
  ops: LocalOp[];
  /** JSON, at most. */
  bytes: number;
  closed: boolean;
  /** It may have been sent. That is stored first, so that what the log cannot have is known after a crash, too. */
  sent: boolean;
  /** The log does not have it, and never will: it is offered again under another agent. */
  refused?: boolean;
  /** The number of the batch that stored it as it is now; 0: none. */
  kept: number;
  /** The agents whose unsent events the document showed when it was typed: it may refer to those. */
  over: string[];
  /** It was typed before this document was opened, and came from the store. */
  loaded?: boolean;
}

/** Where an agent's chain stands in the store, and where it belongs. */
export interface ChainRecord {
  /** The chain's end when its last base was written or its events were removed. */
  end: number;
  /** The events below are durable. */
  saved: number;
  /** The server's address; `undefined`: any. */
  server: string | undefined;
  /** The log's name; `undefined`: the server has not been heard yet. */
  log: string | undefined;
}

/** What is to be sent of an agent: the tab's own, or one that it adopted. */
export interface Outbox {
  agent: string;
  /** The end of the last event. */
  end: number;
  /** Oldest first. */
  events: OutEvent[];
  /** The keys that are stored for it, */
  keys: Set<string>;
  /** and what its chain record says, once it has one. */
  record?: ChainRecord | undefined;
  /** Something is wrong with it: the server's state must say what. */
  doubtful?: boolean;
  /** The log has more of the agent than was ever written here. */
  foreign?: boolean;
}

export const newOutbox = (agent: string): Outbox => ({ agent, end: 0, events: [], keys: new Set() });

/** The first id that is not known to be durable. */
export const startOf = (outbox: Outbox): number => outbox.events[0]?.after ?? outbox.end;

/** An event as it travels. */
export const wireEvent = (agent: string, { after, ops }: Pick<OutEvent, "after" | "ops">): WireEvent => ({
  agent,
  after,
  ops: ops.map((op) => wireOp(agent, op)),
});

/** Adds the agent's next op; a giant insert becomes several. `over` is asked when an event begins. */
export function push(outbox: Outbox, op: LocalOp, over: () => string[]): void {
  const bytes = OP_BYTES + outbox.agent.length + (op.ref?.length ?? 0);
  if (op.text === null) return add(outbox, op, over, bytes, 0);
  let piece = op;
  for (const [text, textBytes, count] of cut(op.text, EVENT_BYTES_MAX - bytes)) {
    piece = { ...piece, text, count };
    add(outbox, piece, over, bytes, textBytes);
    // Each further character is the right child of the one before.
    const seq = piece.seq + count;
    piece = { ...piece, seq, side: RIGHT, ref: outbox.agent, refSeq: seq - 1 };
  }
}

function add(outbox: Outbox, op: LocalOp, over: () => string[], opBytes: number, textBytes: number): void {
  const end = op.seq + op.count;
  let event = outbox.events.at(-1);
  if (!event || event.closed || event.bytes + opBytes + textBytes > EVENT_BYTES_MAX) {
    if (event) event.closed = true;
    event = { after: outbox.end, end, ops: [], bytes: 0, closed: false, sent: false, kept: 0, over: over() };
    outbox.events.push(event);
  }
  const count = event.ops.length;
  pushOp(event.ops, outbox.agent, op);
  event.bytes += textBytes + (event.ops.length > count ? opBytes : 0);
  event.end = end;
  event.kept = 0;
  outbox.end = end;
}

/** Cuts a text into pieces of at most `room` bytes inside a JSON string: each with its bytes and code points. */
function* cut(text: string, room: number): Generator<[piece: string, bytes: number, count: number]> {
  let [from, bytes, count] = [0, 0, 0];
  for (let at = 0; at < text.length; ) {
    const code = text.codePointAt(at)!;
    const more = jsonBytes(code);
    if (bytes + more > room) {
      yield [text.slice(from, at), bytes, count];
      [from, bytes, count] = [at, 0, 0];
    }
    bytes += more;
    count++;
    at += code > 0xffff ? 2 : 1;
  }
  yield [text.slice(from), bytes, count];
}

function jsonBytes(code: number): number {
  if (code < 32) return (code > 7 && code < 11) || code === 12 || code === 13 ? 2 : 6;
  if (code === 34 || code === 92) return 2;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/** Tells what a document that is the server's proves to be saved, and marks what it proves to be another's. */
export function judge(outbox: Outbox, server: TextDoc, saved: (outbox: Outbox) => void): void {
  while (outbox.events.length && holds(server, outbox.agent, outbox.events[0]!)) saved(outbox);
  outbox.doubtful = false;
  outbox.foreign = startOf(outbox) < (server.version.get(outbox.agent) ?? 0);
  const [first] = outbox.events;
  if (outbox.foreign && first) first.refused = true;
}

/** Whether the log's event is the very one that was sent, however its JSON is written. */
export const sameOps = (ours: readonly LocalOp[], { ops }: WireEvent): boolean =>
  JSON.stringify(ours.map(fieldsOf)) === JSON.stringify(ops.map((op) => fieldsOf(localOp(op))));

const fieldsOf = ({ seq, count, text, side, ref, refSeq }: LocalOp) => [seq, count, text, side, ref, refSeq];

/** Whether a document that is the server's holds an event, as far as one can tell: deleted text is not there any more. */
function holds(server: TextDoc, agent: string, event: OutEvent): boolean {
  if (!event.sent || event.end > (server.version.get(agent) ?? 0)) return false;
  return event.ops.every((op) => (op.text === null ? isDeleted(server, agent, op) : isInserted(server, agent, op, op.text)));
}

/** None of the op's own ids are characters, and what it names is deleted. */
function isDeleted(server: TextDoc, agent: string, { seq, count, ref, refSeq }: LocalOp): boolean {
  let holds = true;
  server.eachPiece(server.ids.agent(agent), seq, seq + count, () => (holds = false));
  server.eachPiece(server.ids.agent(ref!), refSeq, refSeq + count, ({ dead }) => (holds &&= dead));
  return holds;
}

/** All of the op's ids are its characters, and each hangs where it says: the first at its origin. */
function isInserted(server: TextDoc, agent: string, { seq, count, side, ref, refSeq }: LocalOp, text: string): boolean {
  const { ids, tree } = server;
  const chars = [...text];
  const originOf = (parent: number) => (parent < 0 ? null : idText(ids.idOf(parent)));
  let [holds, found] = [true, 0];
  server.eachPiece(ids.agent(agent), seq, seq + count, (run, off, len) => {
    const typed = chars.slice(found, found + len).join("");
    holds &&= run.dead || tree.chars.text(run.lv + off, len) === typed;
    if (found === 0) {
      const [parent, hangs] = off > 0 ? [run.lv + off - 1, RIGHT] : [run.parent, run.side];
      holds &&= hangs === side && originOf(parent) === (ref === null ? null : `${ref}-${refSeq}`);
    }
    found += len;
  });
  return holds && found === count;
}
