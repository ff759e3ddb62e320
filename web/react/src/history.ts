"use client";

import type { InklogDocument } from "@inklog/client";
import type { Change, WireEvent } from "@inklog/client/crdt";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Replay } from "./replay.js";
import { useConnectionStatus } from "./state.js";

/** An event, its time on the server (`at`, ms since the epoch), its user, and the name under which they wrote. */
export interface HistoryEvent extends WireEvent {
  user?: string | null;
  name?: string | null;
}

/** Fetches every event of a document in order of time; returns `null` if the server does not offer this. */
export type EventsSource = (docId: string, signal: AbortSignal) => Promise<readonly HistoryEvent[] | null>;

export interface HistoryOptions {
  /** Default: `localEvents()`. Keep it the same between renders, or the events are fetched again. */
  source?: EventsSource;
}

export interface History {
  /** Whether the server provides the history; `undefined` until known. */
  supported: boolean | undefined;
  /** All events at the time of the last fetch, oldest first. */
  events: readonly HistoryEvent[];
  /** Why the events could not be fetched. */
  error: Error | null;
  /** The text after the first `count` events, and what the last of them changed; replayed on this device. */
  at(count: number): { text: string; changes: readonly Change[] };
  /** Fetches the events again. */
  refresh(): void;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** `GET {origin}/_inklog/docs/{doc}/events`, which a local stack offers to its own machine only. */
export function localEvents(origin: string | undefined = globalThis.location?.origin): EventsSource {
  return async (docId, signal) => {
    // A page that no server delivered has the origin "null".
    if (!origin || !URL.canParse(origin) || !LOOPBACK.test(new URL(origin).hostname)) return null;
    const answer = await fetch(`${origin}/_inklog/docs/${encodeURIComponent(docId)}/events`, { signal }).catch((cause) => {
      throw new Error("the server does not respond; the history loads when it is back", { cause });
    });
    const isJson = answer.headers.get("content-type")?.includes("json") ?? false;
    if (answer.ok && isJson) return (await answer.json()) as HistoryEvent[];
    if (answer.status >= 500) throw new Error(`the server could not list the events (${answer.status}); try again`);
    // A document without edits has no events; any other answer comes from another kind of server.
    return answer.status === 404 && isJson ? [] : null;
  };
}

interface Known {
  supported: boolean | undefined;
  events: readonly HistoryEvent[];
  error: Error | null;
}

const UNKNOWN: Known = { supported: undefined, events: [], error: null };

/** The document's events, and its text after any of them. A failed fetch is repeated once the server is reachable. */
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
