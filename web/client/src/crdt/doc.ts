// The document as an editor sees it: indexes in UTF-16 units become ids and anchors, and back.
import { Changes } from "./changes.js";
import { MAX_DELETE, codePoints } from "./compose.js";
import { MAX_SEQ, idText, isAgent, parseId } from "./id.js";
import type { Agent } from "./ids.js";
import { merge, readSpans, spansOf } from "./merge.js";
import { Replica } from "./replica.js";
import { decodeState } from "./restore.js";
import { LEFT, RIGHT, type Run, type Side } from "./run.js";
import { encodeState } from "./state.js";
import type { Anchor, Applied, Change, IdRange, WireDelete, WireEvent, WireOp } from "./types.js";

/** A replica of one document. All indexes and lengths count UTF-16 units. An index inside a surrogate pair counts as
 * the one before the pair, and a range that has half a pair has all of it. */
export class TextDoc {
  /** @internal */
  replica = new Replica();

  /** A document from its canonical state. Throws {@link DecodeError}. */
  static decode(bytes: Uint8Array): TextDoc {
    const doc = new TextDoc();
    doc.replica = decodeState(bytes);
    return doc;
  }

  /** The canonical state: the same bytes for the same events. Waiting events are not part of it. */
  encode(): Uint8Array {
    return encodeState(this.replica);
  }

  /** Unites a DOC_STATE of format `ops` with this document. On an {@link EventError} nothing has changed. */
  mergeOps(ops: WireOp[], version: Record<string, number>, changes?: Change[]): void {
    merge(this.replica, readSpans(ops), Object.entries(version), changes ? new Changes(changes) : null);
  }

  /** Unites a DOC_STATE of format `binary` with this document. */
  mergeState(bytes: Uint8Array, changes?: Change[]): void {
    const other = decodeState(bytes);
    if (this.replica.ids.agents.size > 0 || this.waitingCount > 0) {
      return merge(this.replica, spansOf(other), [...other.version], changes ? new Changes(changes) : null);
    }
    this.replica = other;
    if (this.length > 0) changes?.push({ at: 0, del: 0, ins: this.toString() });
  }

  get length(): number {
    return this.replica.tree.length;
  }

  toString(): string {
    return this.replica.tree.text(0, this.length);
  }

  slice(from: number, to: number): string {
    return this.replica.tree.text(Math.max(from, 0), Math.min(to, this.length));
  }

  /** What has been applied: of each agent, the end of its chain. */
  get version(): ReadonlyMap<string, number> {
    return this.replica.version;
  }

  /** How many events cannot be applied yet. */
  get waitingCount(): number {
    return this.replica.waiting.count;
  }

  /** A local insert: integrates at once, and advances `agent`'s version; the op's number is the agent's version
   * before. Should events wait for just these ids, they are applied too, and their changes are added to `changes`. */
  insert(agent: string, at: number, text: string, changes?: Change[]): WireOp {
    const { tree, ids } = this.replica;
    text = wellFormed(text);
    const count = codePoints(text);
    const owner = this.#owner(agent, at, at, count);
    if (count === 0) throw new RangeError("there is no text to insert");
    let run: Run = tree.first;
    let off = 1;
    if (at > 0) {
      run = tree.runAt(at - 1);
      off = tree.nodesBefore(run, at - tree.runStart);
      // Inside a pair: nodes are whole characters, so this is the place before it.
      at = tree.runStart + tree.unitsOf(run, 0, off);
      if (off === 0) [run, off] = this.#before(run, at);
    }
    const depth = run.depth + off;
    const next = off < run.len ? run : run.next;
    const place = { run, off, depth, gap: depth, nextGap: 0 };
    let parent = run.lv + off - 1;
    let side: Side = RIGHT;
    if (off < run.len || (next !== null && next.gap >= depth)) {
      // What stands next hangs below what stands before: the new node goes on the left of it, where nothing hangs yet,
      // since it is the first node of that subtree.
      place.run = next!;
      if (off === run.len) place.off = 0;
      parent = next!.lv + place.off;
      place.depth = place.nextGap = next!.depth + place.off + 1;
      if (place.off === 0) place.gap = next!.gap;
      side = LEFT;
    }
    const seq = owner.end;
    this.replica.putAt(place, ids.push(owner, seq, count), count, text, parent, side, at);
    const id = idText(agent, seq);
    const anchor = parent < 0 ? null : ids.idOf(parent);
    this.#finish(owner, seq + count, changes);
    return side === LEFT ? { type: "insert", id, text, right: anchor! } : { type: "insert", id, text, left: anchor };
  }

