// Undo and redo of the user's own edits only. A step holds ids, not positions: undoing an insert deletes what is left
// of it, wherever it is now; undoing a delete inserts the text again at its tombstones, under new ids, which replace
// the old ones in the steps below and above (their heirs).

import type { Change, IdRange, LocalOp } from "./crdt/index.js";
import { type Piece, type Stretch, deleteRange, insertBefore, piecesAt, stand, stretches } from "./crdt/pieces.js";
import type { InklogDocument } from "./document.js";
import type { Host } from "./part.js";
import type { Rename } from "./sync/rename.js";
import { Heirs } from "./undo/heirs.js";
import { Group, Step } from "./undo/steps.js";

const STEPS_MAX = 1_000;
const WEIGHT_MAX = 64_000_000;
const MERGE_MS = 500;

/** A document's undo stack, which records edits from the first call on; always the same object for a document. */
export const undoOf = (doc: InklogDocument): UndoStack => doc.part(UndoStack);

/** Deleted text that is about to be restored, at one place. */
interface Return extends Stretch {
  text: string;
  /** Where its ids begin, counted from the first restored text. */
  from: number;
  /** The old ids, each range with where it begins, counted the same way. */
  old: [ids: IdRange, from: number][];
}

/** The steps of one document, in this tab. */
export class UndoStack {
  /** An edit this many milliseconds after the previous one, or later, starts a new step. */
  mergeMs = MERGE_MS;
  /** @internal How much memory all steps together may take, in UTF-16 units. */
  weightMax = WEIGHT_MAX;
  #undoable: Step[] = [];
  #redoable: Step[] = [];
  #heirs = new Heirs();
  /** The edits of one call of `edit`, until it ends. */
  #group: Group | null = null;
  /** The last edits of the last step; none if nothing may be added to it. */
  #last: Group | null = null;
  #words = 0;
  #isComposing = false;
  #told = { canUndo: false, canRedo: false };
  readonly #host: Host;

  /** @internal See {@link undoOf}. */
  constructor(host: Host) {
    this.#host = host;
  }

  get canUndo(): boolean {
    return this.#undoable.length > 0 && !this.#host.readOnly;
  }

  get canRedo(): boolean {
    return this.#redoable.length > 0 && !this.#host.readOnly;
  }

  /** Reverts the user's last edits; returns whether anything changed. */
  undo(): boolean {
    return this.#step("undo", this.#undoable, this.#redoable);
  }

  redo(): boolean {
    return this.#step("redo", this.#redoable, this.#undoable);
  }

  /** Whether an input method is composing a word: its edits are one step, however long it takes. */
  set composing(is: boolean) {
    if (is && !this.#isComposing) this.#words++;
    this.#isComposing = is;
  }

  /** Forgets all steps. */
  clear(): void {
    this.renewed();
    this.#host.flush();
  }

  #step(what: "undo" | "redo", from: Step[], to: Step[]): boolean {
    const host = this.#host;
    if (host.status === "closed" || host.readOnly) return false;
    let isMade = false;
    try {
      host.change(what, (changes) => {
        // Skips a step of which others have left nothing.
        while (!changes.length && from.length) this.#take(from, to, changes);
        isMade = changes.length > 0;
      });
    } finally {
      host.flush();
    }
    return isMade;
  }

  // --- Notifications from the document

  /** @internal Emits `undo` if what can be undone or redone has changed. */
  tick(): number {
    const { canUndo, canRedo } = this;
    const told = this.#told;
    if (canUndo !== told.canUndo || canRedo !== told.canRedo) {
      this.#told = { canUndo, canRedo };
      this.#host.tell("undo", this.#told);
    }
    return Infinity;
  }

  /** @internal Records what is deleted and, once the edit is made, what was inserted. */
  editing(at: number, del: number, ins: string): (ops: readonly LocalOp[]) => void {
    const host = this.#host;
    const { agent, replica } = host;
    this.#group ??= new Group(host.now(), this.#isComposing ? this.#words : 0);
    const group = this.#group;
    const deleted = piecesAt(replica, at, del);
    const done = group.edit(replica, at, del, ins, deleted.map(({ text }) => text).join(""));
    return (ops) => {
      done();
      for (const piece of deleted) group.step.add(piece);
      for (const { text, seq, count } of ops) if (text !== null) group.step.add({ agent, seq, len: count });
    };
  }

