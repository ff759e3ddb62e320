// Text by its ids: taken out as it is deleted, and put back where it stood. Undo is made of this.
import { type TextDoc, eachRange, follows, visitRange } from "./doc.js";
import type { LocalOp } from "./local.js";
import { addChange } from "./replica.js";
import type { Change, IdRange } from "./types.js";

/** Characters whose ids follow each other. */
export interface Piece extends IdRange {
  text: string;
}

/** What is visible in a range, in the order of the document, by ids that follow each other. */
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

/** A local delete of what is visible of a range of ids, which is put into `gone`, an empty array. */
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

/** Where nodes stand in the order of the document: nothing stands between the first and the last of them. */
export interface Stretch {
  first: number;
  last: number;
  len: number;
}

/** Where the characters with these ids stand, deleted or not, in the order of the ids. What is no character's id is a
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

/** Whether nothing stands between two nodes, in this order, not even what is deleted. */
export function stand(doc: TextDoc, node: number, next: number): boolean {
  if (node < 0 || next < 0) return node === next;
  const run = doc.tree.locate(node);
  return (node + 1 < run.lv + run.len ? node + 1 : run.next.lv) === next;
}

/** A local insert right before a node, which may be deleted: text comes back to where that stood. At the end for -1. */
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
