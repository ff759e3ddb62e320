// Virtual time: things happen in the order of their times, and what they leave to microtasks happens in between.

import { Random } from "./random.js";

interface Due {
  at: number;
  order: number;
  run: () => void;
  dead?: boolean;
}

export class World {
  now = 0;
  readonly random: Random;
  private readonly heap: Due[] = [];
  private count = 0;

  constructor(readonly seed: number) {
    this.random = new Random(seed);
  }

  after(ms: number, run: () => void): Due {
    const due = { at: this.now + Math.max(0, ms), order: this.count++, run };
    this.heap.push(due);
    this.up(this.heap.length - 1);
    return due;
  }

  /** Makes the next thing happen; `false`: there is none before `until`. */
  async step(until = Infinity): Promise<boolean> {
    let due: Due | undefined;
    do due = this.heap[0] && this.heap[0].at <= until ? this.take() : undefined;
    while (due?.dead);
    if (!due) return false;
    this.now = Math.max(this.now, due.at);
    due.run();
    await settle();
    return true;
  }

  async runUntil(time: number): Promise<void> {
    // What was begun goes on before time does.
    await settle();
    while (await this.step(time));
    this.now = time;
  }

  private before(a: number, b: number): boolean {
    const [x, y] = [this.heap[a]!, this.heap[b]!];
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  }

  private swap(a: number, b: number): void {
    [this.heap[a], this.heap[b]] = [this.heap[b]!, this.heap[a]!];
  }

  private up(i: number): void {
    for (let parent; i > 0 && this.before(i, (parent = (i - 1) >> 1)); i = parent) this.swap(i, parent);
  }

  private take(): Due {
    this.swap(0, this.heap.length - 1);
    const due = this.heap.pop()!;
    for (let i = 0, kid; (kid = 2 * i + 1) < this.heap.length; i = kid) {
      if (kid + 1 < this.heap.length && this.before(kid + 1, kid)) kid++;
      if (!this.before(kid, i)) break;
      this.swap(i, kid);
    }
    return due;
  }
}

/** Lets promises that wait for nothing outside run to their end. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 40; i++) await null;
}
