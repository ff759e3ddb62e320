// Maps the old ids of restored text to its new ones, the heirs. An agent's ids are looked up by page, and a page exists
// only if something on it was restored. An heir may have an heir itself.

import type { IdRange } from "../crdt/index.js";

const PAGE = 128;

/** The ids from `from` on are now those of `agent` from `seq` on. */
interface Heir {
  agent: string;
  seq: number;
  from: number;
}

export class Heirs {
  readonly #heirs: Heir[] = [];
  /** By agent and page: the number of each id's heir, from 1 on. */
  readonly #pages = new Map<string, Map<number, Uint32Array>>();

  /** Gives ids their heirs, from `seq` of `heir` on. */
  set({ agent, seq, len }: IdRange, heir: { agent: string; seq: number }): void {
    const pages = this.#pages.get(agent) ?? new Map<number, Uint32Array>();
    this.#pages.set(agent, pages);
    // Its place in the list, counted from 1.
    const number = this.#heirs.push({ agent: heir.agent, seq: heir.seq, from: seq });
    eachPage(seq, len, (index, from, to) => {
      const page = pages.get(index) ?? new Uint32Array(PAGE);
      pages.set(index, page);
      page.fill(number, from, to);
      return true;
    });
  }

  /** The current names of ids, in their order. */
  now(range: IdRange): IdRange[] {
    if (!this.#pages.has(range.agent)) return [range];
    const out: IdRange[] = [];
    const rest = [range];
    for (let next = rest.pop(); next; next = rest.pop()) {
      const { agent, seq, len } = next;
      const { number, count } = this.#first(next);
      if (count < len) rest.push({ agent, seq: seq + count, len: len - count });
      if (number) {
        const heir = this.#heirs[number - 1]!;
        rest.push({ agent: heir.agent, seq: heir.seq + (seq - heir.from), len: count });
      } else out.push({ agent, seq, len: count });
    }
    return out;
  }

  /** The number of the first id's heir, 0 for none, and how many ids from the first on share it. */
  #first({ agent, seq, len }: IdRange): { number: number; count: number } {
    const pages = this.#pages.get(agent);
    if (!pages) return { number: 0, count: len };
    const number = pages.get(Math.floor(seq / PAGE))?.[seq % PAGE] ?? 0;
    let count = 0;
    eachPage(seq, len, (index, from, to) => {
      const page = pages.get(index);
      for (let i = from; i < to; i++) {
        if ((page?.[i] ?? 0) !== number) return false;
        count++;
      }
      return true;
    });
    return { number, count };
  }
}

/** Calls back with each page of a range and the part of it in the range, until the callback ends the iteration. */
function eachPage(seq: number, len: number, visit: (index: number, from: number, to: number) => boolean): void {
  for (const end = seq + len; seq < end; ) {
    const from = seq % PAGE;
    const to = Math.min(PAGE, from + end - seq);
    if (!visit((seq - from) / PAGE, from, to)) return;
    seq += to - from;
  }
}
