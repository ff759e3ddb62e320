// What came back under new ids: of each old id the new one. The ids of an agent are looked up by pages, which are there
// only where something came back; a new id may have an heir itself.

import type { IdRange } from "../crdt/index.js";

const PAGE = 128;

/** Ids from `from` on are those of `agent` from `seq` on. */
interface Heir {
  agent: string;
  seq: number;
  from: number;
}

export class Heirs {
  readonly #heirs: Heir[] = [];
  /** By agent and by page: of each id, the number of its heir, from 1 on. */
  readonly #pages = new Map<string, Map<number, Uint32Array>>();

  /** Ids have new names, from `seq` of `heir` on. */
  set({ agent, seq, len }: IdRange, heir: { agent: string; seq: number }): void {
    let pages = this.#pages.get(agent);
    if (!pages) this.#pages.set(agent, (pages = new Map()));
    const no = this.#heirs.push({ agent: heir.agent, seq: heir.seq, from: seq });
    eachPage(seq, len, (at, from, to) => {
      let page = pages.get(at);
      if (!page) pages.set(at, (page = new Uint32Array(PAGE)));
      page.fill(no, from, to);
      return true;
    });
  }

  /** The names that ids have now, in their order. */
  now(range: IdRange): IdRange[] {
    if (!this.#pages.has(range.agent)) return [range];
    const out: IdRange[] = [];
    const rest = [range];
    for (let next; (next = rest.pop()); ) {
      const { agent, seq, len } = next;
      const [no, count] = this.#first(next);
      if (count < len) rest.push({ agent, seq: seq + count, len: len - count });
      if (no) {
        const heir = this.#heirs[no - 1]!;
        rest.push({ agent: heir.agent, seq: heir.seq + (seq - heir.from), len: count });
      } else out.push({ agent, seq, len: count });
    }
    return out;
  }

  /** The heir of the first of some ids, 0 for none, and how many from the first on have the same. */
  #first({ agent, seq, len }: IdRange): [no: number, count: number] {
    const pages = this.#pages.get(agent);
    if (!pages) return [0, len];
    let no = -1;
    let count = 0;
    eachPage(seq, len, (at, from, to) => {
      const page = pages.get(at);
      for (; from < to; from++, count++) {
        const found = page ? page[from]! : 0;
        if (no < 0) no = found;
        if (no !== found) return false;
      }
      return true;
    });
    return [no, count];
  }
}

/** Calls back with each page of a range and the part of it that is meant, until that says that it is enough. */
function eachPage(seq: number, len: number, visit: (at: number, from: number, to: number) => boolean): void {
  while (len > 0) {
    const from = seq % PAGE;
    const to = Math.min(PAGE, from + len);
    if (!visit((seq - from) / PAGE, from, to)) return;
    seq += to - from;
    len -= to - from;
  }
}
