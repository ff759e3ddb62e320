// Characters by number. A node's code point stays at the node's number forever, so that edits move nothing.

export class Chars {
  #points: Uint32Array = new Uint32Array(64);

  /** Assigns the characters of well-formed `text`, from unit `from` on, to the nodes from `lv` on; returns where they
   * end. */
  set(lv: number, len: number, text: string, from: number): number {
    const end = lv + len;
    if (end > this.#points.length) this.#points = grown(this.#points, end);
    for (; lv < end; from++) {
      const point = text.codePointAt(from)!;
      this.#points[lv++] = point;
      if (point > 0xffff) from++;
    }
    return from;
  }

  /** How many units `len` nodes have. */
  units(lv: number, len: number): number {
    let units = len;
    for (const end = lv + len; lv < end; lv++) if (this.#points[lv]! > 0xffff) units++;
    return units;
  }

  /** How many whole characters there are before unit `unit`, counted from node `lv`. */
  nodes(lv: number, unit: number): number {
    let count = 0;
    for (let end = 0; ; count++) {
      end += this.#points[lv + count]! > 0xffff ? 2 : 1;
      if (end > unit) return count;
    }
  }

  /** Writes the text of `len` nodes to `out` from `at` on, and returns where it ends. */
  copy(lv: number, len: number, out: Uint16Array, at: number): number {
    for (const end = lv + len; lv < end; lv++) {
      const point = this.#points[lv]!;
      if (point > 0xffff) {
        out[at++] = 0xd7c0 + (point >> 10);
        out[at++] = 0xdc00 | (point & 0x3ff);
      } else {
        out[at++] = point;
      }
    }
    return at;
  }

  /** The text of `len` nodes. */
  text(lv: number, len: number): string {
    if (len < 8) {
      let text = "";
      for (const end = lv + len; lv < end; lv++) text += String.fromCodePoint(this.#points[lv]!);
      return text;
    }
    const out = new Uint16Array(len * 2);
    return toText(out.subarray(0, this.copy(lv, len, out, 0)));
  }
}

/** How many code points a text has; -1 if it is not a string, or not well-formed. */
export function codePoints(text: string): number {
  if (typeof text !== "string") return -1;
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if ((unit & 0xf800) !== 0xd800) continue;
    if (unit >= 0xdc00 || (text.charCodeAt(++i) & 0xfc00) !== 0xdc00) return -1;
    count--;
  }
  return count;
}

/** Created once, on demand: creating it takes longer than decoding a word, and some platforms lack it. */
let decoder: { decode(units: Uint16Array): string } | undefined;

/** The string of code units. */
export function toText(units: Uint16Array): string {
  decoder ??= typeof TextDecoder === "undefined" ? bySlices : new TextDecoder("utf-16le", { ignoreBOM: true });
  return decoder.decode(units);
}

/** In slices, because the number of arguments of a call is limited. */
const bySlices = {
  decode(units: Uint16Array): string {
    let text = "";
    for (let at = 0; at < units.length; at += 4096) text += String.fromCharCode(...units.subarray(at, at + 4096));
    return text;
  },
};

/** A copy with room for at least `length`, plus some spare. */
export function grown(old: Uint32Array, length: number): Uint32Array {
  const array = new Uint32Array(Math.max(length, old.length * 2));
  array.set(old);
  return array;
}
