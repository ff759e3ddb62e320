// Undo and redo of one's own edits only. A step holds ids, not positions: what was inserted is deleted where it is
// now, as far as it is still there; what was deleted comes back at its tombstones' place, under new ids, which take
// the old ones' place in the steps below and above.

import type { Change, IdRange } from "./crdt/index.js";
import { idText } from "./sync/ids.js";
import type { Core } from "./sync/core.js";

const STEPS_MAX = 1_000;

/** Ids that were inserted, or, with their text, deleted. */
interface Piece extends IdRange {
  text?: string;
}

export class History {
  readonly undoable: Piece[][] = [];
  readonly redoable: Piece[][] = [];
  #current: Piece[] = [];
  /** Ids before which something was inserted here: what was one run before is not any more, though all be deleted. */
  readonly #cuts = new Set<string>();
  #at = -Infinity;
  readonly #core: Core;
  readonly #mergeMs: number;

  constructor(core: Core, mergeMs: number) {
    this.#core = core;
    this.#mergeMs = mergeMs;
  }

  /** Deletes, and notes what. */
  delete(at: number, len: number, now: number): void {
    this.#note(this.#remove(at, len), now);
  }

  /** Inserts, and notes what; gives the text as it was inserted. */
  insert(at: number, text: string, now: number): string {
    const { agent, end: seq } = this.#core.own;
    const left = at > 0 && this.#core.doc.ids(at - 1, 1)[0];
    if (left && !(left.agent === agent && left.seq + 1 === seq)) this.#cuts.add(idText(left.agent, left.seq + 1));
    const inserted = this.#core.insert(at, text);
    this.#note([{ agent, seq, len: this.#core.own.end - seq }], now);
    return inserted;
  }

  /** Takes back the last step of one stack, and puts what makes that undone onto the other. */
  take(from: Piece[][], to: Piece[][], changes: Change[]): void {
    const step = from.at(-1)!;
    const inverse: Piece[] = (this.#current = []);
    // What is not taken back yet stays in its stack, so that it gets new names, too.
    for (let piece; (piece = step.pop()); ) {
      if (piece.text !== undefined) this.#restore(piece, [...piece.text], changes);
      else {
        const found = this.#core.doc.find(piece).sort((a, b) => b.at - a.at);
        for (const { at, len } of found) {
          inverse.push(...this.#remove(at, len));
          changes.push({ at, del: len, ins: "" });
        }
      }
    }
    from.pop();
    if (inverse.length) to.push(inverse);
    this.#current = [];
    this.#at = -Infinity;
  }

  /** Ids have new names. */
  rename(old: IdRange, now: Omit<IdRange, "len">): void {
    for (const steps of [this.undoable, this.redoable, [this.#current]]) {
      for (const step of steps) {
        const after = step.flatMap((piece) => renamedPieces(piece, old, now));
        step.splice(0, Infinity, ...after);
      }
    }
  }

  #note(pieces: Piece[], now: number): void {
    const { undoable } = this;
    if (now - this.#at > this.#mergeMs || !undoable.length) undoable.push([]);
    if (undoable.length > STEPS_MAX) undoable.shift();
    this.#at = now;
    this.redoable.length = 0;
    const step = undoable.at(-1)!;
    for (const piece of pieces) {
      const last = step.at(-1);
      const follows = last && last.agent === piece.agent && last.seq + last.len === piece.seq;
      // Typing is one piece.
      if (follows && last.text === undefined && piece.text === undefined) last.len += piece.len;
      else step.push(piece);
    }
  }

  #remove(at: number, len: number): Piece[] {
    const { doc } = this.#core;
    const chars = [...doc.slice(at, at + len)];
    const pieces = doc.ids(at, len).map((ids) => ({ ...ids, text: chars.splice(0, ids.len).join("") }));
    this.#core.delete(at, len);
    return pieces;
  }

  /** A run comes back in one, or, where something was written between its characters, in several. */
  #restore({ agent, seq }: IdRange, chars: string[], changes: Change[]): void {
    const { length: len } = chars;
    const place = (i: number) => this.#core.doc.position({ id: idText(agent, seq + i), side: 1 });
    let cut = place(0) === place(len - 1) ? 0 : len >> 1;
    for (let i = 1; i < len && !cut; i++) if (this.#cuts.has(idText(agent, seq + i))) cut = i;
    if (cut) {
      this.#restore({ agent, seq, len: cut }, chars.slice(0, cut), changes);
      this.#restore({ agent, seq: seq + cut, len: len - cut }, chars.slice(cut), changes);
      return;
    }
    const ids = this.#core.restore({ agent, seq, len }, chars.join(""), changes);
    this.rename({ agent, seq, len }, ids);
    this.#cuts.add(idText(ids.agent, ids.seq));
    this.#current.push(ids);
  }
}

/** A piece under new names, as far as they concern it. */
function renamedPieces(piece: Piece, old: IdRange, now: Omit<IdRange, "len">): Piece[] {
  const from = Math.max(piece.seq, old.seq);
  const to = Math.min(piece.seq + piece.len, old.seq + old.len);
  if (piece.agent !== old.agent || from >= to) return [piece];
  const chars = piece.text === undefined ? null : [...piece.text];
  const part = (agent: string, seq: number, start: number, end: number): Piece => ({
    agent,
    seq,
    len: end - start,
    ...(chars && { text: chars.slice(start - piece.seq, end - piece.seq).join("") }),
  });
  return [
    part(piece.agent, piece.seq, piece.seq, from),
    part(now.agent, now.seq + from - old.seq, from, to),
    part(piece.agent, to, to, piece.seq + piece.len),
  ].filter(({ len }) => len);
}
