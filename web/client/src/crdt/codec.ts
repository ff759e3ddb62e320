// What the binary state is written in: LEB128 numbers in their shortest form, a checksum, and a reader that never
// trusts a length. No number here needs more than 55 bits, and all that is done with those over 53 is to refuse them,
// except where a chain hangs: that is a number times 4 plus a rest below 4, and kept apart as such.
import { DecodeError } from "./errors.js";

export class Writer {
  bytes = new Uint8Array(256);
  length = 0;

  byte(value: number): void {
    if (this.length === this.bytes.length) this.#grow(1);
    this.bytes[this.length++] = value;
  }

  varint(value: number): void {
    while (value >= 0x80) {
      this.byte((value % 0x80) | 0x80);
      value = Math.floor(value / 0x80);
    }
    this.byte(value);
  }

  /** `number * 4 + rest`. */
  varint4(number: number, rest: number): void {
    const low = (number % 32) * 4 + rest;
    if (number < 32) return this.byte(low);
    this.byte(low | 0x80);
    this.varint(Math.floor(number / 32));
  }

  put(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.bytes.length) this.#grow(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  done(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  #grow(by: number): void {
    const old = this.bytes;
    this.bytes = new Uint8Array(Math.max(old.length * 2, old.length + by));
    this.bytes.set(old);
  }
}

export class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {}

  get left(): number {
    return this.bytes.length - this.at;
  }

  damaged(what: string): DecodeError {
    return new DecodeError(`damaged at byte ${this.at}: ${what}`);
  }

  byte(): number {
    if (this.left < 1) throw this.damaged("the bytes end early");
    return this.bytes[this.at++]!;
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw this.damaged("the bytes end early");
    return this.bytes.subarray(this.at, (this.at += length));
  }

  varint(): number {
    const first = this.byte();
    return first < 0x80 ? first : (first & 0x7f) + this.#rest() * 0x80;
  }

  /** A number as `Writer.varint4` writes it; {@link rest} is the rest then. */
  varint4(): number {
    const first = this.byte();
    this.rest = first & 3;
    const low = (first & 0x7f) >> 2;
    return first < 0x80 ? low : low + this.#rest() * 32;
  }
  rest = 0;

  /** The bytes of a number after its first. */
  #rest(): number {
    for (let value = 0, weight = 1, count = 0; count < 8; count++, weight *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * weight;
      if (byte === 0) throw this.damaged("a number is longer than it need be");
      if (byte < 0x80) return value;
    }
    throw this.damaged("a number is too large");
  }

  /** A number of things that take at least a byte each. */
  count(): number {
    const count = this.varint();
    if (count > this.left) throw this.damaged("there are fewer bytes than things");
    return count;
  }
}

let table: Int32Array | undefined;

/** CRC-32 as in zip and PNG. */
export function crc32(bytes: Uint8Array): number {
  table ??= Int32Array.from({ length: 256 }, (_, crc) => {
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc;
  });
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
