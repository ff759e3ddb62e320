// Composes successive changes into one ChangeSet. A sweep, changes that run through the text in one direction, such as
// replacing all matches or undoing that, is collected in positions of the text before it, at linear cost; calling
// CodeMirror's own `compose` for each change would be quadratic.
import { ChangeSet, Text } from "@codemirror/state";
import { normalise, type View, type ViewChange } from "@inklog/client/lines";

export const textOf = (text: string) => Text.of(text.split("\n"));

export const viewOf = (doc: Text): View => ({
  isBreak: (at) => at < doc.length && doc.lineAt(at).to === at,
  breaks: doc.lines - 1,
});

export class Trail {
  private readonly _sets: ChangeSet[] = [];
  /** The text before the sweep, created on demand. */
  private _base: Text | null;
  /** Its length. */
  private _length: number;
  /** How many of `_sets` lead to `_base`. */
  private _applied = 0;
  /** The sweep, in positions of the text before it. */
  private _sweep: ViewChange[] = [];
  private _goesUp = true;
  /** By how much the text before the sweep's last change has grown. */
  private _shift = 0;

  constructor(private _from: Text) {
    this._base = _from;
    this._length = _from.length;
  }

  /** The current text, for translating the next change. */
  readonly view: View = {
    isBreak: (at) => {
      const last = this._sweep.at(-1);
      if (!last) return viewOf(this._text()).isBreak(at);
      const start = last.from + this._shift;
      const end = start + last.insert.length;
      const isAlone = this._sweep.length === 1;
      if (at >= start && at < end) return last.insert[at - start] === "\n";
      if (at < start && (isAlone || !this._goesUp)) return viewOf(this._text()).isBreak(at);
      if (at >= end && (isAlone || this._goesUp)) return viewOf(this._text()).isBreak(at - this._shift - growth(last));
      this._close();
      return viewOf(this._text()).isBreak(at);
    },
    // Only local edits need it.
    breaks: 0,
  };

  add({ from, to, insert }: ViewChange): void {
    const last = this._sweep.at(-1);
    if (last) {
      const start = last.from + this._shift;
      const end = start + last.insert.length;
      const isAlone = this._sweep.length === 1;
      const isBelow = to < start;
      const isAbove = from > end;
      const reachesDown = from < start;
      const reachesUp = to > end;
      if (!isBelow && !isAbove && (isAlone || (this._goesUp ? !reachesDown : !reachesUp))) {
        const kept = last.insert.slice(0, Math.max(0, from - start)) + insert + last.insert.slice(Math.max(0, to - start));
        this._sweep[this._sweep.length - 1] = {
          from: last.from - Math.max(0, start - from),
          to: last.to + Math.max(0, to - end),
          insert: kept,
        };
        return;
      }
      if ((isBelow || isAbove) && (isAlone || this._goesUp === isAbove)) {
        this._goesUp = isAbove;
        if (isAbove) this._shift += growth(last);
      } else this._close();
    }
    this._sweep.push({ from: from - this._shift, to: to - this._shift, insert });
  }

  /** All changes as one set; `null` if there are none. */
  set(): ChangeSet | null {
    this._close();
    return this._sets.length ? composed(this._sets) : null;
  }

  private _close(): void {
    if (!this._sweep.length) return;
    const changes = this._goesUp ? this._sweep : this._sweep.reverse();
    const set = ChangeSet.of(changes.map((change) => ({ ...change, insert: textOf(change.insert) })), this._length);
    this._sets.push(set);
    this._sweep = [];
    this._shift = 0;
    this._goesUp = true;
    this._length = set.newLength;
    this._base = null;
  }

  /** The text before the sweep. */
  private _text(): Text {
    if (!this._base) {
      this._from = composed(this._sets.slice(this._applied)).apply(this._from);
      this._applied = this._sets.length;
      this._base = this._from;
    }
    return this._base;
  }
}

const growth = ({ from, to, insert }: ViewChange) => insert.length - (to - from);

/** Composes successive changes by halves, at a cost close to linear. */
function composed(sets: readonly ChangeSet[]): ChangeSet {
  if (sets.length === 1) return sets[0]!;
  const half = sets.length >> 1;
  return composed(sets.slice(0, half)).compose(composed(sets.slice(half)));
}

/** Splits a set in two, both from the same text: the changes that touch a range, and those that do not. */
export function parted(set: ChangeSet, from: number, to: number): { touching: ChangeSet | null; other: ChangeSet | null } {
  const touching: { from: number; to: number; insert: Text }[] = [];
  const other: typeof touching = [];
  set.iterChanges((fromA, toA, _fromB, _toB, insert) => {
    (fromA <= to && toA >= from ? touching : other).push({ from: fromA, to: toA, insert });
  });
  const of = (changes: typeof touching) => (changes.length ? ChangeSet.of(changes, set.length) : null);
  return { touching: of(touching), other: of(other) };
}

/** A line of this many characters is large, and so is a set of this many changes. */
const LARGE_LINE = 5_000;
const LARGE_SET = 200;

/** CodeMirror copies a line for every change in it, so many changes in a large line are joined into one. */
export function coarse(set: ChangeSet, doc: Text): ChangeSet {
  let count = 0;
  set.iterChangedRanges(() => count++);
  if (count < LARGE_SET) return set;
  const changes: { from: number; to: number; parts: string[] }[] = [];
  let line = doc.line(1);
  set.iterChanges((from, to, _fromB, _toB, insert) => {
    const last = changes.at(-1);
    if (last && from <= line.to && line.length > LARGE_LINE) {
      last.parts.push(doc.sliceString(last.to, from), insert.toString());
      last.to = to;
    } else changes.push({ from, to, parts: [insert.toString()] });
    if (to > line.to) line = doc.lineAt(to);
  });
  return ChangeSet.of(changes.map(({ from, to, parts }) => ({ from, to, insert: textOf(parts.join("")) })), set.length);
}

/** The smallest change from what an editor shows to a document's text. */
export function leastChange(shown: string, text: string): ViewChange | null {
  const wanted = normalise(text);
  if (shown === wanted) return null;
  const most = Math.min(shown.length, wanted.length);
  let from = 0;
  while (from < most && shown[from] === wanted[from]) from++;
  let same = 0;
  while (same < most - from && shown.at(-1 - same) === wanted.at(-1 - same)) same++;
  return { from, to: shown.length - same, insert: wanted.slice(from, wanted.length - same) };
}
