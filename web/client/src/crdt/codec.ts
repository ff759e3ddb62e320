// The building blocks of the binary state: LEB128 numbers and a checksum. No number needs more than 55 bits, and
// numbers over 53 bits are rejected; the exception is a chain's place, a number times 4 plus a rest below 4, whose two
// parts are kept separate.

export function putVarint(out: number[], value: number): void {
  for (; value >= 0x80; value = Math.floor(value / 0x80)) out.push((value % 0x80) | 0x80);
  out.push(value);
}

/** Writes `number * 4 + rest`. */
export function putVarint4(out: number[], number: number, rest: number): void {
  const low = (number % 32) * 4 + rest;
  if (number < 32) {
    out.push(low);
    return;
  }
  out.push(low | 0x80);
  putVarint(out, Math.floor(number / 32));
}

/** Reads fields in sequence, and never trusts a length. */
export class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {}

  get left(): number {
    return this.bytes.length - this.at;
  }

  /** Throws unless what was read is valid. */
  check(holds: boolean): void {
    if (!holds) throw new Error(`byte ${this.at}`);
  }

  take(length: number): Uint8Array {
    this.check(length <= this.left);
    const start = this.at;
    this.at += length;
    return this.bytes.subarray(start, this.at);
  }

  byte(): number {
    this.check(this.left > 0);
    return this.bytes[this.at++]!;
  }

  varint(): number {
    let value = 0;
    for (let weight = 1, byte = 0x80; byte >= 0x80; weight *= 0x80) {
      this.check(weight < 2 ** 60);
      byte = this.byte();
      value += (byte & 0x7f) * weight;
    }
    return value;
  }

  /** Reads `number * 4 + rest`. */
  varint4(): { number: number; rest: number } {
    const low = this.byte();
    const high = low >= 0x80 ? this.varint() : 0;
    return { number: high * 32 + ((low & 0x7f) >> 2), rest: low & 3 };
  }
}

/** CRC-32 as in zip and PNG. */
export function crc32(bytes: Uint8Array): number {
  const table = Int32Array.from({ length: 256 }, (_, crc) => {
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (-(crc & 1) & 0xedb88320);
    return crc;
  });
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
