// Where a document is kept on this device.

/**
 * A small store of records by key, shared by the tabs of one origin. Keys are ASCII; values survive a structured
 * clone. Writes are atomic and happen in the order of the calls.
 */
export interface Storage {
  /** All records whose key begins with `prefix`, by key. */
  read(prefix: string): Promise<[key: string, value: any][]>;
  /** Sets each key to its value, in order; `undefined` removes it. When this resolves, it survives a crash. */
  write(changes: [key: string, value: unknown][]): Promise<void>;
  /** Takes a lock; `null` if another tab holds it. Calling the result frees it; so does closing the tab. */
  lock(name: string): Promise<(() => void) | null>;
}

/** Stores nothing. */
export const noStorage: Storage = {
  read: async () => [],
  write: async () => {},
  lock: async () => () => {},
};

/** A store that has not answered by then does not answer. */
const ANSWER_MS_MAX = 10_000;

/** A timer that is this late was not asleep alone: the whole page was, and so was the store. */
const LATE_MS = 1_000;

interface Clock {
  performance: { now(): number };
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
}

/** The result of a promise, or an exception when it does not come in time. A page that was frozen waits anew. */
export function inTime<T>(clock: Clock, ms: number, what: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: unknown;
    const wait = () => {
      const due = clock.performance.now() + ms;
      timer = clock.setTimeout(() => {
        if (clock.performance.now() > due + LATE_MS) wait();
        else reject(new Error("it does not answer"));
      }, ms);
    };
    wait();
    what.then(resolve, reject).finally(() => clock.clearTimeout(timer));
  });
}

/** A store of which every call has an end. */
export const timed = (storage: Storage, clock: Clock): Storage => ({
  read: (prefix) => inTime(clock, ANSWER_MS_MAX, storage.read(prefix)),
  write: (changes) => inTime(clock, ANSWER_MS_MAX, storage.write(changes)),
  lock: (name) => inTime(clock, ANSWER_MS_MAX, storage.lock(name)),
});

/** IndexedDB and Web Locks; throws if they are not available. */
export async function browserStorage(name = "inklog"): Promise<Storage> {
  const { indexedDB, navigator } = globalThis;
  if (!indexedDB) throw new Error("there is no IndexedDB");
  // Elsewhere than on https and localhost, browsers have none.
  const locks = navigator?.locks;
  if (!locks) throw new Error("Web Locks need https or localhost");
  const db = await openDatabase(indexedDB, name);
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
        transaction.onabort = () => reject(transaction.error ?? new Error("the write was aborted"));
        try {
          for (const [key, value] of changes) value === undefined ? records.delete(key) : records.put(value, key);
          // A page that is left is not waited for; what it committed is written nevertheless.
          transaction.commit();
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

function openDatabase(indexedDB: IDBFactory, name: string): Promise<IDBDatabase> {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("records");
  return resultOf(opening).then((db) => {
    // Another version of this code may want to change the database, or somebody to delete it.
    db.onversionchange = () => db.close();
    return db;
  });
}

const resultOf = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
