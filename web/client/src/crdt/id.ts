// Ids: `<agent>-<seq>`, split at the last dash.
import { EventError } from "./errors.js";

/** The upper bound of an id's number plus the length of its op: every number is exact. */
export const MAX_SEQ = 2 ** 53;

export interface Id {
  agent: string;
  seq: number;
}

export const idText = (agent: string, seq: number): string => agent + "-" + seq;

export const isAgent = (name: string): boolean => /^[A-Za-z0-9._~-]{1,64}$/.test(name);

export function parseId(text: string): Id {
  const parts = typeof text === "string" && /^([A-Za-z0-9._~-]{1,64})-(0|[1-9][0-9]{0,15})$/.exec(text);
  const seq = parts ? Number(parts[2]) : NaN;
  // 2^53 + 1 would be rounded to 2^53.
  if (!parts || seq > MAX_SEQ || parts[2] !== String(seq)) throw new EventError(`not an id: ${String(text)}`);
  return { agent: parts[1]!, seq };
}
