// What was typed and not saved, carried from a document over to another one that may lack the text around it.

import { type IdRange, type TextDoc, idsAt } from "../crdt/index.js";
import type { OutEvent } from "./outbox.js";

/** A text, and where it goes; several at one place come after each other. */
export interface Typed {
  at: number;
  text: string;
}

/**
 * The visible text of `from` whose ids are at or beyond where their agent's is `typed`, with the places in `to` that it
 * belongs to: after the nearest character before it that both documents know. In the order of the text.
 */
export function typedIn(from: TextDoc, to: TextDoc, typed: ReadonlyMap<string, number>): Typed[] {
  const found: Typed[] = [];
  let at = 0;
  let rest = 0;
  const text = from.toString();
  for (const { agent, seq, len } of idsAt(from, 0, from.length)) {
    const saved = Math.min(Math.max((typed.get(agent) ?? Infinity) - seq, 0), len);
    const known = Math.min(saved, (to.version.get(agent) ?? 0) - seq);
    if (known > 0) at = to.position({ id: `${agent}-${seq + known - 1}`, side: -1 });
    const start = forward(text, rest, saved);
    rest = forward(text, start, len - saved);
    if (rest === start) continue;
    const last = found.at(-1);
    if (last?.at === at) last.text += text.slice(start, rest);
    else found.push({ at, text: text.slice(start, rest) });
  }
  return found;
}

/** The place so many code points further on. */
function forward(text: string, at: number, count: number): number {
  for (let left = count; left > 0; left--) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return at;
}

/** The ids that events delete. */
export const deletedIn = (events: readonly OutEvent[]): IdRange[] =>
  events
    .flatMap(({ ops }) => ops)
    .filter(({ text }) => text === null)
    .map(({ ref, refSeq, count }) => ({ agent: ref!, seq: refSeq, len: count }));
