// The editor: a page to begin on, and a page for each document (`/d/<docId>`). The parts: `Document` is the page,
// `Writing` CodeMirror on it, `pipeline/` and `past/` the two panels beside it, `access/` who is signed in and what they
// may do, `settings` what this browser remembers.
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { beginSession } from "./access/session";
import { Document } from "./Document";
import { Home } from "./Home";
import { docIdProblem } from "./names";
import { Nowhere } from "./Nowhere";
import { docIdOf, isHome, usePath } from "./route";
import "./style/codeMirror";
import "./style/base.css";
import "./style/page.css";
import "./style/home.css";
import "./style/writing.css";
import "./style/panels.css";
import "./style/print.css";

function App() {
  const path = usePath();
  if (isHome(path)) return <Home />;
  const docId = docIdOf(path);
  if (docId === null) return <Nowhere />;
  const problem = docIdProblem(docId);
  return problem ? <Home problem={problem} /> : <Document key={docId} docId={docId} />;
}

beginSession();
createRoot(document.getElementById("app")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

// Without one, the editor does all but open without a network.
if (import.meta.env.PROD && "serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").catch(() => {});
