// Another replica's state, united with this one: checked as a whole first, then put in.
import { EventError } from "./errors.js";
import { Op, RIGHT } from "./event.js";
import type { Agent } from "./ids.js";
import type { Changes, Replica } from "./replica.js";

/** The whole state as inserts, by id, with the numbers of their nodes and without their text. */
export function stateOf(replica: Replica): Op[] {
  const { ids } = replica;
  const ops: Op[] = [];
  for (const agent of ids.byName()) {
    replica.eachPiece(agent, 0, Infinity, (run, off, count) => {
      const lv = run.lv + off;
      const own = ids.rangeOf(lv);
      const parent = off > 0 ? lv - 1 : run.parent;
      const above = parent < 0 ? null : ids.rangeOf(parent);
      const refSeq = above ? above.seq + (parent - above.lv) : 0;
      const side = off > 0 ? RIGHT : run.side;
      const text = run.dead ? null : "";
      ops.push(new Op(agent, own.seq + (lv - own.lv), count, text, side, above && above.agent, refSeq, lv, run.depth + off));
    });
  }
  return ops;
}

/** Unites the state of another replica, which is used up, with this one: nodes, tombstones and versions. Throws, with
 * nothing changed, when the two cannot be of one document. */
export function merge(replica: Replica, other: Replica, changes: Changes): void {
  const { ids } = replica;
  const ops = stateOf(other);
  const knownOf = ({ agent, seq, count }: Op) => Math.min(Math.max(agent.end - seq, 0), count);
  for (const op of ops) {
    op.agent = ids.agent(op.agent.name);
    op.ref &&= ids.agent(op.ref.name);
    // Of what is known, all must be nodes here too.
    let missing = knownOf(op);
    op.agent.eachNode(op.seq, op.seq + missing, (_, len) => (missing -= len));
    if (missing > 0) throw new EventError(`${op.agent.prefix}${op.seq} contradicts this document`);
  }
  const fresh = ops.filter((op) => {
    const { agent, seq } = op;
    const known = knownOf(op);
    if (op.text === null) replica.deleteIds(agent, seq, seq + known, changes);
    else if (known < op.count) op.text = other.tree.chars.text(op.lv + known, op.count - known);
    if (known > 0) {
      op.seq += known;
      op.count -= known;
      op.depth += known;
      op.ref = agent;
      op.refSeq = op.seq - 1;
      op.side = RIGHT;
    }
    if (op.count > 0) op.lv = ids.push(agent, op.seq, op.count);
    return op.count > 0;
  });
  // What something hangs at is less deep.
  for (const op of fresh.sort((a, b) => a.depth - b.depth)) replica.put(op, changes);
  const moved: Agent[] = [];
  for (const [name, end] of other.version) {
    const agent = ids.agent(name);
    if (end <= agent.end) continue;
    agent.moves = agent.waiting.size;
    replica.advance(agent, end);
    moved.push(agent);
  }
  for (const agent of moved) replica.release(agent, changes);
}