  /** @internal The edits of one call are complete: they continue the last step, or start a new one. */
  edited(): void {
    const group = this.#group;
    this.#group = null;
    if (!group?.step.pieces.length) return;
    const follows = group.follows(this.#last, this.mergeMs);
    this.#last = group;
    this.#redoable = [];
    const step = this.#undoable.at(-1);
    if (follows && step) for (const piece of group.step.pieces) step.add(piece);
    else this.#undoable.push(group.step);
    this.#shorten();
  }

  /** Forgets the oldest steps if there are too many or they are too large, but never the newest. */
  #shorten(): void {
    const [undoable, redoable] = [this.#undoable, this.#redoable];
    let weight = [...undoable, ...redoable].reduce((sum, step) => sum + step.weight, 0);
    while (undoable.length > 1 && (undoable.length > STEPS_MAX || weight > this.weightMax)) weight -= undoable.shift()!.weight;
    // What was undone first is redone last.
    while (redoable.length > 1 && weight > this.weightMax) weight -= redoable.shift()!.weight;
  }

  /** Reverts the last step of one stack, and pushes its inverse onto the other. */
  #take(from: Step[], to: Step[], changes: Change[]): void {
    const { pieces } = from.pop()!;
    const inverse = new Step();
    let back: Return | null = null;
    for (let i = pieces.length; i-- > 0; ) {
      const piece = pieces[i]!;
      if (piece.text !== undefined) back = this.#restore(back, piece, piece.text, inverse, changes);
      else {
        this.#bringBack(back, inverse, changes);
        back = null;
        this.#remove(piece, inverse, changes);
      }
    }
    this.#bringBack(back, inverse, changes);
    if (inverse.pieces.length) to.push(inverse);
    this.#last = null;
    this.#shorten();
  }

  /** Deletes what is left of the inserted text. */
  #remove(ids: IdRange, inverse: Step, changes: Change[]): void {
    const host = this.#host;
    for (const range of this.#heirs.now(ids)) {
      const gone: Piece[] = [];
      for (const op of deleteRange(host.replica, host.agent, range, gone, changes)) host.push(op);
      for (const piece of gone) inverse.add(piece);
    }
  }

  /** Adds deleted text to what is being restored at one place; text of another place is restored before. */
  #restore(back: Return | null, ids: IdRange, text: string, inverse: Step, changes: Change[]): Return | null {
    const doc = this.#host.replica;
    const chars = text.length === ids.len ? text : [...text];
    let at = 0;
    for (const range of this.#heirs.now(ids)) {
      let { seq } = range;
      for (const { first, last, len } of stretches(doc, range)) {
        const part = chars.slice(at, at + len);
        at += len;
        const found = typeof part === "string" ? part : part.join("");
        const old: IdRange = { agent: range.agent, seq, len };
        seq += len;
        if (back && stand(doc, back.last, first)) {
          back.old.push([old, back.from + back.len]);
          back.text += found;
          back.last = last;
          back.len += len;
        } else if (back && stand(doc, last, back.first)) {
          back.text = found + back.text;
          back.first = first;
          back.len += len;
          back.from -= len;
          back.old.push([old, back.from]);
        } else {
          this.#bringBack(back, inverse, changes);
          back = { first, last, len, text: found, from: 0, old: [[old, 0]] };
        }
      }
    }
    return back;
  }

  #bringBack(back: Return | null, inverse: Step, changes: Change[]): void {
    if (!back) return;
    const host = this.#host;
    const { agent } = host;
    const op = insertBefore(host.replica, back.first, agent, back.text, changes);
    host.push(op);
    const { seq } = op;
    for (const [ids, from] of back.old) this.#heirs.set(ids, { agent, seq: seq + (from - back.from) });
    inverse.add({ agent, seq, len: back.len });
  }

  /** @internal The document has started over, and knows none of the previous ids. */
  renewed(): void {
    this.#undoable = [];
    this.#redoable = [];
    this.#heirs = new Heirs();
    this.#group = null;
    this.#last = null;
  }

  /** @internal An agent's ids have new names: all steps adopt them, because others may use the old ones. */
  renamed({ agent, seq, to }: Rename): void {
    const named = (step: Step): Step => {
      const fresh = new Step();
      for (const { text, ...ids } of step.pieces) {
        const chars = text === undefined ? null : [...text];
        let at = 0;
        for (const range of this.#heirs.now(ids).flatMap((range) => underNewNames(range, agent, seq, to))) {
          const part = chars?.slice(at, at + range.len).join("");
          at += range.len;
          fresh.add(part === undefined ? range : { ...range, text: part });
        }
      }
      return fresh;
    };
    this.#undoable = this.#undoable.map(named);
    this.#redoable = this.#redoable.map(named);
    this.#heirs = new Heirs();
    this.#last = null;
  }
}

/** Ids with those of one agent from `from` on renamed. */
function underNewNames(ids: IdRange, agent: string, from: number, to: string): IdRange[] {
  const { seq, len } = ids;
  if (ids.agent !== agent || seq + len <= from) return [ids];
  const kept = Math.max(0, from - seq);
  const heir = { agent: to, seq: seq + kept - from, len: len - kept };
  return kept ? [{ agent, seq, len: kept }, heir] : [heir];
}
