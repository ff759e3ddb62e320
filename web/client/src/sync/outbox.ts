// What was typed and is not known to be durable: per agent a chain of events, of which the last may still grow.
// An event's boundaries stay from the moment it is closed: when it is about to be sent, or would outgrow a frame.

import { RIGHT } from "../crdt/event.js";
import { type TextDoc, type WireInsert, type WireOp, pushOp } from "../crdt/index.js";
import { idCount, idText, parseId, referenceOf } from "./ids.js";

/** An event is closed before its ops outgrow this many bytes of JSON: a frame takes 32 KB. */
export const EVENT_BYTES_MAX = 30_000;
/** What an op takes beside its text and its agents' names: field names, two numbers, punctuation. */
const OP_BYTES = 110;

export interface OutEvent {
  after: number;
  end: number;
  ops: WireOp[];
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

/** An agent whose events this tab sends: its own, or one that it adopted. */
export interface Lane {
  agent: string;
  /** The end of the last event. */
  end: number;
  /** Oldest first. */
  events: OutEvent[];
  /** The keys that are stored for it, and what its chain record says. */
  keys: Set<string>;
  chainEnd?: number;
  savedKept?: number;
  logKept?: string | undefined;
  /** Something is wrong with it: the server's state must say what. */
  doubtful?: boolean;
  /** The log has more of the agent than was ever written here. */
  foreign?: boolean;
}

export const newLane = (agent: string): Lane => ({ agent, end: 0, events: [], keys: new Set() });

/** The first id that is not known to be durable. */
export const startOf = (lane: Lane): number => lane.events[0]?.after ?? lane.end;

/** Adds the agent's next op; a giant insert becomes several. */
export function push(lane: Lane, op: WireOp, over: () => string[]): void {
  const bytes = OP_BYTES + lane.agent.length + (referenceOf(op)?.length ?? 0);
  let { seq } = parseId(op.id);
  if (op.type === "delete") return add(lane, op, over, bytes, 0, seq + idCount(op));
  let anchor: object = op.right ? { right: op.right } : { left: op.left };
  for (const [text, textBytes, chars] of cut(op.text!, EVENT_BYTES_MAX - bytes)) {
    const piece = { type: "insert", id: idText(lane.agent, seq), text, ...anchor } as WireOp;
    seq += chars;
    add(lane, piece, over, bytes, textBytes, seq);
    // Each further character is the right child of the one before.
    anchor = { left: idText(lane.agent, seq - 1) };
  }
}

function add(lane: Lane, op: WireOp, over: () => string[], opBytes: number, textBytes: number, end: number): void {
  let event = lane.events.at(-1);
  if (!event || event.closed || event.bytes + opBytes + textBytes > EVENT_BYTES_MAX) {
    if (event) event.closed = true;
    event = { after: lane.end, end, ops: [], bytes: 0, closed: false, sent: false, kept: 0, over: over() };
    lane.events.push(event);
  }
  const count = event.ops.length;
  pushOp(event.ops, lane.agent, op);
  event.bytes += textBytes + (event.ops.length > count ? opBytes : 0);
  event.end = lane.end = end;
  event.kept = 0;
}

/** Tells what a document that is the server's proves to be saved, and marks what it proves to be another's. */
export function judge(lane: Lane, server: TextDoc, saved: (lane: Lane) => void): void {
  while (lane.events.length && holds(server, lane.agent, lane.events[0]!)) saved(lane);
  lane.doubtful = false;
  lane.foreign = startOf(lane) < (server.version.get(lane.agent) ?? 0);
  const [first] = lane.events;
  if (lane.foreign && first) first.refused = true;
}

/** Cuts a text into pieces of at most `room` bytes inside a JSON string: each with its bytes and code points. */
export function* cut(text: string, room: number): Generator<[piece: string, bytes: number, chars: number]> {
  let [from, bytes, chars] = [0, 0, 0];
  for (let at = 0; at < text.length; ) {
    const code = text.codePointAt(at)!;
    const more = jsonBytes(code);
    if (bytes + more > room) {
      yield [text.slice(from, at), bytes, chars];
      [from, bytes, chars] = [at, 0, 0];
    }
    bytes += more;
    chars++;
    at += code > 0xffff ? 2 : 1;
  }
  yield [text.slice(from), bytes, chars];
}

function jsonBytes(code: number): number {
  if (code < 32) return (code > 7 && code < 11) || code === 12 || code === 13 ? 2 : 6;
  if (code === 34 || code === 92) return 2;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/** Whether the log's event is the very one that was sent, however its JSON is written. */
export const sameOps = (a: readonly WireOp[], b: readonly WireOp[]): boolean => told(a) === told(b);

const told = (ops: readonly any[]): string =>
  JSON.stringify(ops.map(({ id, target, len = 1, text, char, left, right }) => [id, target, len, text ?? char, left, right]));

/** Whether a document that is the server's holds an event, as far as one can tell: deleted text is not there any more. */
function holds(server: TextDoc, agent: string, event: OutEvent): boolean {
  if (!event.sent || event.refused || event.end > (server.version.get(agent) ?? 0)) return false;
  return event.ops.every((op) => {
    const { seq } = parseId(op.id);
    const { ids, tree } = server;
    const { left, right } = op as WireInsert;
    const chars = op.type === "delete" ? [] : [...op.text!];
    const count = idCount(op);
    let [same, first, at] = [true, true, 0];
    // All of an insert's ids are characters, and the first hangs where it says.
    server.eachPiece(ids.agent(agent), seq, seq + count, ({ lv, dead, parent, side }, off, len) => {
      const typed = chars.slice(at, (at += len));
      const above = off ? lv + off - 1 : parent;
      const anchor = off || side === RIGHT ? left : right;
      same &&= typed.length === len && (dead || tree.chars.text(lv + off, len) === typed.join(""));
      if (first) same &&= anchor === (above < 0 ? null : ids.idOf(above));
      first = false;
    });
    // None of a delete's are, and what it names is deleted.
    if (op.type === "delete") {
      const target = parseId(op.target);
      server.eachPiece(ids.agent(target.agent), target.seq, target.seq + count, ({ dead }) => void (same &&= dead));
    }
    return same && at === chars.length;
  });
}
