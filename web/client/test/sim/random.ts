/** A seeded generator (SplitMix32): the same seed gives the same session. */
export class Random {
  constructor(private state: number) {}

  /** 0 ≤ … < 1. */
  readonly next = (): number => {
    this.state = (this.state + 0x9e3779b9) | 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
  /** 0 ≤ … < `below`, whole. */
  readonly below = (below: number): number => Math.floor(this.next() * below);
  readonly chance = (probability: number): boolean => this.next() < probability;
  readonly pick = <T>(from: readonly T[]): T => from[this.below(from.length)]!;
}
