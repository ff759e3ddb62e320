// The document as an editor sees it: indexes in UTF-16 units become ids and anchors, and back.
import { MAX_DELETE, codePoints } from "./compose.js";
import { LEFT, RIGHT } from "./event.js";
import { MAX_SEQ, type Agent } from "./ids.js";
import { merge } from "./merge.js";
import { Replica, addChange } from "./replica.js";
import type { Run } from "./run.js";
import { decodeState, encodeState } from "./state.js";
import type { Anchor, Change, IdRange, WireDelete, WireOp } from "./types.js";

/** Characters whose ids follow each other. */
export interface Piece extends IdRange {
  text: string;
}

/** A replica of one document. All indexes and lengths count UTF-16 units. An index inside a surrogate pair counts as
 * the one before the pair, and a range that has half a pair has all of it. Changes are added to the array that is
 * given, and made one after the other; neighbours are joined, also with the last one that is there. */
export class TextDoc extends Replica {
  /** A document from its canonical state. Throws {@link DecodeError}. */
  static decode(bytes: Uint8Array): TextDoc {
    const doc = new TextDoc();
    doc.become(decodeState(bytes));
    return doc;
  }

  /** The canonical state: the same bytes for the same events. Waiting events are not part of it. */
  encode(): Uint8Array {
    return encodeState(this);
  }

  get length(): number {
    return this.tree.length;
  }

  override toString(): string {
    return this.slice(0, this.length);
  }

  /** Half a surrogate pair at an end comes out as U+FFFD. */
  slice(from: number, to: number): string {
    return this.tree.text(Math.max(from, 0), Math.min(to, this.length));
  }

  /** Unites a canonical state, the format `binary` of a DOC_STATE, with this document. Throws {@link DecodeError}, or
   * {@link EventError} when the two cannot be of one document; then nothing has changed. */
  mergeState(bytes: Uint8Array, changes?: Change[]): void {
    this.merge(decodeState(bytes), changes);
  }

  /** @internal Unites another replica, which is used up, with this one. */
  merge(other: Replica, changes?: Change[]): void {
    if (this.version.size + this.waitingCount > 0) return merge(this, other, changes);
    this.become(other);
    if (this.length > 0 && changes) addChange(changes, 0, 0, this.toString());
  }

  /** A local insert: integrates at once, and advances `agent`'s version; the op's number is the agent's version
   * before. Should events wait for just these ids, they are applied too, and what they change is added to `changes`. */
  insert(agent: string, at: number, text: string, changes?: Change[]): WireOp {
    const { tree } = this;
    let run = tree.first;
    let off = 1;
    if (at > 0) {
      run = tree.runAt(at - 1);
      off = tree.nodes(run, at);
      const whole = tree.index(run, off);
      // Inside a pair.
      if (whole < at) return this.insert(agent, whole, text, changes);
    }
    return this.insertAfter(run, off, agent, at, text, changes);
  }

  /** @internal A local insert after `off` nodes of a run, which is unit `at`. */
  insertAfter(run: Run, off: number, agent: string, at: number, text: string, changes?: Change[]): WireOp {
    const { tree, ids } = this;
    let count = codePoints(text);
    if (count < 0) count = codePoints((text = text.replace(/\p{Surrogate}/gu, "\ufffd")));
    const owner = this.#owner(agent, at, at, count);
    if (count === 0) throw new RangeError("there is no text to insert");
    // When what stands next hangs below what stands before, the new node goes on the left of it, where nothing hangs
    // yet, since it is the first node of that subtree.
    const isLeft = off < run.len || run.next.gap >= run.depth + off;
    const parent = !isLeft ? run.lv + off - 1 : off < run.len ? run.lv + off : run.next.lv;
    const { end } = owner;
    const id = owner.prefix + end;
    const anchor = parent >= 0 ? ids.idOf(parent) : null;
    const lv = ids.push(owner, end, count);
    tree.chars.set(lv, count, text, 0);
    // No other node hangs there, so nothing has to be asked about siblings.
    if (off < run.len || !isLeft) tree.insert(run, off, lv, count, parent, isLeft ? LEFT : RIGHT, false);
    else tree.insert(run.next, 0, lv, count, parent, LEFT, false);
    this.#finish(owner, end + count, changes);
    return isLeft ? { type: "insert", id, text, right: anchor! } : { type: "insert", id, text, left: anchor };
  }

  /** A local delete, as an op for each range of consecutive ids. */
  delete(agent: string, at: number, len: number, changes?: Change[]): WireOp[] {
    const owner = this.#owner(agent, at, at + len, len);
    const gone: IdRange[] = [];
    this.tree.visit(at, len, true, (run, off, count) => note(this, gone, run.lv + off, count));
    return this.#deleted(owner, gone, changes);
  }

