// What a local stack tells about itself (`/_inklog/…`): to its own machine only, so nobody else sees these panels.
import type { ConnectionStatus } from "@inklog/client";
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

/** Whether the page comes from a local stack. Asked for at first, and again with each connection until it is known. */
export function useLocalStack(docId: string, status: ConnectionStatus): boolean {
  const [isLocal, setLocal] = useState(false);
  const isOnline = status === "online";
  useEffect(() => {
    if (isLocal) return;
    const ending = new AbortController();
    fetchStatus(docId, ending.signal).then(
      (found) => ending.signal.aborted || setLocal(found !== null),
      // Offline: the next connection asks again.
      () => {},
    );
    return () => ending.abort();
  }, [docId, isOnline, isLocal]);
  return isLocal;
}
