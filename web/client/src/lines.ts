// Line breaks between a document and an editor. A document keeps what was written, `\n`, `\r\n` and `\r`; an editor
// (CodeMirror, a textarea) knows one kind of line break, of length 1. A LineMap translates positions and edits
// between the two, at a cost that does not grow with the document: it keeps the places of the `\r`s alone.
//
// What the editor shows is always exactly `normalise(document)`, whatever is edited on either side: a remote edit
// that joins a `\r` and a `\n` joins two line breaks of the editor, and a local edit never does.

import type { Change } from "./crdt/index.js";

/** The document's text, as an editor shows it. */
export function normalise(text: string): string {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

/** Puts U+FFFD in the place of each half of a surrogate pair that stands alone; lengths stay. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}

/** An edit in the editor's positions: `insert`, whose line breaks are `\n`, comes in the place of `from … to`. */
export interface ViewChange {
  from: number;
  to: number;
  insert: string;
}

/** What a LineMap asks of the editor, whose text must be the one before the edit that is translated. */
export interface View {
  /** Whether a line break stands at this position; false at the end. */
  isBreak(at: number): boolean;
  /** How many line breaks there are. */
  readonly breaks: number;
}

/** A `\r`. Whether `\n` follows, and how many such pairs there are from here to the near end, this one included. */
interface Return {
  /** Distance to the near end: the start for those before the gap, the end for those after it. */
  at: number;
  pair: boolean;
  pairs: number;
}

export class LineMap {
  // A gap buffer: an edit moves the gap to its place, and touches nothing beyond.
  private _before: Return[] = [];
  private _after: Return[] = [];
  private _length = 0;

  constructor(text: string) {
    this._replace(0, 0, text);
  }

  /** The document's position of the editor's. */
  toDoc(at: number): number {
    const view = this._length - this._pairs;
    const shown = (r: Return) => r.at - r.pairs + (r.pair ? 1 : 0);
    return at + this._count((r) => shown(r) < at, (r) => view - (r.at - r.pairs) < at);
  }

  /** The editor's position of the document's; inside a `\r\n`, the one before it. */
  toView(at: number): number {
    return at - this._count((r) => r.at < at, (r) => this._length - r.at < at);
  }

  /** Translates an edit made in the editor, and follows it. */
  local({ from, to, insert }: ViewChange, view: View): Change {
    const at = this.toDoc(from);
    const end = this.toDoc(to);
    const isPairs = insert.includes("\n") && this._pairs * 2 > view.breaks;
    let ins = isPairs ? insert.replaceAll("\n", "\r\n") : insert;
    let follows = 0;
    if (this._find(at - 1)) {
      // A lone `\r` before: another must come between it and a `\n`, or two line breaks would become one.
      const joins = ins === "" && view.isBreak(to) && !this._find(end);
      if (joins) follows = 1;
      if (joins || ins.startsWith("\n")) ins = `\r${ins}`;
    }
    this._replace(at, end - at + follows, follows ? `${ins}\n` : ins);
    return { at, del: end - at, ins };
  }

  /** Translates an edit made to the document, and follows it; `null` when the editor shows no difference. */
  remote({ at, del, ins }: Change, view: View): ViewChange | null {
    let end = at + del;
    let text = ins;
    const head = this._find(at - 1) !== undefined;
    const tail = (head || this._before.length + this._after.length > 0 || ins.includes("\r")) && this._isFeed(end, view);
    if (head) {
      at -= 1;
      text = `\r${text}`;
    }
    if (tail) {
      end += 1;
      text += "\n";
    }
    let from = this.toView(at);
    let to = this.toView(end);
    let insert = normalise(text);
    this._replace(at, end - at, text);
    // The line breaks taken in at the edges mostly stay what they are for the editor.
    if (head && from < to && insert !== "") {
      from += 1;
      insert = insert.slice(1);
    }
    if (tail && from < to && insert.endsWith("\n")) {
      to -= 1;
      insert = insert.slice(0, -1);
    }
    return from === to && insert === "" ? null : { from, to, insert };
  }

  private get _pairs(): number {
    return (this._before.at(-1)?.pairs ?? 0) + (this._after.at(-1)?.pairs ?? 0);
  }

  /** Pairs of which the tests hold; they hold from the start up to a place. */
  private _count(before: (r: Return) => boolean, after: (r: Return) => boolean): number {
    const left = this._before;
    const right = this._after;
    if (left.length && !before(left.at(-1)!)) return left[search(left, (r) => !before(r)) - 1]?.pairs ?? 0;
    const rest = right[search(right, after) - 1]?.pairs ?? 0;
    return this._pairs - rest;
  }

  /** The `\r` at a position of the document. */
  private _find(at: number): Return | undefined {
    const left = this._before[search(this._before, (r) => r.at >= at)];
    if (left) return left.at === at ? left : undefined;
    const right = this._after[search(this._after, (r) => this._length - r.at <= at)];
    return right && this._length - right.at === at ? right : undefined;
  }

  /** Whether a `\n` stands at a position of the document. */
  private _isFeed(at: number, view: View): boolean {
    if (this._find(at - 1)?.pair) return true;
    return at < this._length && !this._find(at) && view.isBreak(this.toView(at));
  }

  private _replace(at: number, del: number, ins: string): void {
    const left = this._before;
    const right = this._after;
    const turn = (r: Return, to: Return[]) =>
      to.push({ at: this._length - r.at, pair: r.pair, pairs: (to.at(-1)?.pairs ?? 0) + (r.pair ? 1 : 0) });
    while (left.length && left.at(-1)!.at >= at) turn(left.pop()!, right);
    while (right.length && this._length - right.at(-1)!.at < at) turn(right.pop()!, left);
    while (right.length && this._length - right.at(-1)!.at < at + del) right.pop();
    this._length += ins.length - del;
    for (let i = ins.indexOf("\r"); i >= 0; i = ins.indexOf("\r", i + 1)) {
      const pair = ins[i + 1] === "\n";
      left.push({ at: at + i, pair, pairs: (left.at(-1)?.pairs ?? 0) + (pair ? 1 : 0) });
    }
  }
}

/** The first index whose item passes a test that all after it pass, too. */
function search<T>(items: readonly T[], test: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (test(items[mid]!)) high = mid;
    else low = mid + 1;
  }
  return low;
}