  /** The place after the visible character before a run that begins at index `at`. */
  #before(run: Run, at: number): [Run, number] {
    const { tree } = this.replica;
    if (at === 0) return [tree.first, 1];
    run = tree.runAt(at - 1);
    return [run, run.len];
  }

  /** A local delete, as an op for each range of consecutive ids. */
  delete(agent: string, at: number, len: number, changes?: Change[]): WireOp[] {
    const { tree } = this.replica;
    const ranges = this.ids(at, len);
    const owner = this.#owner(agent, at, at + len, ranges.reduce((sum, range) => sum + range.len, 0));
    if (ranges.length === 0) return [];
    const ops: WireDelete[] = [];
    let seq = owner.end;
    for (const range of ranges) {
      for (let done = 0; done < range.len; done += MAX_DELETE) {
        const count = Math.min(MAX_DELETE, range.len - done);
        ops.push({ type: "delete", id: idText(agent, seq), target: idText(range.agent, range.seq + done), len: count });
        seq += count;
      }
    }
    let run = tree.runAt(at);
    const off = tree.nodesBefore(run, at - tree.runStart);
    at = tree.runStart + tree.unitsOf(run, 0, off);
    for (let rest = seq - owner.end; rest > 0; ) {
      // What is deleted is gone from the index, so the next piece is again the one at `at`.
      run = tree.runAt(at);
      const off = tree.nodesBefore(run, at - tree.runStart);
      const piece = Math.min(rest, run.len - off);
      tree.bury(run, off, piece, at);
      rest -= piece;
    }
    this.#finish(owner, seq, changes);
    return ops;
  }

  /** The agent of a local edit, which must end within the document and have `count` ids left. */
  #owner(agent: string, from: number, to: number, count: number): Agent {
    if (!(from >= 0 && to <= this.length)) throw new RangeError(`${from}–${to} is outside of the text, which ends at ${this.length}`);
    let owner = this.replica.ids.find(agent);
    if (!owner) {
      if (!isAgent(agent)) throw new RangeError(`not an agent: ${agent}`);
      owner = this.replica.ids.findOrAdd(agent);
    }
    if (owner.end + count > MAX_SEQ) throw new RangeError(`agent ${agent} has used up its ids`);
    return owner;
  }

  #finish(agent: Agent, end: number, changes?: Change[]): void {
    this.replica.advance(agent, end);
    this.replica.release(agent.name, changes ? new Changes(changes) : null);
  }

  /** Applies an event, or keeps it until it can be; what an editor has to change is added to `changes`. Throws
   * {@link EventError} on an event that breaks the rules. */
  apply(event: WireEvent, changes?: Change[]): Applied {
    return this.replica.receive(event, changes ? new Changes(changes) : null);
  }

  /** A place that stays beside the character before `at` (-1) or after it (1). */
  anchor(at: number, side: -1 | 1): Anchor {
    const { tree, ids } = this.replica;
    const unit = side < 0 ? Math.min(at, this.length) - 1 : at;
    if (unit < 0 || unit >= this.length) return { id: null, side };
    const run = tree.runAt(unit);
    return { id: ids.idOf(run.lv + tree.nodesBefore(run, unit - tree.runStart)), side };
  }

  /** Where an anchor is now; where its character is deleted, that is where it was. */
  position(anchor: Anchor): number {
    const { tree, ids } = this.replica;
    const id = anchor.id === null ? null : parseId(anchor.id);
    const lv = (id && ids.find(id.agent)?.lvOf(id.seq)) ?? -1;
    if (lv === -1) return anchor.side < 0 ? 0 : this.length;
    const run = tree.locate(lv);
    return tree.indexOf(run) + tree.unitsOf(run, 0, lv - run.lv + (anchor.side < 0 ? 1 : 0));
  }

  /** Whose characters are visible in a range, in the order of the document. */
  ids(at: number, len: number): IdRange[] {
    const { tree, ids } = this.replica;
    const out: IdRange[] = [];
    const end = Math.min(at + len, this.length);
    if (at < 0 || at >= end) return out;
    let run: Run | null = tree.runAt(at);
    let start = tree.runStart;
    for (; run !== null && start < end; run = run.next) {
      if (run.dead) continue;
      let from = tree.nodesBefore(run, Math.max(at - start, 0));
      const to = end - start >= run.units ? run.len : tree.nodesBefore(run, end - start - 1) + 1;
      for (let lv = run.lv + from; from < to; lv = run.lv + from) {
        const range = ids.rangeOf(lv);
        const seq = range.seq + lv - range.lv;
        const count = Math.min(to - from, range.lv + range.len - lv);
        const last = out[out.length - 1];
        if (last !== undefined && last.agent === range.agent.name && last.seq + last.len === seq) last.len += count;
        else out.push({ agent: range.agent.name, seq, len: count });
        from += count;
      }
      start += run.units;
    }
    return out;
  }

  /** Where those of a range of ids are that are still visible. */
  find(range: IdRange): { at: number; len: number }[] {
    const { tree } = this.replica;
    const out: { at: number; len: number }[] = [];
    this.replica.ids.find(range.agent)?.eachNode(range.seq, range.seq + range.len, (lv, count) => {
      for (const end = lv + count; lv < end; ) {
        const run = tree.locate(lv);
        const off = lv - run.lv;
        const nodes = Math.min(run.len - off, end - lv);
        lv += nodes;
        if (run.dead) continue;
        const at = tree.indexOf(run) + tree.unitsOf(run, 0, off);
        const len = tree.unitsOf(run, off, nodes);
        const last = out[out.length - 1];
        if (last !== undefined && last.at + last.len === at) last.len += len;
        else out.push({ at, len });
      }
    });
    return out;
  }
}

/** Text without halves of surrogate pairs. */
function wellFormed(text: string): string {
  return codePoints(text) >= 0 ? text : text.replace(/\p{Surrogate}/gu, "\ufffd");
}
