// A device: its store, and the locks of its tabs, both of which outlive a tab.

import type { Storage } from "../../src/index.js";
import type { World } from "./world.js";

/** Whoever uses a device until it dies. */
export interface Tab {
  dead: boolean;
}

interface Write {
  tab: Tab;
  done: boolean;
  apply: () => void;
}

export class Device {
  readonly records = new Map<string, unknown>();
  private readonly locks = new Map<string, Tab>();
  private writes: Write[] = [];
  private lastWriteAt = 0;

  constructor(
    readonly world: World,
    /** A write takes up to this long, in ms. */
    private readonly slowness = 8,
  ) {}

  /** The store as one tab sees it. */
  storage(tab: Tab): Storage {
    const { world, records, locks } = this;
    const later = <T>(ms: number, what: () => T) =>
      new Promise<T>((resolve) => world.after(ms, () => void (tab.dead || resolve(what()))));
    return {
      read: (prefix) =>
        later(world.random.below(3), () => {
          // A read waits for the writes that were asked for before it.
          for (const write of this.writes) write.apply();
          const found = [...records].filter(([key]) => key.startsWith(prefix));
          return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, structuredClone(value)]);
        }),
      write: (changes) => {
        if (tab.dead) return new Promise(() => {});
        const copies = structuredClone(changes);
        this.lastWriteAt = Math.max(this.lastWriteAt, world.now + world.random.below(this.slowness));
        return new Promise((resolve) => {
          const write: Write = {
            tab,
            done: false,
            apply: () => {
              if (write.done) return;
              write.done = true;
              for (const [key, value] of copies) value === undefined ? records.delete(key) : records.set(key, value);
            },
          };
          this.writes.push(write);
          world.after(this.lastWriteAt - world.now, () => {
            this.writes = this.writes.filter((other) => other !== write);
            write.apply();
            if (!tab.dead) resolve();
          });
        });
      },
      lock: (name) =>
        later(0, () => {
          if (locks.has(name)) return null;
          locks.set(name, tab);
          return () => void (locks.get(name) === tab && locks.delete(name));
        }),
    };
  }

  /** A tab is no more: its locks are free, and of the writes under way only the first so many are made. */
  kill(tab: Tab): void {
    tab.dead = true;
    let made = true;
    for (const write of this.writes.filter((write) => write.tab === tab)) {
      made &&= this.world.random.chance(0.5);
      if (made) write.apply();
      write.done = true;
    }
    for (const [name, holder] of this.locks) if (holder === tab) this.locks.delete(name);
  }
}
