import type { InklogDocument } from "@inklog/client";
import { useEffect, useState } from "react";
import { follow } from "../route";
import { takeTyping } from "../typeAhead";
import { Keep } from "./Keep";
import { signInUrl, useSession } from "./session";

/** In place of a text that may not be seen: why, and what to do. */
export function NoEntry({ doc, isOut }: { doc: InklogDocument; isOut: boolean }) {
  const { config, token } = useSession();
  const signIn = config?.signIn;
  const [typed, setTyped] = useState("");
  // What was typed for a document that turns out to be closed to whoever is here.
  useEffect(() => takeTyping(doc.docId, setTyped), [doc]);
  return (
    <section className="no-entry" role="alert">
      {isOut ? (
        <>
          <h2>Sign in to open this document</h2>
          <p>{signIn ? "It is open only to people who are signed in." : "It is open only to people who are signed in. Open it from the application that you got its link from."}</p>
        </>
      ) : (
        <>
          <h2>You have no access to this document</h2>
          <p>{token?.name ? `You are signed in as ${token.name}. ` : ""}Ask whoever shared it with you. It opens here as soon as you have access.</p>
        </>
      )}
      {typed && (
        <>
          <p>What you typed has not been lost:</p>
          <blockquote dir="auto">{typed}</blockquote>
        </>
      )}
      <p className="no-entry-ends">
        {signIn && <a className="button button-main" href={signInUrl(signIn, !isOut)}>{isOut ? "Sign in" : "Sign in as someone else"}</a>}
        {!isOut && <button type="button" className="button" onClick={() => doc.reconnect()}>Try again</button>}
        {typed && <Keep text={typed} name={doc.docId} />}
        <a className="button-quiet" href="/" onClick={follow}>Go to the start page</a>
      </p>
    </section>
  );
}
