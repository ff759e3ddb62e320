import { useEffect, useId, useState, type FormEvent } from "react";
import { Drop } from "./Icons";
import { docIdProblem, freshDocId } from "./names";
import { follow, go, pathOf } from "./route";
import { forget, useRecent } from "./settings";
import { ThemeButton } from "./ThemeButton";
import { catchTyping, dropTyping } from "./typeAhead";

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function begin(): void {
  const docId = freshDocId();
  catchTyping(docId);
  go(pathOf(docId));
}

/** Where one begins: a new document, one of those opened last, or one by its name. */
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
          Every edit is kept on this device before it is sent, and sent until the log has it. Share a document by its
          link.
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
                    <span className="home-title" dir="auto">{title || "Empty so far"}</span>
                    <span className="home-meta">{id} · <time dateTime={new Date(at).toISOString()}>{WHEN.format(at)}</time></span>
                  </a>
                  <button type="button" className="button-quiet" aria-label={`Forget ${title || id}`} title="Forget it here; the document stays" onClick={() => forget(id)}>
                    ×
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
      </main>
    </div>
  );
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
