// Where a document is kept on this device.

/**
 * A small store of records by key, shared by the tabs of one origin. Keys are ASCII; values survive a structured
 * clone. A write is made whole or not at all, and writes are made in the order in which they were asked for.
 */
export interface Storage {
  /** All records whose key begins with `prefix`, by key. */
  read(prefix: string): Promise<[key: string, value: any][]>;
  /** Sets each key to its value; `undefined` removes it. When this resolves, it survives a crash of the tab. */
  write(changes: [key: string, value: unknown][]): Promise<void>;
  /** Takes a lock; `null` when another tab holds it. The result frees it; so does the end of the tab. */
  lock(name: string): Promise<(() => void) | null>;
}
