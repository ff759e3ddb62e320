"use client";

import type { InklogDocument } from "@inklog/client";
import type { Change, WireEvent } from "@inklog/client/crdt";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Replay } from "./replay.js";
import { useConnectionStatus } from "./state.js";

/** An event, when the server took it (`at`, ms since the epoch), and from whom. */
export interface HistoryEvent extends WireEvent {
  user?: string | null;
}

/** Gets every event of a document in order of time; `null` when the server does not offer that. */
export type EventsSource = (docId: string, signal: AbortSignal) => Promise<readonly HistoryEvent[] | null>;

export interface HistoryOptions {
  /** Default: `localEvents()`. Keep it the same between renders, or they are asked for again. */
  source?: EventsSource;
}

export interface History {
  /** `undefined` as long as it is not known. */
  supported: boolean | undefined;
  /** From the first to the newest when it was asked. */
  events: readonly HistoryEvent[];
  /** Why they are not here. */
  error: Error | null;
  /** The text after the first `count` events, and what the last of them changed; replayed on this device. */
  at(count: number): { text: string; changes: readonly Change[] };
  /** Asks again. */
  refresh(): void;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** `GET {origin}/_inklog/docs/{doc}/events`, which a local stack offers to its own machine only. */
export function localEvents(origin: string | undefined = globalThis.location?.origin): EventsSource {
  return async (docId, signal) => {
    // A page without a server of its own has the origin "null".
    if (!origin || !URL.canParse(origin) || !LOOPBACK.test(new URL(origin).hostname)) return null;
    const answer = await fetch(`${origin}/_inklog/docs/${encodeURIComponent(docId)}/events`, { signal }).catch((cause) => {
      throw new Error("the server does not respond; the history loads when it is back", { cause });
    });
    const isJson = answer.headers.get("content-type")?.includes("json") ?? false;
    if (answer.ok && isJson) return (await answer.json()) as HistoryEvent[];
    if (answer.status >= 500) throw new Error(`the server could not list the events (${answer.status}); try again`);
    // A document that nobody has written in yet has no events; any other answer is from another kind of server.
    return answer.status === 404 && isJson ? [] : null;
  };
}

interface Known {
  supported: boolean | undefined;
  events: readonly HistoryEvent[];
  error: Error | null;
}

const UNKNOWN: Known = { supported: undefined, events: [], error: null };

/** The document's events, and its text after any of them. What failed is asked for again once the server is reached. */
export function useHistory(doc: InklogDocument | null, options: HistoryOptions = {}): History {
  const [known, setKnown] = useState<Known>(UNKNOWN);
  const [asked, setAsked] = useState(0);
  const docId = doc?.docId;
  const { source } = options;
  const isOnline = useConnectionStatus(doc) === "online";
  const failed = useRef(false);
  useEffect(() => {
    failed.current = known.error !== null;
  });
  useEffect(() => {
    if (isOnline && failed.current) setAsked((n) => n + 1);
  }, [isOnline]);
  useEffect(() => setKnown(UNKNOWN), [docId, source]);
  useEffect(() => {
    if (docId === undefined) return;
    const ending = new AbortController();
    (source ?? localEvents())(docId, ending.signal).then(
      (events) => ending.signal.aborted || setKnown({ supported: events !== null, events: events ?? [], error: null }),
      (error: Error) => ending.signal.aborted || setKnown((was) => ({ ...was, error })),
    );
    return () => ending.abort();
  }, [docId, source, asked]);
  const replay = useMemo(() => new Replay(known.events), [known.events]);
  return {
    ...known,
    at: useCallback((count: number) => replay.at(count), [replay]),
    refresh: useCallback(() => setAsked((n) => n + 1), []),
  };
}
