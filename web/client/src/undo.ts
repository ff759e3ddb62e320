// Undo and redo of one's own edits only. A step holds ids, not positions: what was inserted is deleted where it is
// now, as far as it is still there; what was deleted comes back at its tombstones' place, under new ids, which take
// the old ones' place in the steps below and above.

import { find, idsAt, insertBefore } from "./crdt/doc.js";
import type { Change, IdRange } from "./crdt/index.js";
import { idText } from "./sync/ids.js";
import type { InklogDocument } from "./document.js";

const STEPS_MAX = 1_000;
const MERGE_MS = 500;

const histories = new WeakMap<InklogDocument, History>();

/** Undo of a document, which begins to take notes when it is first asked for; then it is the same one. */
export function undoOf(doc: InklogDocument): History {
  const history = histories.get(doc) ?? new History(doc);
  histories.set(doc, history);
  return history;
}

/** Ids that were inserted, or, with their text, deleted. */
interface Piece extends IdRange {
  text?: string;
}

/** The steps of one document, in this tab. */
export class History {
  /** Edits that follow each other within this many milliseconds are one step. */
  mergeMs = MERGE_MS;
  readonly #undoable: Piece[][] = [];
  readonly #redoable: Piece[][] = [];
  #current: Piece[] = [];
  /** Ids before which something was inserted here: what was one run before is not any more, though all be deleted. */
  readonly #cuts = new Set<string>();
  #at = -Infinity;
  #told = "false false";
  readonly #doc: InklogDocument;

  /** @internal See {@link undoOf}. */
  constructor(doc: InklogDocument) {
    this.#doc = doc;
    doc.core.note = (at, del, ins) => this.#edit(at, del, ins);
    doc.on("renamed", ({ agent, seq, to }) => this.#rename({ agent, seq, len: Infinity }, { agent: to, seq: 0 }));
    doc.turns.push(() => this.#tell());
  }

  get canUndo(): boolean {
    return this.#undoable.length > 0;
  }

  get canRedo(): boolean {
    return this.#redoable.length > 0;
  }

  /** Takes back the last own edits; says whether anything changed. */
  undo(): boolean {
    return this.#step("undo", this.#undoable, this.#redoable);
  }

  redo(): boolean {
    return this.#step("redo", this.#redoable, this.#undoable);
  }

  #step(what: "undo" | "redo", from: Piece[][], to: Piece[][]): boolean {
    let isMade = false;
    this.#doc.core.change(what, (changes) => {
      // A step of which others have left nothing is skipped.
      while (!changes.length && from.length) this.#take(from, to, changes);
      isMade = changes.length > 0;
    });
    this.#doc.flush();
    return isMade;
  }

  #tell(): number {
    const { canUndo, canRedo } = this;
    const told = `${canUndo} ${canRedo}`;
    if (told !== this.#told) this.#doc.core.updates.push(["undo", { canUndo, canRedo }]);
    this.#told = told;
    return Infinity;
  }

  /** Notes what is deleted, and, when the edit is made, what was inserted. */
  #edit(at: number, del: number, ins: string): () => void {
    const { doc, own: { agent, end } } = this.#doc.core;
    const deleted = this.#piecesOf(at, del);
    const left = ins && at > 0 && idsAt(doc, at - 1, 1)[0];
    if (left && (del || left.agent !== agent || left.seq + 1 !== end)) this.#cuts.add(idText(left.agent, left.seq + 1));
    return () => {
      const seq = deleted.reduce((seq, { len }) => seq + len, end);
      const len = this.#doc.core.own.end - seq;
      this.#note(len ? [...deleted, { agent, seq, len }] : deleted);
    };
  }

  /** Takes back the last step of one stack, and puts what makes that undone onto the other. */
  #take(from: Piece[][], to: Piece[][], changes: Change[]): void {
    const step = from.at(-1)!;
    const inverse: Piece[] = (this.#current = []);
    // What is not taken back yet stays in its stack, so that it gets new names, too.
    for (let piece; (piece = step.pop()); ) {
      if (piece.text !== undefined) this.#restore(piece, [...piece.text], changes);
      else {
        const found = find(this.#doc.core.doc, piece).sort((a, b) => b.at - a.at);
        for (const { at, len } of found) {
          inverse.push(...this.#piecesOf(at, len));
          this.#doc.core.delete(at, len);
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
  #rename(old: IdRange, now: Omit<IdRange, "len">): void {
    for (const steps of [this.#undoable, this.#redoable, [this.#current]]) {
      for (const step of steps) {
        const after = step.flatMap((piece) => renamedPieces(piece, old, now));
        step.splice(0, Infinity, ...after);
      }
    }
  }

  #note(pieces: Piece[]): void {
    if (!pieces.length) return;
    const undoable = this.#undoable;
    const now = this.#doc.env.performance.now();
    if (now - this.#at > this.mergeMs || !undoable.length) undoable.push([]);
    if (undoable.length > STEPS_MAX) undoable.shift();
    this.#at = now;
    this.#redoable.length = 0;
    const step = undoable.at(-1)!;
    for (const piece of pieces) {
      const last = step.at(-1);
      const follows = last && last.agent === piece.agent && last.seq + last.len === piece.seq;
      // Typing is one piece.
      if (follows && last.text === undefined && piece.text === undefined) last.len += piece.len;
      else step.push(piece);
    }
  }

  #piecesOf(at: number, len: number): Piece[] {
    const { doc } = this.#doc.core;
    const chars = [...doc.slice(at, at + len)];
    return idsAt(doc, at, len).map((ids) => ({ ...ids, text: chars.splice(0, ids.len).join("") }));
  }

  /** Inserts text where a deleted character was; gives its ids. */
  #insertAt(id: string, text: string, changes: Change[]): IdRange {
    const { core } = this.#doc;
    const { agent, end: seq } = core.own;
    changes.push({ at: core.doc.position({ id, side: 1 }), del: 0, ins: text });
    core.push(insertBefore(core.doc, id, agent, text, changes));
    return { agent, seq, len: core.own.end - seq };
  }

  /** A run comes back in one, or, where something was written between its characters, in several. */
  #restore({ agent, seq }: IdRange, chars: string[], changes: Change[]): void {
    const { length: len } = chars;
    const place = (i: number) => this.#doc.core.doc.position({ id: idText(agent, seq + i), side: 1 });
    let cut = place(0) === place(len - 1) ? 0 : len >> 1;
    for (let i = 1; i < len && !cut; i++) if (this.#cuts.has(idText(agent, seq + i))) cut = i;
    if (cut) {
      this.#restore({ agent, seq, len: cut }, chars.slice(0, cut), changes);
      this.#restore({ agent, seq: seq + cut, len: len - cut }, chars.slice(cut), changes);
      return;
    }
    const ids = this.#insertAt(idText(agent, seq), chars.join(""), changes);
    this.#rename({ agent, seq, len }, ids);
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
