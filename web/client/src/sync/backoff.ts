// Pauses that double, with full jitter, so that clients that lost one server do not all come back at once.

export class Backoff {
  /** Pauses since the last success. */
  tries = 0;
  readonly #random: () => number;
  readonly #first: number;
  readonly #longest: number;

  /** Pauses of up to `first` ms, then up to twice that, …, then up to `longest`. */
  constructor(random: () => number, first: number, longest: number) {
    this.#random = random;
    this.#first = first;
    this.#longest = longest;
  }

  /** The next pause, in ms. */
  pause(): number {
    return this.#random() * Math.min(this.#longest, this.#first * 2 ** this.tries++);
  }
}
