import { useEffect } from "react";
import { Drop } from "./Icons";
import { follow } from "./route";
import { ThemeButton } from "./ThemeButton";

/** For a path that names no document. A server says the same with its `404.html`. */
export function Nowhere() {
  useEffect(() => void (document.title = "Page not found · Inklog"), []);
  return (
    <div className="home">
      <header className="home-top">
        <a className="wordmark" href="/" onClick={follow}><Drop fill={1} />Inklog</a>
        <ThemeButton />
      </header>
      <main className="home-main">
        <h1>Page not found</h1>
        <p className="home-lead">A document's link ends in /d/ and the document's name. Part of the link may be missing.</p>
        <a className="button button-main" href="/" onClick={follow}>Go to the start page</a>
      </main>
    </div>
  );
}
