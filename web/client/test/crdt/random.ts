// Random numbers from a seed, and random edits, events and orders of arrival from those.
import type { Change, LocalOp, TextDoc, WireEvent, WireOp } from "../../src/crdt/index.js";

export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) | 1;
  }

  /** A number below `end`. */
  below(end: number): number {
    // mulberry32
    let t = (this.#state = (this.#state + 0x6d2b79f5) | 0);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}

/** Runs a test for `count` seeds, and names the one that fails. `INKLOG_SEED=17` runs from that one on, `17:1` only it. */
export function forSeeds(count: number, test: (random: Random) => void): void {
  const [first = "1", own] = (process.env["INKLOG_SEED"] || "1").split(":");
  for (let seed = Number(first); seed < Number(first) + Number(own ?? count); seed++) {
    try {
      test(new Random(seed));
    } catch (error) {
      console.error(`failed with INKLOG_SEED=${seed}:1`);
      throw error;
    }
  }
}

/** All widths in UTF-8 and UTF-16, line ends, a joiner, and halves of pairs. */
const PIECES = ["a", "b", " ", "é", "ß", "中", "\u200d", "\ufeff", "😀", "𝒳", "\r", "\n", "\r\n", "\ud83d", "\ude00", "word", "長い文"];

export const randomText = (random: Random, pieces = 4): string =>
  Array.from({ length: 1 + random.below(pieces) }, () => random.pick(PIECES)).join("");

export function follow(mirror: string, changes: Change[]): string {
  for (const { at, del, ins } of changes) mirror = mirror.slice(0, at) + ins + mirror.slice(at + del);
  return mirror;
}

/** Where an index lies that may be inside a pair: before the pair. */
export const whole = (text: string, at: number): number =>
  /[\ud800-\udbff]/.test(text[at - 1] ?? "") && /[\udc00-\udfff]/.test(text[at] ?? "") ? at - 1 : at;

/** An edit, made to the document and, as an editor would, to the mirror. */
export function randomEdit(random: Random, doc: TextDoc, agent: string, mirror: string, ops: LocalOp[]): string {
  const at = random.below(doc.length + 1);
  if (random.chance(35) && doc.length > 0) {
    const len = 1 + random.below(Math.min(doc.length - at, random.chance(10) ? 200 : 5));
    if (at + len > doc.length) return mirror;
    ops.push(...doc.delete(agent, at, len));
    const end = whole(mirror, at + len) < at + len ? at + len + 1 : at + len;
    return mirror.slice(0, whole(mirror, at)) + mirror.slice(end);
  }
  const text = randomText(random, random.chance(5) ? 400 : 4);
  ops.push(doc.insert(agent, at, text));
  const place = whole(mirror, at);
  return mirror.slice(0, place) + text.replace(/\p{Surrogate}/gu, "\ufffd") + mirror.slice(place);
}

/** An event that no editor makes: with gaps, and with references to any id that is known, void ones too. */
export function wildEvent(random: Random, version: ReadonlyMap<string, number>, agent: string): WireEvent {
  const after = version.get(agent) ?? 0;
  let seq = after;
  const agents = [...version].filter(([, end]) => end > 0);
  const id = (below: number) => {
    const [name, end] = agents.length > 0 && random.chance(80) ? random.pick(agents) : [agent, below];
    const limit = name === agent ? below : end;
    return limit > 0 ? `${name}-${random.below(limit)}` : null;
  };
  const ops: WireOp[] = [];
  for (let left = 1 + random.below(3); left > 0; left--) {
    seq += random.chance(40) ? random.below(4) : 0;
    const ref = id(seq);
    const own = `${agent}-${seq}`;
    if (ref !== null && random.chance(30)) {
      const target = Number(ref.slice(ref.lastIndexOf("-") + 1));
      const name = ref.slice(0, ref.lastIndexOf("-"));
      const len = 1 + random.below(Math.min(6, (name === agent ? seq : version.get(name)!) - target));
      ops.push({ type: "delete", id: own, target: ref, len });
      seq += len;
    } else {
      const text = random.pick(["x", "yz", "😀é", "中\n"]);
      const anchor = ref !== null && random.chance(50) ? { right: ref } : { left: ref };
      ops.push({ type: "insert", id: own, text, ...anchor });
      seq += [...text].length;
    }
  }
  return { agent, after, ops };
}
