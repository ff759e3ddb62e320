// What a local stack tells about itself (`/_inklog/…`): to its own machine only, so nobody else sees these panels.
import { useEffect, useState } from "react";

export const STAGES = ["ingest", "log", "materializer", "broadcaster"] as const;
export type Stage = (typeof STAGES)[number];

/** One event at one stage; times in ms since the epoch. */
export interface Passage {
  stage: Stage;
  doc: string;
  agent: string;
  after: number;
  end: number;
  startedAt: number;
  endedAt: number;
  ok: boolean;
}

export interface Status {
  doc: string;
  chars: number;
  version: Record<string, number>;
  waiting: number;
  base: { bytes: number; generation: string } | null;
  tail: { events: number; bytes: number };
  snapshot: { key: string; at: number; version: Record<string, number> } | null;
  dirty: boolean;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** A document's status; `null` where there is no local stack. */
export async function fetchStatus(docId: string, signal: AbortSignal): Promise<Status | null> {
  if (!LOOPBACK.test(location.hostname)) return null;
  const answer = await fetch(`/_inklog/docs/${encodeURIComponent(docId)}/status`, { signal });
  const isJson = answer.headers.get("content-type")?.includes("json") ?? false;
  return answer.ok && isJson ? ((await answer.json()) as Status) : null;
}

/** Whether the page comes from a local stack. */
export function useLocalStack(docId: string): boolean {
  const [isLocal, setLocal] = useState(false);
  useEffect(() => {
    const ending = new AbortController();
    fetchStatus(docId, ending.signal).then(
      (status) => ending.signal.aborted || setLocal(status !== null),
      // Offline: then there is nothing to see, either.
      () => {},
    );
    return () => ending.abort();
  }, [docId]);
  return isLocal;
}
