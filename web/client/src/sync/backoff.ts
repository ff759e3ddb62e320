// Pauses that double, with full jitter, so that clients that lost one server do not all come back at once.

export class Backoff {
  /** Pauses since the last success. */
  tries = 0;

  /** Pauses of up to `first` ms, then up to twice that, …, then up to `longest`. */
  constructor(
    private readonly _random: () => number,
    private readonly _first: number,
    private readonly _longest: number,
  ) {}

  /** The next pause, in ms. */
  pause(): number {
    return this._random() * Math.min(this._longest, this._first * 2 ** this.tries++);
  }
}