  /** @internal A local delete of what is visible of a range of ids, which is put into `gone`, an empty array. */
  deleteRange(agent: string, { agent: name, seq, len }: IdRange, gone: Piece[], changes: Change[]): WireOp[] {
    const owner = this.#owner(agent, 0, 0, len);
    const { tree } = this;
    this.eachPiece(this.ids.agent(name), seq, seq + len, (run, off, count) => {
      if (run.dead) return;
      notePieces(this, gone, run.lv + off, count);
      addChange(changes, tree.index(run, off), tree.units(run, off, count), "");
      tree.bury(run, off, count);
    });
    return this.#deleted(owner, gone, changes);
  }

  #deleted(owner: Agent, gone: IdRange[], changes?: Change[]): WireOp[] {
    const ops: WireDelete[] = [];
    let { end } = owner;
    for (let { agent, seq, len: rest } of gone) {
      for (; rest > 0; rest -= MAX_DELETE) {
        const count = Math.min(MAX_DELETE, rest);
        ops.push({ type: "delete", id: owner.prefix + end, target: agent + "-" + seq, len: count });
        end += count;
        seq += count;
      }
    }
    if (end > owner.end) this.#finish(owner, end, changes);
    return ops;
  }

  /** The agent of a local edit, which must end within the document and have `count` ids left. */
  #owner(agent: string, from: number, to: number, count: number): Agent {
    if (!(from >= 0 && from <= to && to <= this.length)) throw new RangeError(`${from} to ${to} is not within ${this.length} units`);
    const owner = this.ids.agent(agent);
    if (count > MAX_SEQ - owner.end) throw new RangeError(`agent ${agent} has used up its ids`);
    return owner;
  }

  #finish(agent: Agent, end: number, changes?: Change[]): void {
    this.advance(agent, end);
    this.release(agent, changes);
  }

  /** A place that stays beside the character before `at` (-1) or after it (1). */
  anchor(at: number, side: -1 | 1): Anchor {
    const { tree, ids, length } = this;
    const unit = side < 0 ? at - 1 : at;
    if (!(unit >= 0 && unit < length)) return { id: null, side };
    const run = tree.runAt(unit);
    return { id: ids.idOf(run.lv + tree.nodes(run, unit)), side };
  }

  /** Where an anchor is now; where its character is deleted, that is where it was. */
  position({ id, side }: Anchor): number {
    const { tree, ids } = this;
    const lv = id === null ? -1 : ids.parse(id).lvOf(ids.seq);
    if (lv === -1) return side < 0 ? 0 : this.length;
    const run = tree.locate(lv);
    return tree.index(run, lv - run.lv + (side < 0 ? 1 : 0));
  }
}

/** Adds the ids of nodes. */
function note({ ids }: TextDoc, out: IdRange[], lv: number, count: number): void {
  while (count > 0) {
    const range = ids.rangeOf(lv);
    const { name } = range.agent;
    const seq = range.seq + (lv - range.lv);
    const len = Math.min(count, range.lv + range.len - lv);
    const last = out.length > 0 && out[out.length - 1]!;
    if (last && last.agent === name && last.seq + last.len === seq) last.len += len;
    else out.push({ agent: name, seq, len });
    lv += len;
    count -= len;
  }
}

/** Whose characters are visible in a range, in the order of the document. */
export function idsAt(doc: TextDoc, at: number, len: number): IdRange[] {
  const out: IdRange[] = [];
  const end = Math.min(at + len, doc.length);
  if (at >= 0 && at < end) doc.tree.visit(at, end - at, false, (run, off, count) => note(doc, out, run.lv + off, count));
  return out;
}

/** What is visible in a range, in the order of the document, by ids that follow each other. */
export function piecesAt(doc: TextDoc, at: number, len: number): Piece[] {
  const out: Piece[] = [];
  const end = Math.min(at + len, doc.length);
  if (at >= 0 && at < end) doc.tree.visit(at, end - at, false, (run, off, count) => notePieces(doc, out, run.lv + off, count));
  return out;
}

/** Adds the ids of nodes, with their text. */
function notePieces(doc: TextDoc, out: Piece[], lv: number, count: number): void {
  while (count > 0) {
    const range = doc.ids.rangeOf(lv);
    const { name } = range.agent;
    const seq = range.seq + (lv - range.lv);
    const len = Math.min(count, range.lv + range.len - lv);
    const text = doc.tree.chars.text(lv, len);
    const last = out.length > 0 && out[out.length - 1]!;
    if (last && last.agent === name && last.seq + last.len === seq) {
      last.len += len;
      last.text += text;
    } else out.push({ agent: name, seq, len, text });
    lv += len;
    count -= len;
  }
}

/** Where those of a range of ids are that are still visible. */
export function find(doc: TextDoc, { agent, seq, len }: IdRange): { at: number; len: number }[] {
  const { tree, ids } = doc;
  const out: { at: number; len: number }[] = [];
  doc.eachPiece(ids.agent(agent), seq, seq + len, (run, off, count) => {
    if (run.dead) return;
    const at = tree.index(run, off);
    const units = tree.units(run, off, count);
    const last = out[out.length - 1];
    if (last && last.at + last.len === at) last.len += units;
    else out.push({ at, len: units });
  });
  return out;
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
export function insertBefore(doc: TextDoc, node: number, agent: string, text: string, changes: Change[]): WireOp {
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
