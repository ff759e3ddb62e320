// A document's past, made from its events: the text after any number of them.
import { TextDoc, type Change, type WireEvent } from "@inklog/client/crdt";

/** Events between two states that are kept to go on from. */
const MARK_EVENTS = 500;

export class Replay {
  private readonly _marks: Uint8Array[] = [new TextDoc().encode()];
  private _doc = new TextDoc();
  private _count = 0;
  private _last: Change[] = [];

  /** `events` in an order in which they were made, or near it: one that is early waits for those before it. */
  constructor(readonly events: readonly WireEvent[]) {}

  /** The text after the first `count` events, and what the last of them changed in the text before it. */
  at(count: number): { text: string; changes: readonly Change[] } {
    const wanted = Math.max(0, Math.min(count, this.events.length));
    const mark = Math.min(Math.floor(wanted / MARK_EVENTS), this._marks.length - 1);
    if (this._count > wanted || this._count < mark * MARK_EVENTS) {
      this._doc = TextDoc.decode(this._marks[mark]!);
      this._count = mark * MARK_EVENTS;
      this._last = [];
    }
    while (this._count < wanted) {
      this._last = [];
      this._doc.apply(this.events[this._count]!, this._last);
      this._count += 1;
      if (this._count === this._marks.length * MARK_EVENTS) this._marks.push(this._doc.encode());
    }
    return { text: this._doc.toString(), changes: this._last };
  }
}
