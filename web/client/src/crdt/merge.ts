// Merges another replica's state into this one: first checks it as a whole, then inserts it.
import { EventError } from "./errors.js";
import { Op, RIGHT } from "./event.js";
import { idText } from "./ids.js";
import type { Changes, Replica } from "./replica.js";

/** The whole state as inserts, ordered by id, with the numbers of their nodes and without their text. */
export function stateOf(replica: Replica): Op[] {
  const { ids } = replica;
  const ops: Op[] = [];
  for (const agent of ids.byName()) {
    replica.eachPiece(agent, 0, Infinity, (run, off, count) => {
      const lv = run.lv + off;
      const parent = off > 0 ? lv - 1 : run.parent;
      const origin = parent < 0 ? null : ids.idOf(parent);
      const side = off > 0 ? RIGHT : run.side;
      const text = run.dead ? null : "";
      const { seq } = ids.idOf(lv);
      ops.push(new Op(agent, seq, count, text, side, origin && origin.agent, origin ? origin.seq : 0, lv, run.depth + off));
    });
  }
  return ops;
}

/** Merges the state of another replica into this one, nodes, tombstones and versions, and consumes it. Throws, with
 * nothing changed, if the two cannot be states of one document. */
export function merge(replica: Replica, other: Replica, changes: Changes): void {
  const { ids } = replica;
  const ops = stateOf(other);
  const knownOf = ({ agent, seq, count }: Op) => Math.min(Math.max(agent.end - seq, 0), count);
  for (const op of ops) {
    op.agent = ids.agent(op.agent.name);
    if (op.ref) op.ref = ids.agent(op.ref.name);
    // Every known id must be a node here too.
    let missing = knownOf(op);
    op.agent.eachNode(op.seq, op.seq + missing, (_, len) => (missing -= len));
    if (missing > 0) throw new EventError(`${idText(op)} contradicts this document`);
  }
  const fresh: Op[] = [];
  for (const op of ops) {
    const { agent, seq } = op;
    const known = knownOf(op);
    if (op.text === null) replica.deleteIds(agent, seq, seq + known, changes);
    if (known === op.count) continue;
    if (op.text !== null) op.text = other.tree.chars.text(op.lv + known, op.count - known);
    if (known > 0) {
      op.seq += known;
      op.count -= known;
      op.depth += known;
      op.ref = agent;
      op.refSeq = op.seq - 1;
      op.side = RIGHT;
    }
    op.lv = ids.push(agent, op.seq, op.count);
    fresh.push(op);
  }
  // A parent is less deep than its children.
  for (const op of fresh.sort((a, b) => a.depth - b.depth)) replica.put(op, changes);
  replica.reach(other.version, changes);
}
