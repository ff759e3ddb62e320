import type { InklogDocument } from "@inklog/client";
import { useEffect, useState } from "react";
import { isGuarded, useSession } from "./access/session";
import { useStanding } from "./access/standing";
import { Ask } from "./Ask";
import { LinkIcon } from "./Icons";
import { useLinks, type Right } from "./links";

const SAID_MS = 2500;

const pageLink = () => `${location.origin}${location.pathname}`;

/** Copies the link, where it gives access to whoever has it; else a dialog says what a link gives. */
export function Share({ doc }: { doc: InklogDocument | null }) {
  return isGuarded(useSession()) ? <ShareDialog doc={doc} /> : <CopyLink />;
}

function CopyLink() {
  const [said, copy] = useCopying();
  return (
    <>
      <button type="button" className="button share" onClick={() => copy(pageLink())} title="Anyone with the link can read and write">
        <LinkIcon /><span className="button-word" data-said={said ? "" : undefined}>{said ?? "Copy link"}</span>
      </button>
      <span className="unseen" role="status">{said}</span>
    </>
  );
}

function ShareDialog({ doc }: { doc: InklogDocument | null }) {
  const [isOpen, setOpen] = useState(false);
  const { config } = useSession();
  const share = config?.share;
  return (
    <>
      <button type="button" className="button share" onClick={() => setOpen(true)} title="Share this document">
        <LinkIcon /><span className="button-word">Share</span>
      </button>
      {isOpen && doc && (
        <Ask title="Share this document" dismiss="Close" close={() => setOpen(false)}>
          {share ? <MakeLink doc={doc} share={share} /> : <PlainLink doc={doc} />}
        </Ask>
      )}
    </>
  );
}

/** A link alone gives nobody a right here. */
function PlainLink({ doc }: { doc: InklogDocument }) {
  const standing = useStanding(doc);
  const mine = { writer: "You can edit it.", reader: "You can read it.", barred: "You have no access to it at present.", out: "You are signed out at present.", unknown: "" }[standing];
  return (
    <>
      <p>Whoever opens this link needs access to the document: the link alone gives none. Access is given in the application that the document belongs to. {mine}</p>
      <Link link={pageLink()} />
    </>
  );
}

const RIGHTS: readonly { right: Right; name: string; says: string }[] = [
  { right: "write", name: "Can edit", says: "Whoever opens the link and signs in can read and change this document." },
  { right: "read", name: "Can read", says: "Whoever opens the link and signs in can read this document, but not change it." },
];

/** Asks the application for a link that gives a right, of those that whoever asks has. */
function MakeLink({ doc, share }: { doc: InklogDocument; share: URL }) {
  const standing = useStanding(doc);
  const offered = RIGHTS.filter(({ right }) => standing === "writer" || (standing === "reader" && right === "read"));
  const [chosen, setChosen] = useState<Right>();
  const right = chosen ?? offered[0]?.right;
  const { link, problem, isAsking, make } = useLinks(share, doc.docId, right);
  if (!right) return <p>To share this document, you need access to it yourself.</p>;
  return (
    <>
      <fieldset className="rights">
        <legend className="unseen">What the link gives</legend>
        {offered.map(({ right: one, name, says }) => (
          <label key={one}>
            <input type="radio" name="right" checked={one === right} onChange={() => setChosen(one)} />
            <span><strong>{name}</strong><small>{says}</small></span>
          </label>
        ))}
      </fieldset>
      {link ? <Link link={link} /> : <button type="button" className="button button-main" disabled={isAsking} onClick={make}>{isAsking ? "Getting the link…" : "Get a link"}</button>}
      {problem && <p className="share-problem" role="alert">{problem}</p>}
    </>
  );
}

function Link({ link }: { link: string }) {
  const [said, copy] = useCopying();
  return (
    <div className="share-link">
      <input readOnly value={link} aria-label="Link" autoFocus onFocus={(event) => event.currentTarget.select()} />
      <button type="button" className="button button-main" onClick={() => copy(link)}>{said ?? "Copy link"}</button>
      <span className="unseen" role="status">{said}</span>
    </div>
  );
}

/** What was said of the last copying, for as long as it is news, and what copies. */
function useCopying(): [string | null, (text: string) => void] {
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (text: string) => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Link copied");
    } catch {
      // No permission, or no secure page: then by hand.
      prompt("Copy this link", text);
    }
  };
  return [said, copy];
}
