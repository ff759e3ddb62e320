import type { InklogDocument } from "@inklog/client";
import { useSaveStatus } from "@inklog/react";
import { useEffect, useState } from "react";
import { Notice } from "../Notice";
import { when } from "../words";
import { Keep } from "./Keep";
import { signInUrl, useSession } from "./session";
import { useAccessWords, useStanding } from "./standing";

/** How long before its end a token is spoken of. */
const ENDING_MS = 5 * 60_000;
const LOOK_MS = 5_000;

/** That the text cannot be sent as long as somebody may not write, or that their sign-in ends soon, and what to do. */
export function AccessNotice({ doc }: { doc: InklogDocument | null }) {
  const { config } = useSession();
  const standing = useStanding(doc);
  const said = useAccessWords(doc);
  const { allSaved } = useSaveStatus(doc);
  const endsAt = useEnding();
  const signIn = config?.signIn;
  if (said !== null) {
    const mine = allSaved ? "" : doc!.unsavedText().join("\n\n");
    return (
      <Notice kind="bad" said={said}>
        {standing === "out" && signIn && <SignIn url={signIn} />}
        {mine && <Keep text={mine} name={doc!.docId} />}
        {standing === "barred" && signIn && <a className="button-quiet" href={signInUrl(signIn, true)}>Sign in as someone else</a>}
      </Notice>
    );
  }
  return (
    endsAt !== null && (
      <Notice kind="warn" said={`Your sign-in ends at ${when(endsAt)}. ${signIn ? "Sign in again" : "Open this document from your application again"} to go on after that. What you typed is kept.`}>
        {signIn && <SignIn url={signIn} />}
      </Notice>
    )
  );
}

const SignIn = ({ url }: { url: URL }) => <a className="button button-main" href={signInUrl(url)}>Sign in again</a>;

/** When the token ends, in ms since the epoch, if that is soon and the page cannot get another by itself; else `null`. */
function useEnding(): number | null {
  const { token, config } = useSession();
  const endsAt = config?.token ? Infinity : (token?.endsAt ?? Infinity);
  const [isSoon, setSoon] = useState(false);
  useEffect(() => {
    if (endsAt === Infinity) return setSoon(false);
    const look = () => setSoon(endsAt > Date.now() && endsAt - Date.now() <= ENDING_MS);
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, [endsAt]);
  return isSoon ? endsAt : null;
}
