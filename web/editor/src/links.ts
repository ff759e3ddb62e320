// Links that give a right: the application makes them, since it alone knows who may have which.
import { useEffect, useState } from "react";
import { urlOf } from "./access/config";
import { useSession } from "./access/session";

export type Right = "read" | "write";

const MAKE_MS_MAX = 10_000;

interface Links {
  link: string | null;
  /** Why there is none, for people. */
  problem: string | null;
  isAsking: boolean;
  make: () => void;
}

/** A link for a document and a right; another choice needs another link. */
export function useLinks(share: URL, docId: string, right: Right | undefined): Links {
  const { token } = useSession();
  const [made, setMade] = useState<{ link?: string; problem?: string }>({});
  const [isAsking, setAsking] = useState(false);
  useEffect(() => setMade({}), [docId, right]);
  const make = () => {
    setAsking(true);
    setMade({});
    ask(share, token?.text ?? "", docId, right!).then(
      (link) => setMade({ link }),
      (error) => setMade({ problem: error instanceof Refusal ? error.message : "The application that gives access does not answer. Try again in a moment." }),
    ).finally(() => setAsking(false));
  };
  return { link: made.link ?? null, problem: made.problem ?? null, isAsking, make };
}

/** What the application said no with, for people. */
class Refusal extends Error {}

async function ask(share: URL, token: string, doc: string, right: Right): Promise<string> {
  const answer = await fetch(share, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ doc, right }),
    cache: "no-store",
    signal: AbortSignal.timeout(MAKE_MS_MAX),
  });
  if (answer.status === 401) throw new Refusal("Your sign-in has ended. Sign in again to share this document.");
  if (answer.status === 403) throw new Refusal("You may not give this right.");
  const link = answer.ok ? urlOf((await answer.json()).link) : null;
  if (!link) throw new Refusal(`The application that gives access made no link (${answer.status}). Whoever runs it can fix that.`);
  return link.href;
}
