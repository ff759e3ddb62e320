// Texts that the server forgot: put aside, kept on the device, and brought back only when somebody says so.

import { agentPrefix } from "./sync/keeper.js";
import type { Fork } from "./types.js";

/** The newest are kept. */
const FORKS_MAX = 20;

/** A stored fork; another server's are not this document's. */
export interface ForkRecord extends Fork {
  server: string;
  log: string | undefined;
}

export const forkPrefix = (docId: string): string => agentPrefix(docId, "~fork");

/** The same text has the same id, whichever tab puts it aside. */
export function forkId(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  return `${text.length}-${hash.toString(36)}`;
}

/** The forks of a server among a document's records, oldest first. */
export const forksOf = (records: [key: string, value: ForkRecord][], server: string): Fork[] =>
  records
    .map(([, record]) => record)
    .filter((record) => record.server === server)
    .sort((a, b) => a.at - b.at)
    .map(({ id, text, at }) => ({ id, text, at }));

/** With one more; says which are too many. */
export function withFork(forks: readonly Fork[], fork: Fork): { forks: Fork[]; gone: Fork[] } {
  const all = [...forks.filter(({ id }) => id !== fork.id), fork];
  return { forks: all.slice(-FORKS_MAX), gone: all.slice(0, -FORKS_MAX) };
}
