// Passages put together by event, for a row each.
import { STAGES, type Passage, type Stage } from "./stack";

export const ROWS_MAX = 60;

export interface Row {
  key: string;
  agent: string;
  after: number;
  end: number;
  /** ms since the epoch, when ingest (or else the first stage that was seen) began. */
  start: number;
  /** ms since `start`. */
  spans: Partial<Record<Stage, { from: number; to: number; ok: boolean }>>;
  /** ms from `start` to the end of the last stage so far. */
  total: number;
}

const keyOf = ({ agent, after }: Passage) => `${agent}#${after}`;

/** The newest rows, newest first. */
export function rowsOf(passages: readonly Passage[]): Row[] {
  const byEvent = new Map<string, Passage[]>();
  for (const passage of passages) {
    const key = keyOf(passage);
    byEvent.set(key, [...(byEvent.get(key) ?? []), passage]);
  }
  return [...byEvent]
    .map(([key, all]) => rowOf(key, all))
    .sort((a, b) => b.start - a.start)
    .slice(0, ROWS_MAX);
}

function rowOf(key: string, all: Passage[]): Row {
  const start = Math.min(...all.map(({ startedAt }) => startedAt));
  const spans: Row["spans"] = {};
  for (const { stage, startedAt, endedAt, ok } of all) {
    // A stage that sees an event again adds nothing; one that failed, and then did it, did it.
    if (!spans[stage]?.ok) spans[stage] = { from: startedAt - start, to: endedAt - start, ok };
  }
  const { agent, after, end } = all[0]!;
  return { key, agent, after, end, start, spans, total: Math.max(...Object.values(spans).map(({ to }) => to)) };
}

/** A round number of ms that holds most of the rows: one late event does not flatten the others. */
export function scaleOf(rows: readonly Row[]): number {
  const totals = rows.map(({ total }) => total).sort((a, b) => a - b);
  const most = totals[Math.floor((totals.length - 1) * 0.9)] ?? 10;
  let scale = 1;
  while (scale < most) scale *= String(scale).startsWith("2") ? 2.5 : 2;
  return scale;
}

/** The median time of each stage, ms. */
export function medians(rows: readonly Row[]): Partial<Record<Stage, number>> {
  const found: Partial<Record<Stage, number>> = {};
  for (const stage of STAGES) {
    const times = rows.flatMap(({ spans }) => spans[stage] ?? []).map(({ from, to }) => to - from).sort((a, b) => a - b);
    if (times.length) found[stage] = times[times.length >> 1]!;
  }
  return found;
}
