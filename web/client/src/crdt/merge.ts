// Another replica's state, united with this one: checked as a whole first, then put in.
import type { Changes } from "./changes.js";
import { codePoints } from "./compose.js";
import { EventError } from "./errors.js";
import { anchorSide, bad } from "./event.js";
import { MAX_SEQ, isAgent, isSeq, parseId } from "./id.js";
import type { Replica } from "./replica.js";
import { RIGHT, START, type Side } from "./run.js";
import type { WireOp } from "./types.js";

/** Nodes of one agent with ascending ids, each the right child of the one before. */
export interface Span {
  agent: string;
  seq: number;
  count: number;
  /** Null when they are deleted. */
  text: string | null;
  /** Where the first one hangs: null for the start of the document. */
  ref: { agent: string; seq: number } | null;
  side: Side;
  /** How many of its first nodes are here already, */
  known: number;
  /** and the number of the first one that is not. */
  lv: number;
}

/** Reads the `ops` of a DOC_STATE. */
export function readSpans(ops: WireOp[]): Span[] {
  return ops.map((op) => {
    if (op.type !== "insert") throw bad(op, "is no insert, which is all that a state has");
    const { agent, seq } = parseId(op.id);
    const side = anchorSide(op);
    const ref = side === RIGHT ? op.left! : op.right!;
    const text = op.text ?? op.char ?? null;
    if ((text === null) === (op.len === undefined)) throw bad(op, "needs either text or `len`");
    const count = text === null ? op.len! : codePoints(text);
    return { agent, seq, count, text, ref: ref === null ? null : parseId(ref), side, known: 0, lv: 0 };
  });
}

/** The state of a replica, whose numbers are in the order of ids, as spans. */
export function spansOf({ tree, ids }: Replica): Span[] {
  const spans: Span[] = [];
  for (let run = tree.first.next; run !== null; run = run.next) {
    const end = run.lv + run.len;
    for (let lv = run.lv; lv < end; ) {
      const range = ids.rangeOf(lv);
      const count = Math.min(end, range.lv + range.len) - lv;
      const isFirst = lv === run.lv;
      const parent = isFirst ? run.parent : lv - 1;
      const above = parent === START ? null : ids.rangeOf(parent);
      spans.push({
        agent: range.agent.name,
        seq: range.seq + lv - range.lv,
        count,
        text: run.dead ? null : tree.chars.text(lv, count),
        ref: above && { agent: above.agent.name, seq: above.seq + parent - above.lv },
        side: isFirst ? run.side : RIGHT,
        known: 0,
        lv: 0,
      });
      lv += count;
    }
  }
  return spans;
}

/** Unites nodes, tombstones and versions. Throws, with nothing changed, when the spans cannot be part of a document
 * that goes with this one. */
export function merge(replica: Replica, spans: Span[], version: [string, number][], changes: Changes | null): void {
  const ends = new Map(version);
  for (const [agent, end] of ends) {
    if (!isAgent(agent) || !isSeq(end)) throw new EventError(`a version has ${agent}: ${end}`);
  }
  for (const span of spans) lookAt(replica, span, ends.get(span.agent) ?? 0);
  spans.sort((a, b) => (a.agent === b.agent ? a.seq - b.seq : a.agent < b.agent ? -1 : 1));
  for (let i = 1; i < spans.length; i++) {
    const [before, span] = [spans[i - 1]!, spans[i]!];
    if (before.agent === span.agent && before.seq + before.count > span.seq) throw wrong(span, "overlaps another");
  }
  const order = inOrder(replica, spans);
  const { ids } = replica;
  for (const span of spans) {
    const agent = ids.findOrAdd(span.agent);
    if (span.known < span.count) span.lv = ids.push(agent, span.seq + span.known, span.count - span.known);
    if (span.text === null) replica.deleteIds(agent, span.seq, span.seq + span.known, changes);
  }
  for (const span of order) {
    const agent = ids.findOrAdd(span.agent);
    let parent = START;
    let { side, text } = span;
    if (span.known > 0) {
      parent = agent.lvOf(span.seq + span.known - 1);
      side = RIGHT;
      text = text && [...text].slice(span.known).join("");
    } else if (span.ref) {
      parent = ids.find(span.ref.agent)!.lvOf(span.ref.seq);
    }
    replica.put(agent, span.lv, span.count - span.known, text, parent, side, changes);
  }
  const moved = [...ends].filter(([agent, end]) => end > (replica.version.get(agent) ?? 0));
  for (const [agent, end] of moved) replica.advance(ids.findOrAdd(agent), end);
  for (const [agent] of moved) replica.release(agent, changes);
}

function lookAt({ ids }: Replica, span: Span, end: number): void {
  const { seq, count, ref } = span;
  if (!isSeq(count) || count < 1 || seq + count > Math.min(end, MAX_SEQ)) {
    throw wrong(span, "is empty or not covered by the version");
  }
  if (ref?.agent === span.agent && ref.seq >= seq) throw wrong(span, "hangs at itself");
  const agent = ids.find(span.agent);
  span.known = Math.max(0, Math.min(count, (agent?.end ?? 0) - seq));
  let nodes = 0;
  agent?.eachNode(seq, seq + span.known, (_, len) => (nodes += len));
  if (nodes < span.known) throw wrong(span, "contradicts what is known here");
}

/** The spans with something new, each after what it hangs at. */
function inOrder({ ids }: Replica, spans: Span[]): Span[] {
  const order: Span[] = [];
  const below = new Map<Span, Span[]>();
  let count = 0;
  for (const span of spans) {
    if (span.known === span.count) continue;
    count++;
    const { ref } = span;
    if (span.known > 0 || ref === null || (ids.find(ref.agent)?.lvOf(ref.seq) ?? -1) >= 0) {
      order.push(span);
      continue;
    }
    const above = holder(spans, ref.agent, ref.seq);
    if (!above) throw wrong(span, "hangs at nothing");
    const kept = below.get(above);
    if (kept) kept.push(span);
    else below.set(above, [span]);
  }
  for (let next = 0; next < order.length; next++) {
    for (const span of below.get(order[next]!) ?? []) order.push(span);
  }
  if (order.length < count) throw new EventError("spans of a state hang at each other");
  return order;
}

/** The span that has an id. */
function holder(spans: Span[], agent: string, seq: number): Span | undefined {
  let low = -1;
  for (let high = spans.length; high - low > 1; ) {
    const middle = (low + high) >> 1;
    const span = spans[middle]!;
    if (span.agent < agent || (span.agent === agent && span.seq <= seq)) low = middle;
    else high = middle;
  }
  const found = spans[low];
  return found?.agent === agent && seq < found.seq + found.count ? found : undefined;
}

const wrong = (span: Span, what: string) => new EventError(`span ${span.agent}-${span.seq} ${what}`);
