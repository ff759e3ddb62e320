// Where a document is kept on this device.

/**
 * A small store of records by key, shared by the tabs of one origin. Keys are ASCII; values survive a structured
 * clone. A write is made whole or not at all, and writes are made in the order in which they were asked for.
 */
export interface Storage {
  /** All records whose key begins with `prefix`, by key. */
  read(prefix: string): Promise<[key: string, value: any][]>;
  /** Sets each key to its value, in order; `undefined` removes it. When this resolves, it survives a crash. */
  write(changes: [key: string, value: unknown][]): Promise<void>;
  /** Takes a lock; `null` when another tab holds it. The result frees it; so does the end of the tab. */
  lock(name: string): Promise<(() => void) | null>;
}

/** Keeps nothing. */
export const noStorage: Storage = {
  read: async () => [],
  write: async () => {},
  lock: async () => () => {},
};

/** IndexedDB and Web Locks; throws where there is no such thing. */
export async function browserStorage(name = "inklog"): Promise<Storage> {
  const { locks } = navigator;
  if (!locks) throw new Error("there are no Web Locks");
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("records");
  const db: IDBDatabase = await resultOf(opening);
  // Another version of this code may want to change the database.
  db.onversionchange = () => db.close();
  return {
    async read(prefix) {
      const records = db.transaction("records").objectStore("records");
      const range = IDBKeyRange.bound(prefix, prefix + "\uffff");
      const [keys, values] = await Promise.all([resultOf(records.getAllKeys(range)), resultOf(records.getAll(range))]);
      return keys.map((key, i) => [key as string, values[i]]);
    },
    write: (changes) =>
      new Promise((resolve, reject) => {
        const transaction = db.transaction("records", "readwrite");
        const records = transaction.objectStore("records");
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
        try {
          for (const [key, value] of changes) value === undefined ? records.delete(key) : records.put(value, key);
        } catch (error) {
          reject(error);
          transaction.abort();
        }
      }),
    lock: (name) =>
      new Promise((resolve, reject) => {
        const held = (lock: unknown) => (lock ? new Promise<void>(resolve) : resolve(null));
        locks.request("inklog/" + name, { ifAvailable: true }, held).catch(reject);
      }),
  };
}

const resultOf = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
