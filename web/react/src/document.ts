import { type InklogDocument, type OpenOptions, openDocument } from "@inklog/client";
import { useEffect, useRef, useState } from "react";

interface Lease {
  doc: InklogDocument;
  users: number;
}

// Documents in use in this tab. Closing waits for the end of the current task: StrictMode, and a component that moves,
// leave and come back within it, and find the same document, its connection and its text.
const leases = new Map<string, Lease>();

/**
 * Opens a document while the component is mounted; `null` on the first render. Components that ask for the same
 * document share one. Another `url`, `docId` or `user` opens another; of the rest, the first to ask decides, except
 * that `token` is always the one of the latest render.
 */
export function useDocument(options: OpenOptions): InklogDocument | null {
  const [doc, setDoc] = useState<InklogDocument | null>(null);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  const key = JSON.stringify([options.url, options.docId, options.user]);
  useEffect(() => {
    const first = latest.current;
    const lease = leases.get(key) ?? {
      doc: openDocument(first.token ? { ...first, token: () => latest.current.token!() } : first),
      users: 0,
    };
    leases.set(key, lease);
    lease.users += 1;
    setDoc(lease.doc);
    return () => {
      lease.users -= 1;
      setTimeout(() => {
        if (lease.users > 0 || leases.get(key) !== lease) return;
        leases.delete(key);
        void lease.doc.close();
      });
    };
  }, [key]);
  return doc?.docId === options.docId ? doc : null;
}
