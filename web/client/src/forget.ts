// Removes from a device what it keeps of a document.

import { forkPrefix, type ForkRecord } from "./forks.js";
import { accessKey } from "./sync/access.js";
import { addressOf } from "./options.js";
import { type Storage, browserStorage, timed } from "./storage.js";
import { StoredAgents } from "./storedAgents.js";
import { startOf } from "./sync/outbox.js";

export interface ForgetOptions {
  /** The API's address, as in `openDocument`. */
  url: string;
  docId: string;
  /** Default: IndexedDB. */
  storage?: Storage;
  /** Also remove edits that never reached the server, and forks. */
  discardUnsent?: boolean;
}

export interface Forgotten {
  /** Whether this device no longer keeps anything of the document. */
  forgotten: boolean;
  /** Characters that exist on this device only; if `forgotten` is true, they were discarded. */
  unsent: number;
}

/**
 * Removes what this device keeps of a document; what the server has stays there. Removes nothing while a tab has the
 * document open, or, without `discardUnsent`, while the device keeps text that exists nowhere else.
 */
export async function forgetDocument({ url, docId, storage, discardUnsent }: ForgetOptions): Promise<Forgotten> {
  const store = timed(storage ?? (await browserStorage()), globalThis);
  const server = addressOf(url);
  const agents = new StoredAgents(store, docId, server, () => null);
  try {
    const found = await agents.read();
    const forks = (await store.read(forkPrefix(docId))).filter(([, fork]: [string, ForkRecord]) => fork.server === server);
    const typed = found.reduce((sum, agent) => sum + agent.end - startOf(agent), 0);
    const unsent = forks.reduce((sum, [, { text }]) => sum + text.length, typed);
    const forgotten = found.every(({ free }) => free) && (!unsent || !!discardUnsent);
    if (forgotten) {
      const keys = [...found.flatMap(({ keys }) => [...keys]), ...forks.map(([key]) => key), accessKey(docId, server)];
      await store.write(keys.map((key) => [key, undefined]));
    }
    return { forgotten, unsent };
  } finally {
    agents.keepOnly([]);
  }
}
