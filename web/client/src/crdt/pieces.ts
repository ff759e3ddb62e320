// Text by its ids: removed when it is deleted, and put back where it was. Undo is built on this.
import { type TextDoc, eachRange, follows, visitRange } from "./doc.js";
import type { LocalOp } from "./local.js";
import { addChange } from "./replica.js";
import type { Change, IdRange } from "./types.js";

/** Characters with consecutive ids. */
export interface Piece extends IdRange {
  text: string;
}

/** The visible text of a range, in document order, in pieces with consecutive ids. */
export function piecesAt(doc: TextDoc, at: number, len: number): Piece[] {
  const out: Piece[] = [];
  visitRange(doc, at, len, (lv, count) => notePieces(doc, out, lv, count));
  return out;
}

/** Adds the ids of nodes, with their text. */
function notePieces(doc: TextDoc, out: Piece[], lv: number, count: number): void {
  eachRange(doc, lv, count, (agent, seq, lv, len) => {
    const text = doc.tree.chars.text(lv, len);
    const last = out.at(-1);
    if (last && follows(last, agent, seq)) {
      last.len += len;
      last.text += text;
    } else out.push({ agent, seq, len, text });
  });
}

/** A local delete of the visible characters of a range of ids; `gone`, an empty array, receives them. */
export function deleteRange(doc: TextDoc, agent: string, { agent: name, seq, len }: IdRange, gone: Piece[], changes: Change[]): LocalOp[] {
  const { tree } = doc;
  const owner = doc.owner(agent, 0, 0, len);
  doc.eachPiece(doc.ids.agent(name), seq, seq + len, (run, off, count) => {
    if (run.dead) return;
    notePieces(doc, gone, run.lv + off, count);
    addChange(changes, tree.index(run, off), tree.units(run, off, count), "");
    tree.bury(run, off, count);
  });
  return doc.deleted(owner, gone, changes);
}

/** Adjacent nodes in document order: nothing else is between the first and the last of them. */
export interface Stretch {
  first: number;
  last: number;
  len: number;
}

/** Where the characters with these ids are, deleted or not, in the order of the ids. Ids without a character become a
 * stretch from -1 to -1. */
export function stretches(doc: TextDoc, { agent, seq, len }: IdRange): Stretch[] {
  const { tree, ids } = doc;
  const owner = ids.agent(agent);
  const out: Stretch[] = [];
  for (let count = 1; len > 0; seq += count, len -= count) {
    const first = owner.lvOf(seq);
    if (first < 0) count = 1;
    else {
      const run = tree.locate(first);
      const range = ids.rangeOf(first);
      count = Math.min(run.lv + run.len - first, range.lv + range.len - first, len);
    }
    const last = first < 0 ? -1 : first + count - 1;
    const before = out[out.length - 1];
    if (before && stand(doc, before.last, first)) {
      before.last = last;
      before.len += count;
    } else out.push({ first, last, len: count });
  }
  return out;
}

/** Whether the second node directly follows the first, with not even a tombstone in between. */
export function stand(doc: TextDoc, node: number, next: number): boolean {
  if (node < 0 || next < 0) return node === next;
  const run = doc.tree.locate(node);
  return (node + 1 < run.lv + run.len ? node + 1 : run.next.lv) === next;
}

/** A local insert directly before a node, which may be a tombstone, so that text returns to its place; -1 is the end.
 * */
export function insertBefore(doc: TextDoc, node: number, agent: string, text: string, changes: Change[]): LocalOp {
  const { tree } = doc;
  if (node < 0) {
    addChange(changes, doc.length, 0, text);
    return doc.insert(agent, doc.length, text, changes);
  }
  const run = tree.locate(node);
  const off = node - run.lv;
  const at = tree.index(run, off);
  addChange(changes, at, 0, text);
  return off > 0 ? doc.insertAfter(run, off, agent, at, text, changes) : doc.insertAfter(run.prev, run.prev.len, agent, at, text, changes);
}
