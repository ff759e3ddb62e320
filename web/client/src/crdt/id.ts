// Ids as text: `<agent>-<seq>`, split at the last dash.
import { EventError } from "./errors.js";

/** The upper bound of an id's number plus the length of its op: every number is exact. */
export const MAX_SEQ = 2 ** 53;

export interface Id {
  agent: string;
  seq: number;
}

export const idText = (agent: string, seq: number): string => agent + "-" + seq;

export const isAgent = (name: unknown): boolean => typeof name === "string" && /^[\w.~-]{1,64}$/.test(name);

/** Whether a value is a number that an id, an end or a length can have. */
export const isSeq = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_SEQ;

/** An id's number, whose digits begin at `from`: a decimal without leading zeros, at most 2^53. */
export function parseSeq(id: string, from: number): number {
  let seq = 0;
  for (let i = from; i < id.length; i++) {
    const digit = id.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9 || (seq === 0 && i > from)) throw badId(id);
    seq = seq * 10 + digit;
  }
  // 2^53 + 1 would come out as 2^53.
  if (from === id.length || seq > MAX_SEQ || (seq === MAX_SEQ && !id.endsWith("2"))) throw badId(id);
  return seq;
}

export function parseId(id: string): Id {
  const dash = typeof id === "string" ? id.lastIndexOf("-") : -1;
  const agent = dash > 0 && id.slice(0, dash);
  if (!agent || !isAgent(agent)) throw badId(id);
  return { agent, seq: parseSeq(id, dash + 1) };
}

const badId = (id: unknown) => new EventError(`not an id: ${String(id)}`);
