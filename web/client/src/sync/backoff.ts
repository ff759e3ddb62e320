// Pauses that double, with jitter, so that clients that lost one server do not all come back at once.

export interface Backoff {
  /** Pauses since the last success. */
  tries: number;
  /** The next pause, in ms. */
  pause(): number;
}

/**
 * Pauses of up to `first` ms, then up to twice that, …, then up to `longest`; each is at least the share `least` of
 * what it may be.
 */
export const backoff = (random: () => number, first: number, longest: number, least = 0): Backoff => ({
  tries: 0,
  pause() {
    return (least + (1 - least) * random()) * Math.min(longest, first * 2 ** this.tries++);
  },
});
