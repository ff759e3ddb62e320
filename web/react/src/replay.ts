// Replays a document's events: the text after any number of them.
import { TextDoc, type Change, type WireEvent } from "@inklog/client/crdt";

/** How many events lie between two cached states; doubles whenever there would be too many states. */
const MARK_EVENTS_FIRST = 500;
const MARKS_MAX = 32;

export class Replay {
  private _marks: Uint8Array[] = [new TextDoc().encode()];
  private _markEvents = MARK_EVENTS_FIRST;
  private _doc = new TextDoc();
  private _count = 0;
  private _last: Change[] = [];

  /** `events` in an order in which they may have been made, or close to it: one that is too early waits for those
   * before. */
  constructor(readonly events: readonly WireEvent[]) {}

  /** The text after the first `count` events, and what the last of them changed. */
  at(count: number): { text: string; changes: readonly Change[] } {
    const wanted = Math.max(0, Math.min(count, this.events.length));
    // Starts before the last event, so that its changes are reported.
    const mark = Math.max(0, Math.min(Math.ceil(wanted / this._markEvents), this._marks.length) - 1);
    if (this._count > wanted || this._count < mark * this._markEvents) {
      this._doc = TextDoc.decode(this._marks[mark]!);
      this._count = mark * this._markEvents;
      this._last = [];
    }
    while (this._count < wanted) {
      this._last = [];
      this._doc.apply(this.events[this._count]!, this._last);
      this._count += 1;
      if (this._count === this._marks.length * this._markEvents) this._mark();
    }
    return { text: this._doc.toString(), changes: this._last };
  }

  private _mark(): void {
    this._marks.push(this._doc.encode());
    if (this._marks.length <= MARKS_MAX) return;
    this._marks = this._marks.filter((_, i) => i % 2 === 0);
    this._markEvents *= 2;
  }
}
