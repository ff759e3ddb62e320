"use client";

import { type InklogDocument, type OpenOptions, openDocument } from "@inklog/client";
import { useEffect, useRef, useSyncExternalStore } from "react";

/** The options of `openDocument`. */
export interface DocumentOptions extends Omit<OpenOptions, "docId"> {
  /** 1–128 of `A-Z a-z 0-9 . _ ~ -`; `null` or `undefined` until it is known: nothing is opened until then. */
  docId: string | null | undefined;
}

interface Lease {
  readonly doc: InklogDocument | null;
  /** Why there is no document. */
  readonly error: Error | null;
  users: number;
  token: OpenOptions["token"];
}

// Documents in use in this tab. Closing waits for the end of the current task: under StrictMode, or when it moves, a
// component unmounts and mounts again within one task, and finds the same document with its connection and text.
const leases = new Map<string, Lease>();
const listeners = new Set<() => void>();

/**
 * Opens a document while the component is mounted; returns `null` on the first render, without a `docId`, and if it
 * cannot be opened (see {@link useDocumentError}). Components that ask for the same document share one. A changed `url`,
 * `docId` or `user` opens another, and so does giving a `token` or giving none; the other options are those of the first
 * component, except that `token` is always that of the latest render.
 */
export function useDocument(options: DocumentOptions): InklogDocument | null {
  const key = keyOf(options);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  useEffect(() => (key === null ? undefined : take(key, latest.current)), [key]);
  useEffect(() => {
    const lease = key !== null && leases.get(key);
    if (lease && options.token) lease.token = options.token;
  });
  return useLease(key)?.doc ?? null;
}

/**
 * Why `useDocument` returns no document for the same options, such as an invalid `docId`; `null` if there is no error.
 * It opens nothing itself.
 */
export function useDocumentError(options: DocumentOptions): Error | null {
  return useLease(keyOf(options))?.error ?? null;
}

const keyOf = ({ url, docId, user, token }: DocumentOptions) =>
  docId == null ? null : JSON.stringify([url, docId, user, !!token]);

function useLease(key: string | null): Lease | undefined {
  return useSyncExternalStore(
    subscribe,
    () => (key === null ? undefined : leases.get(key)),
    () => undefined,
  );
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  return () => void listeners.delete(tell);
}

/** Leases a document; the first lease opens it. Returns a function that ends the lease. */
function take(key: string, options: DocumentOptions): () => void {
  const lease = leases.get(key) ?? open(key, options);
  lease.users += 1;
  return () => {
    lease.users -= 1;
    setTimeout(() => {
      if (lease.users > 0 || leases.get(key) !== lease) return;
      leases.delete(key);
      void lease.doc?.close();
      tellAll();
    });
  };
}

function open(key: string, options: DocumentOptions): Lease {
  const lease: { -readonly [K in keyof Lease]: Lease[K] } = { doc: null, error: null, users: 0, token: options.token };
  try {
    lease.doc = openDocument({ ...options, docId: options.docId!, ...(options.token && { token: () => lease.token?.() }) });
  } catch (error) {
    // An exception in an effect would unmount the whole page.
    lease.error = error as Error;
    console.error(`useDocument opened nothing: ${lease.error.message}`);
  }
  leases.set(key, lease);
  tellAll();
  return lease;
}

function tellAll(): void {
  for (const tell of [...listeners]) tell();
}
