// The document as an editor sees it: converts indexes in UTF-16 units to ids and anchors, and back.
import { codePoints } from "./chars.js";
import { LEFT, RIGHT } from "./event.js";
import { MAX_DELETE, MAX_SEQ, type Agent, idText } from "./ids.js";
import type { LocalOp } from "./local.js";
import { merge } from "./merge.js";
import { Replica, addChange } from "./replica.js";
import type { Run } from "./run.js";
import { decodeState, encodeState } from "./state.js";
import type { Anchor, Change, IdRange } from "./types.js";

/** A replica of one document. All indexes and lengths count UTF-16 units. An index inside a surrogate pair counts as
 * the one before the pair, and a range that includes half a pair includes all of it. Changes are appended to the given
 * array, to be applied one after the other; adjacent ones are joined, also with the last one already there. */
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

  /** Half a surrogate pair at either end becomes U+FFFD. */
  slice(from: number, to: number): string {
    return this.tree.text(Math.max(from, 0), Math.min(to, this.length));
  }

  /** Merges a canonical state, the format `binary` of a DOC_STATE, into this document. Throws {@link DecodeError}, or
   * {@link EventError} if the two cannot be states of one document; nothing has changed then. */
  mergeState(bytes: Uint8Array, changes?: Change[]): void {
    this.merge(decodeState(bytes), changes);
  }

  /** @internal Merges another replica into this one, and consumes it. */
  merge(other: Replica, changes?: Change[]): void {
    if (this.version.size + this.waitingCount > 0) return merge(this, other, changes);
    this.become(other);
    if (this.length > 0 && changes) addChange(changes, 0, 0, this.toString());
  }

  /** A local insert: integrates at once, and advances `agent`'s version; the op's `seq` is the agent's previous
   * version. Its text is well-formed: half a surrogate pair becomes U+FFFD. Events that were waiting for these ids are
   * applied too, and their changes are added to `changes`. */
  insert(agent: string, at: number, text: string, changes?: Change[]): LocalOp {
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

  /** @internal A local insert after `off` nodes of a run, at unit `at`. */
  insertAfter(run: Run, off: number, agent: string, at: number, text: string, changes?: Change[]): LocalOp {
    const { tree, ids } = this;
    let count = codePoints(text);
    if (count < 0) {
      text = text.replace(/\p{Surrogate}/gu, "\ufffd");
      count = codePoints(text);
    }
    const owner = this.owner(agent, at, at, count);
    if (count === 0) throw new RangeError("there is no text to insert");
    // If the next node descends from the previous one, the new node becomes the next node's left child. It has none
    // yet, because it is the first node of its subtree.
    const isLeft = off < run.len || run.next.gap >= run.depth + off;
    const parent = !isLeft ? run.lv + off - 1 : off < run.len ? run.lv + off : run.next.lv;
    const { end: seq } = owner;
    const origin = parent >= 0 ? ids.idOf(parent) : null;
    const lv = ids.push(owner, seq, count);
    tree.chars.set(lv, count, text, 0);
    // There are no siblings at this place, so their order does not matter.
    if (off < run.len || !isLeft) tree.insert(run, off, lv, count, parent, isLeft ? LEFT : RIGHT, false);
    else tree.insert(run.next, 0, lv, count, parent, LEFT, false);
    this.#finish(owner, seq + count, changes);
    return { seq, count, text, side: isLeft ? LEFT : RIGHT, ref: origin && origin.agent.name, refSeq: origin ? origin.seq : 0 };
  }

  /** A local delete, as an op for each range of consecutive ids. */
  delete(agent: string, at: number, len: number, changes?: Change[]): LocalOp[] {
    const owner = this.owner(agent, at, at + len, len);
    const gone: IdRange[] = [];
    this.tree.visit(at, len, true, (run, off, count) => note(this, gone, run.lv + off, count));
    return this.deleted(owner, gone, changes);
  }

  /** @internal The ops of a local delete whose targets are already tombstones. */
  deleted(owner: Agent, gone: readonly IdRange[], changes?: Change[]): LocalOp[] {
    const ops: LocalOp[] = [];
    let { end } = owner;
    for (let { agent, seq, len: rest } of gone) {
      for (; rest > 0; rest -= MAX_DELETE) {
        const count = Math.min(MAX_DELETE, rest);
        ops.push({ seq: end, count, text: null, side: RIGHT, ref: agent, refSeq: seq });
        end += count;
        seq += count;
      }
    }
    if (end > owner.end) this.#finish(owner, end, changes);
    return ops;
  }

  /** @internal The agent of a local edit, which must end within the document and have `count` ids left. */
  owner(agent: string, from: number, to: number, count: number): Agent {
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
    return { id: idText(ids.idOf(run.lv + tree.nodes(run, unit))), side };
  }

  /** The anchor's current index; if its character is deleted, the index where it was. */
  position({ id, side }: Anchor): number {
    const { tree, ids } = this;
    const place = id === null ? null : ids.parse(id);
    const lv = place ? place.agent.lvOf(place.seq) : -1;
    if (lv === -1) return side < 0 ? 0 : this.length;
    const run = tree.locate(lv);
    return tree.index(run, lv - run.lv + (side < 0 ? 1 : 0));
  }
}

/** @internal Calls back with the ids of `count` nodes from `lv` on, in ranges. */
export function eachRange({ ids }: TextDoc, lv: number, count: number, visit: (agent: string, seq: number, lv: number, len: number) => void): void {
  for (const end = lv + count; lv < end; ) {
    const range = ids.rangeOf(lv);
    const len = Math.min(end, range.lv + range.len) - lv;
    visit(range.agent.name, range.seq + (lv - range.lv), lv, len);
    lv += len;
  }
}

/** Adds the ids of nodes. */
function note(doc: TextDoc, out: IdRange[], lv: number, count: number): void {
  eachRange(doc, lv, count, (agent, seq, _, len) => {
    const last = out.at(-1);
    if (last && follows(last, agent, seq)) last.len += len;
    else out.push({ agent, seq, len });
  });
}

/** Whether an id comes right after those of a range. */
export const follows = (last: IdRange, agent: string, seq: number): boolean => last.agent === agent && last.seq + last.len === seq;

/** @internal Calls back with the visible pieces of a range of ids, in document order. */
export function visitRange(doc: TextDoc, at: number, len: number, visit: (lv: number, count: number) => void): void {
  const end = Math.min(at + len, doc.length);
  if (at >= 0 && at < end) doc.tree.visit(at, end - at, false, (run, off, count) => visit(run.lv + off, count));
}

/** The ids of the visible characters in a range, in document order. */
export function idsAt(doc: TextDoc, at: number, len: number): IdRange[] {
  const out: IdRange[] = [];
  visitRange(doc, at, len, (lv, count) => note(doc, out, lv, count));
  return out;
}

/** Where the still visible characters of a range of ids are. */
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
