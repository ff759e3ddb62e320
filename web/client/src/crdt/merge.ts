// Another replica's state, united with this one: checked as a whole first, then put in.
import { EventError } from "./errors.js";
import { Op, RIGHT, endOf, isSeq } from "./event.js";
import { lastOf, type Agent } from "./ids.js";
import type { Changes, Replica } from "./replica.js";

/** The whole state as inserts, by id; of visible nodes with their text. */
export function stateOf({ tree, ids }: Replica): Op[] {
  const ops: Op[] = [];
  for (let run = tree.first.next; run !== null; run = run.next) {
    for (let off = 0; off < run.len; ) {
      const lv = run.lv + off;
      const { agent, seq, lv: first, len } = ids.rangeOf(lv);
      const count = Math.min(run.len - off, first + len - lv);
      const parent = off === 0 ? run.parent : lv - 1;
      const above = parent < 0 ? null : ids.rangeOf(parent);
      const text = run.dead ? null : tree.chars.text(lv, count);
      const refSeq = above ? above.seq + (parent - above.lv) : 0;
      ops.push(new Op(agent, seq + (lv - first), count, text, off === 0 ? run.side : RIGHT, above && above.agent, refSeq, lv));
      off += count;
    }
  }
  return ops.sort(byId);
}

const byId = (a: Op, b: Op): number => (a.agent === b.agent ? a.seq - b.seq : a.agent.name < b.agent.name ? -1 : 1);

/** Unites a state, as inserts in any order, with this one: nodes, tombstones and versions. Throws, with nothing
 * changed, when it cannot be the state of a document that goes with this one. */
export function merge(replica: Replica, ops: Op[], version: Map<Agent, number>, changes: Changes): void {
  const { ids } = replica;
  for (const end of version.values()) if (!isSeq(end)) throw new EventError("a version is no number");
  const fresh: Op[] = [];
  const gone: [Agent, number, number][] = [];
  let before: Op | undefined;
  for (let op of ops.sort(byId)) {
    const { agent, seq, count, ref, refSeq } = op;
    const overlaps = before?.agent === agent && endOf(before) > seq;
    const known = Math.min(Math.max(agent.end - seq, 0), count);
    let nodes = 0;
    agent.eachNode(seq, seq + known, (_, len) => (nodes += len));
    // Of what is known, all must be nodes here too.
    if (overlaps || nodes < known || count > (version.get(agent) ?? 0) - seq || (ref === agent && refSeq >= seq)) throw bad(op);
    before = op;
    if (op.text === null) gone.push([agent, seq, seq + known]);
    if (known === count) continue;
    if (known > 0) {
      const text = op.text && [...op.text].slice(known).join("");
      op = new Op(agent, seq + known, count - known, text, RIGHT, agent, seq + known - 1);
    }
    fresh.push(op);
  }
  const order = inOrder(fresh);
  for (const op of fresh) op.lv = ids.push(op.agent, op.seq, op.count);
  for (const [agent, from, to] of gone) replica.deleteIds(agent, from, to, changes);
  for (const op of order) replica.put(op, op.lv, changes);
  const moved = [...version].filter(([agent, end]) => end > agent.end);
  for (const [agent, end] of moved) {
    agent.moves = agent.waiting.size;
    replica.advance(agent, end);
  }
  for (const [agent] of moved) replica.release(agent, changes);
}

/** Each after what it hangs at, which is a node already or among them. */
function inOrder(fresh: Op[]): Op[] {
  const order: Op[] = [];
  const below = new Map<Op, Op[]>();
  for (const op of fresh) {
    const { ref, refSeq } = op;
    if (ref === null || ref.lvOf(refSeq) >= 0) {
      order.push(op);
      continue;
    }
    const above = fresh[lastOf(fresh, (op) => (op.agent === ref ? op.seq <= refSeq : op.agent.name < ref.name))];
    if (above?.agent !== ref || refSeq >= endOf(above)) throw bad(op);
    const others = below.get(above);
    if (others) others.push(op);
    else below.set(above, [op]);
  }
  for (let at = 0; at < order.length; at++) for (const op of below.get(order[at]!) ?? []) order.push(op);
  // The rest hangs at each other.
  if (order.length < fresh.length) throw new EventError("a state goes round in a circle");
  return order;
}

const bad = ({ agent, seq }: Op) => new EventError(`${agent.name}-${seq} does not fit in here`);
