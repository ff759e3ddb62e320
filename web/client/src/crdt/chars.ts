// The characters by number: each node's code unit stands at the node's number, for good, so nothing is moved when
// text is edited. For a character of two units the second has an array of its own, made when the first one comes.

const CHUNK = 8192;

export class Chars {
  #first = new Uint16Array(64);
  #second: Uint16Array | null = null;

  /** Makes room for the nodes below `end`. */
  reserve(end: number): void {
    if (end <= this.#first.length) return;
    const grow = (from: Uint16Array) => {
      const to = new Uint16Array(Math.max(end, from.length * 2));
      to.set(from);
      return to;
    };
    this.#first = grow(this.#first);
    if (this.#second) this.#second = grow(this.#second);
  }

  /** Gives nodes from `lv` on the characters of well-formed `text` between two units. */
  set(lv: number, text: string, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const unit = text.charCodeAt(i);
      this.#first[lv] = unit;
      if ((unit & 0xfc00) === 0xd800) {
        this.#second ??= new Uint16Array(this.#first.length);
        this.#second[lv] = text.charCodeAt(++i);
      }
      lv++;
    }
  }

  /** How many units `len` nodes have. */
  units(lv: number, len: number): number {
    let units = len;
    if (this.#second) {
      const first = this.#first;
      for (let i = lv; i < lv + len; i++) if ((first[i]! & 0xfc00) === 0xd800) units++;
    }
    return units;
  }

  /** How many whole characters there are before unit `unit`, counted from node `lv`. */
  nodes(lv: number, unit: number): number {
    if (!this.#second) return unit;
    let at = lv;
    for (let i = 0; i < unit; at++) {
      i += (this.#first[at]! & 0xfc00) === 0xd800 ? 2 : 1;
      if (i > unit) break;
    }
    return at - lv;
  }

  /** Writes the text of `len` nodes to `out` from `at` on, and returns where it ends. */
  copy(lv: number, len: number, out: Uint16Array, at: number): number {
    const first = this.#first;
    const second = this.#second;
    for (let i = lv; i < lv + len; i++) {
      const unit = first[i]!;
      out[at++] = unit;
      if (second && (unit & 0xfc00) === 0xd800) out[at++] = second[i]!;
    }
    return at;
  }

  /** The text of `len` nodes. */
  text(lv: number, len: number): string {
    const out = new Uint16Array(len * 2);
    return toText(out.subarray(0, this.copy(lv, len, out, 0)));
  }
}

/** The string of code units. */
export function toText(units: Uint16Array): string {
  const parts: string[] = [];
  for (let at = 0; at < units.length; at += CHUNK) {
    parts.push(String.fromCharCode.apply(null, units.subarray(at, at + CHUNK) as unknown as number[]));
  }
  return parts.join("");
}
