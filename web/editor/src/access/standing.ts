// What whoever is here may do with the document, as far as the page knows.
import type { InklogDocument, InklogError } from "@inklog/client";
import { useAccess, useConnectionStatus, useProblem, useSaveStatus, useStorage } from "@inklog/react";
import { useEffect, useRef } from "react";
import { isCatching } from "../typeAhead";
import { wordsForStanding } from "../words";
import { accepted, lookForRefusal, onArrival, refused, tokenFor, useSession } from "./session";

/** `out`: has to sign in · `barred`: has no right to it · `reader`, `writer`: by the right · `unknown`: nobody has said. */
export type Standing = "out" | "barred" | "reader" | "writer" | "unknown";

export function useStanding(doc: InklogDocument | null): Standing {
  const { isOut } = useSession();
  const access = useAccess(doc);
  if (isOut) return "out";
  if (access === null) return "unknown";
  return access === "none" ? "barred" : access === "read" ? "reader" : "writer";
}

/** Whether the document takes no edits. */
export function useReadOnly(doc: InklogDocument | null): boolean {
  useAccess(doc);
  return doc?.readOnly ?? false;
}

/** Whether it is about what somebody may do, for which there are words of its own. */
export const isOfAccess = ({ code }: InklogError): boolean => code === "unauthorized" || code === "forbidden";

/** What else keeps the document from the server. */
export function useObstacle(doc: InklogDocument | null): InklogError | null {
  const { isOut, isTurnedAway } = useSession();
  const problem = useProblem(doc);
  if (!problem || isOfAccess(problem) || (problem.code === "token" && isOut)) return null;
  return problem.code === "unreachable" && isTurnedAway ? { ...problem, code: "turned_away" } : problem;
}

/** Why what is typed here is not sent, and what to do; `null` where nothing is in its way. */
export function useAccessWords(doc: InklogDocument | null): string | null {
  const { config } = useSession();
  const standing = useStanding(doc);
  const { unsent, sent, blocked } = useSaveStatus(doc);
  const { kind } = useStorage(doc);
  const readOnly = useReadOnly(doc);
  if (!blocked && standing !== "out" && standing !== "barred") return null;
  return wordsForStanding(standing, { open: unsent + sent, isKept: kind === "device", canSignIn: !!config?.signIn, canType: !readOnly });
}

/** The `token` of a document's options. The page may leave to sign in as long as nothing has happened on it. */
export const tokenOf = (docId: string) => (): Promise<string> => tokenFor(docId, () => !touched.has(docId) && !isCatching(docId));

/** Documents that were connected, or written in, since the page was loaded. */
const touched = new Set<string>();

/** Tells the session what the server says of its token, and the document of another token. */
export function useAdmission(doc: InklogDocument | null): void {
  const status = useConnectionStatus(doc);
  const code = useProblem(doc)?.code;
  const current = useRef(doc);
  current.current = doc;
  useEffect(() => onArrival(() => current.current?.reconnect()), []);
  useEffect(() => doc?.on("change", ({ origin }) => origin === "local" && touched.add(doc.docId)), [doc]);
  useEffect(() => {
    if (status !== "online" || !doc) return;
    touched.add(doc.docId);
    accepted();
  }, [doc, status]);
  useEffect(() => {
    if (code === "unauthorized") refused();
    // What the right is now, the server says with the next connection.
    else if (code === "forbidden" && current.current?.status === "online") current.current.reconnect();
    else if (code === "unreachable") void lookForRefusal();
  }, [code]);
}
