import type { Fork, InklogDocument, InklogError } from "@inklog/client";
import { useForks, useGap, useStorage } from "@inklog/react";
import { useEffect, useRef, useState } from "react";
import { AccessNotice } from "./access/AccessNotice";
import { isOfAccess, useObstacle } from "./access/standing";
import { Ask } from "./Ask";
import { Notice } from "./Notice";
import { characters, reasonFor, when, wordsFor } from "./words";

/** What a reader must know besides the text, for as long as it is true. */
export function Notices({ doc }: { doc: InklogDocument | null }) {
  const problem = useObstacle(doc);
  const storage = useStorage(doc);
  const refusal = useRefusal(doc);
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set());
  const code = problem?.code;
  // Once it is over, the same one is news again.
  useEffect(() => setSeen((was) => new Set([...was].filter((key) => key === "memory" || key === code))), [code]);
  const dismiss = (key: string) => setSeen((was) => new Set([...was, key]));
  return (
    <section className="notices" aria-label="Notices">
      <AccessNotice doc={doc} />
      {useForks(doc).map((fork) => <ForkNotice key={fork.id} doc={doc!} fork={fork} />)}
      {problem && !seen.has(problem.code) && (
        <Notice kind="bad" said={wordsFor(problem)}>
          <button type="button" className="button-quiet" onClick={() => dismiss(problem.code)}>Dismiss</button>
        </Notice>
      )}
      {refusal.error && refusal.error.code !== code && !isOfAccess(refusal.error) && (
        <Notice kind="bad" said={wordsFor(refusal.error)}>
          <button type="button" className="button-quiet" onClick={refusal.dismiss}>Dismiss</button>
        </Notice>
      )}
      {storage.kind === "memory" && !seen.has("memory") && (
        <Notice kind="warn" said={`What you type is only in this tab until it is saved. This device keeps no copy: ${reasonFor(storage)}.`}>
          <button type="button" className="button-quiet" onClick={() => dismiss("memory")}>Dismiss</button>
        </Notice>
      )}
      {useGap(doc) && <Notice kind="quiet" said="Some edits by others cannot be shown yet: edits that they build on are missing." />}
    </section>
  );
}

/** The last refusal, of those that are reported only once. */
function useRefusal(doc: InklogDocument | null): { error: InklogError | null; dismiss: () => void } {
  const [error, setError] = useState<InklogError | null>(null);
  useEffect(() => {
    setError(null);
    // `storage` shows where the text is kept, for as long as it is true.
    return doc?.on("error", (told) => told.code !== "storage" && told.code !== doc.problem?.code && setError(told));
  }, [doc]);
  return { error, dismiss: () => setError(null) };
}

/** A text that the server forgot: restore it, look at it, or discard it. */
function ForkNotice({ doc, fork }: { doc: InklogDocument; fork: Fork }) {
  const [open, setOpen] = useState<"text" | "discard" | null>(null);
  const [failed, setFailed] = useState(false);
  const close = () => setOpen(null);
  return (
    <div className="notice" data-kind="bad">
      <p role="alert">
        The server has lost part of this text. Your copy from {when(fork.at)} is kept on this device.
        {failed && " It could not be restored just now: try again, or copy it."}
      </p>
      <button type="button" className="button" onClick={() => doc.restoreFork(fork.id).catch(() => setFailed(true))}>Restore</button>
      <button type="button" className="button" onClick={() => setOpen("text")}>Show</button>
      <button type="button" className="button-quiet" onClick={() => setOpen("discard")}>Discard</button>
      {open === "text" && <Copy fork={fork} close={close} />}
      {open === "discard" && (
        <Ask title="Discard this copy?" close={close} confirm="Discard" dismiss="Keep" onConfirm={() => doc.discardFork(fork.id)}>
          <p>It has {characters(fork.text.length)} and is on this device only. You cannot undo this.</p>
        </Ask>
      )}
    </div>
  );
}

function Copy({ fork, close }: { fork: Fork; close: () => void }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(fork.text);
      setSaid("Copied");
    } catch {
      field.current?.select();
      setSaid("Press Ctrl+C to copy");
    }
  };
  return (
    <Ask title={`Your copy from ${when(fork.at)}`} close={close} confirm="Copy" dismiss="Close" onConfirm={copy} stays wide>
      <textarea ref={field} readOnly dir="auto" rows={14} aria-label="The text of the copy" value={fork.text} />
      <p role="status">{said}</p>
    </Ask>
  );
}
