// What two replicas say of the same ids, so that a log that forgot is told from one that lags.

import type { Replica } from "../crdt/replica.js";

/** Agents whose chains end later in one version than in another, and where. */
export const ahead = (ours: ReadonlyMap<string, number>, theirs: ReadonlyMap<string, number>): [agent: string, end: number][] =>
  [...ours].filter(([agent, end]) => end > (theirs.get(agent) ?? 0));

/**
 * Whether both have the same characters under the ids that both know, as far as neither has deleted them. Linear in
 * the size of `ours`.
 */
export function agree(ours: Replica, theirs: Replica, known: ReadonlyMap<string, number>): boolean {
  for (const [name, end] of known) {
    const limit = Math.min(end, theirs.version.get(name) ?? 0);
    const agent = theirs.ids.agent(name);
    let [same, count] = [true, 0];
    ours.eachPiece(ours.ids.agent(name), 0, limit, (run, off, len) => {
      const { seq } = ours.ids.idOf(run.lv + off);
      let missing = len;
      theirs.eachPiece(agent, seq, seq + len, (other, otherOff, otherLen) => {
        missing -= otherLen;
        if (run.dead || other.dead) return;
        const lv = other.lv + otherOff;
        const from = theirs.ids.idOf(lv).seq - seq;
        same &&= ours.tree.chars.text(run.lv + off + from, otherLen) === theirs.tree.chars.text(lv, otherLen);
      });
      same &&= missing === 0;
      count += len;
    });
    theirs.eachPiece(agent, 0, limit, (_run, _off, len) => (count -= len));
    if (!same || count !== 0) return false;
  }
  return true;
}
