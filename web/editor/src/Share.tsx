import { useEffect, useState } from "react";
import { LinkIcon } from "./Icons";

const SAID_MS = 2500;

/** Copies the link: who has it can read and write. */
export function Share() {
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    const link = `${location.origin}${location.pathname}`;
    try {
      await navigator.clipboard.writeText(link);
      setSaid("Link copied");
    } catch {
      // No permission, or no secure page: then by hand.
      prompt("Copy this link", link);
    }
  };
  return (
    <>
      <button type="button" className="button share" onClick={copy} title="Anyone with the link can read and write">
        <LinkIcon /><span className="button-word" data-said={said ? "" : undefined}>{said ?? "Copy link"}</span>
      </button>
      <span className="unseen" role="status">{said}</span>
    </>
  );
}
