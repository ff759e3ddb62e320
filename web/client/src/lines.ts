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
  #before: Return[] = [];
  #after: Return[] = [];
  #length = 0;

  constructor(text: string) {
    this.#replace(0, 0, text);
  }

  /** The document's position of the editor's. */
  toDoc(at: number): number {
    const view = this.#length - this.#pairs;
    const shown = (r: Return) => r.at - r.pairs + (r.pair ? 1 : 0);
    return at + this.#count((r) => shown(r) < at, (r) => view - (r.at - r.pairs) < at);
  }

  /** The editor's position of the document's; inside a `\r\n`, the one before it. */
  toView(at: number): number {
    return at - this.#count((r) => r.at < at, (r) => this.#length - r.at < at);
  }

  /** Translates an edit made in the editor, and follows it. */
  local({ from, to, insert }: ViewChange, view: View): Change {
    const at = this.toDoc(from);
    const end = this.toDoc(to);
    const isPairs = insert.includes("\n") && this.#pairs * 2 > view.breaks;
    let ins = isPairs ? insert.replaceAll("\n", "\r\n") : insert;
    let follows = 0;
    if (this.#find(at - 1)) {
      // A lone `\r` before: another must come between it and a `\n`, or two line breaks would become one.
      const joins = ins === "" && view.isBreak(to) && !this.#find(end);
      if (joins) follows = 1;
      if (joins || ins.startsWith("\n")) ins = `\r${ins}`;
    }
    this.#replace(at, end - at + follows, follows ? `${ins}\n` : ins);
    return { at, del: end - at, ins };
  }

  /** Translates an edit made to the document, and follows it; `null` when the editor shows no difference. */
  remote({ at, del, ins }: Change, view: View): ViewChange | null {
    let end = at + del;
    let text = ins;
    const head = this.#find(at - 1) !== undefined;
    const tail = (head || this.#before.length + this.#after.length > 0 || ins.includes("\r")) && this.#isFeed(end, view);
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
    this.#replace(at, end - at, text);
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

  get #pairs(): number {
    return (this.#before.at(-1)?.pairs ?? 0) + (this.#after.at(-1)?.pairs ?? 0);
  }

  /** Pairs of which the tests hold; they hold from the start up to a place. */
  #count(before: (r: Return) => boolean, after: (r: Return) => boolean): number {
    const left = this.#before;
    const right = this.#after;
    if (left.length && !before(left.at(-1)!)) return left[search(left, (r) => !before(r)) - 1]?.pairs ?? 0;
    const rest = right[search(right, after) - 1]?.pairs ?? 0;
    return this.#pairs - rest;
  }

  /** The `\r` at a position of the document. */
  #find(at: number): Return | undefined {
    const left = this.#before[search(this.#before, (r) => r.at >= at)];
    if (left) return left.at === at ? left : undefined;
    const right = this.#after[search(this.#after, (r) => this.#length - r.at <= at)];
    return right && this.#length - right.at === at ? right : undefined;
  }

  /** Whether a `\n` stands at a position of the document. */
  #isFeed(at: number, view: View): boolean {
    if (this.#find(at - 1)?.pair) return true;
    return at < this.#length && !this.#find(at) && view.isBreak(this.toView(at));
  }

  #replace(at: number, del: number, ins: string): void {
    const left = this.#before;
    const right = this.#after;
    const turn = (r: Return, to: Return[]) =>
      to.push({ at: this.#length - r.at, pair: r.pair, pairs: (to.at(-1)?.pairs ?? 0) + (r.pair ? 1 : 0) });
    while (left.length && left.at(-1)!.at >= at) turn(left.pop()!, right);
    while (right.length && this.#length - right.at(-1)!.at < at) turn(right.pop()!, left);
    while (right.length && this.#length - right.at(-1)!.at < at + del) right.pop();
    this.#length += ins.length - del;
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
