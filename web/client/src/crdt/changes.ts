// What an editor has to do, collected: a word typed in one event becomes one change, and so does a deletion that finds
// its characters in several places of the tree.
import type { Change } from "./types.js";

export class Changes {
  /** The changes that were there before are left alone. */
  readonly #before: number;
  constructor(readonly out: Change[]) {
    this.#before = out.length;
  }

  #last(): Change | undefined {
    return this.out.length > this.#before ? this.out[this.out.length - 1] : undefined;
  }

  insert(at: number, text: string): void {
    const last = this.#last();
    if (last !== undefined && last.ins !== "" && last.at + last.ins.length === at) last.ins += text;
    else this.out.push({ at, del: 0, ins: text });
  }

  delete(at: number, len: number): void {
    const last = this.#last();
    if (last !== undefined && last.ins === "" && (last.at === at || at + len === last.at)) {
      last.at = at;
      last.del += len;
    } else {
      this.out.push({ at, del: len, ins: "" });
    }
  }
}
