import { forgetDocument } from "@inklog/client";
import { useEffect, useId, useState, type FormEvent } from "react";
import { Ask } from "./Ask";
import { Drop } from "./Icons";
import { docIdProblem, freshDocId } from "./names";
import { forgetPlace } from "./place";
import { follow, go, pathOf } from "./route";
import { API } from "./server";
import { unlist, useRecent } from "./settings";
import { ThemeButton } from "./ThemeButton";
import { catchTyping, dropTyping } from "./typeAhead";
import { characters } from "./words";

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function begin(): void {
  const docId = freshDocId();
  catchTyping(docId);
  go(pathOf(docId));
}

/** The start page: a new document, a recent one, or one by its name. */
export function Home({ problem }: { problem?: string }) {
  const recent = useRecent();
  useEffect(() => void (document.title = "Inklog"), []);
  useEffect(dropTyping, []);
  return (
    <div className="home">
      <header className="home-top">
        <span className="wordmark"><Drop fill={1} />Inklog</span>
        <ThemeButton />
      </header>
      <main className="home-main">
        <h1>Write together.<br />Nothing is lost.</h1>
        <p className="home-lead">
          Every edit is stored on this device before it is sent, and sent again until the log has it. Share a document
          by its link.
        </p>
        {problem && <p className="home-problem" role="alert">That link does not lead to a document. {problem}</p>}
        <button type="button" className="button button-main" onClick={begin}>
          New document
        </button>
        <OpenByName />
        {recent.length > 0 && (
          <section className="home-recent" aria-labelledby="recent">
            <h2 id="recent">Opened here</h2>
            <ul>
              {recent.map(({ id, title, at }) => (
                <li key={id}>
                  <a href={pathOf(id)} onClick={follow}>
                    <span className="home-title" dir="auto">{title || "Empty"}</span>
                    <span className="home-meta">{id} · <time dateTime={new Date(at).toISOString()}>{WHEN.format(at)}</time></span>
                  </a>
                  <ForgetButton id={id} title={title || id} />
                </li>
              ))}
            </ul>
          </section>
        )}
      </main>
    </div>
  );
}

/** What prevents the removal of this device's copy. */
type Obstacle = { kind: "unsent"; unsent: number } | { kind: "open" } | { kind: "failed" };

/** Removes a document from the list, and its text from this device. */
function ForgetButton({ id, title }: { id: string; title: string }) {
  const [obstacle, setObstacle] = useState<Obstacle | null>(null);
  const forget = async (discardUnsent = false) => setObstacle(await forgetHere(id, discardUnsent));
  const close = () => setObstacle(null);
  return (
    <>
      <button type="button" className="button-quiet" aria-label={`Forget ${title}`} title="Forget it on this device; the document stays on the server" onClick={() => void forget()}>
        ×
      </button>
      {obstacle?.kind === "unsent" && (
        <Ask title={`Forget “${title}” and its unsent text?`} close={close} dismiss="Keep" confirm="Forget and discard" onConfirm={() => void forget(true)}>
          <p>{characters(obstacle.unsent)} of it {obstacle.unsent === 1 ? "is" : "are"} on this device only and would be lost. To send them, open the document while connected.</p>
        </Ask>
      )}
      {obstacle?.kind === "open" && (
        <Ask title={`“${title}” is open in another tab`} close={close} dismiss="OK">
          <p>Close it there first; then you can forget it here.</p>
        </Ask>
      )}
      {obstacle?.kind === "failed" && (
        <Ask title="This device's copy could not be removed" close={close} dismiss="Cancel" confirm="Remove from the list" onConfirm={() => unlist(id)}>
          <p>The browser does not let this page access its stored data. The text may still be on this device.</p>
        </Ask>
      )}
    </>
  );
}

/** A document that the user left a moment ago is still closing. */
const LEAVING_MS = 500;

async function forgetHere(docId: string, discardUnsent: boolean): Promise<Obstacle | null> {
  const attempt = () => forgetDocument({ url: API, docId, discardUnsent });
  try {
    let { forgotten, unsent } = await attempt();
    if (!forgotten && (!unsent || discardUnsent)) {
      await new Promise((resolve) => setTimeout(resolve, LEAVING_MS));
      ({ forgotten, unsent } = await attempt());
    }
    if (!forgotten) return unsent && !discardUnsent ? { kind: "unsent", unsent } : { kind: "open" };
  } catch {
    return { kind: "failed" };
  }
  forgetPlace(docId);
  unlist(docId);
  return null;
}

function OpenByName() {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const field = useId();
  const open = (event: FormEvent) => {
    event.preventDefault();
    // A whole link may be pasted, too.
    const id = name.trim().replace(/^.*\/d\/([^/?#]+).*$/, "$1");
    const found = docIdProblem(id);
    setProblem(found);
    if (!found) go(pathOf(id));
  };
  return (
    <form className="home-open" onSubmit={open} noValidate>
      <label htmlFor={field}>or open one by its name or link</label>
      <span className="home-field">
        <input id={field} value={name} onChange={(event) => setName(event.target.value)} spellCheck={false} autoCapitalize="none" autoComplete="off" aria-invalid={problem !== null} aria-describedby={`${field}-problem`} />
        <button type="submit" className="button">Open</button>
      </span>
      <span id={`${field}-problem`} className="home-problem" role="alert">{problem}</span>
    </form>
  );
}
