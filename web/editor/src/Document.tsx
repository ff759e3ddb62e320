import type { InklogDocument } from "@inklog/client";
import { shortName } from "@inklog/client/presence";
import { useConnectionStatus, useDocument } from "@inklog/react";
import type { EditorView } from "@codemirror/view";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { NoEntry } from "./access/NoEntry";
import { isGuarded, useSession } from "./access/session";
import { tokenOf, useAdmission, useStanding } from "./access/standing";
import { ClockIcon, EyeIcon, FlowIcon } from "./Icons";
import { Notices } from "./Notices";
import { part, whenIdle } from "./part";
import { People } from "./People";
import { useLocalStack } from "./pipeline/stack";
import { printWhole } from "./printing";
import { follow } from "./route";
import { SaveNote } from "./SaveNote";
import { API } from "./server";
import { remember, useMe } from "./settings";
import { Share } from "./Share";
import { ThemeButton } from "./ThemeButton";
import { showRemoteCursor, Writing } from "./Writing";

const Past = part(() => import("./past/Past").then(({ Past }) => Past));
const Pipeline = part(() => import("./pipeline/Pipeline").then(({ Pipeline }) => Pipeline));

type Panel = "pipeline" | "past" | null;

/** A document's page. */
export function Document({ docId }: { docId: string }) {
  const session = useSession();
  const token = useMemo(() => tokenOf(docId), [docId]);
  // Whether people sign in here is known in a moment: a document opened without a token would be another.
  const doc = useDocument({ url: API, docId: session.config && docId, ...(isGuarded(session) && { token }) });
  useAdmission(doc);
  const standing = useStanding(doc);
  const isReady = useReady(doc);
  const isShut = !isReady && doc !== null && (standing === "out" || standing === "barred");
  const myself = useMe();
  const name = session.token?.name;
  const me = useMemo(() => (name ? { ...myself, name } : myself), [myself, name]);
  const view = useRef<EditorView | null>(null);
  const [panel, setPanel] = useState<Panel>(null);
  const isLocal = useLocalStack(docId, useConnectionStatus(doc));
  const toggle = (which: Panel) => setPanel((open) => (open === which ? null : which));
  const leaving = useRef(false);
  const close = useCallback(() => {
    leaving.current = true;
    setPanel(null);
  }, []);

  // The text takes the focus back once it is shown again. Before the paint: keys that come with it are the text's.
  useLayoutEffect(() => {
    if (panel !== null || !leaving.current) return;
    leaving.current = false;
    view.current?.focus();
  }, [panel]);
  useEscape(panel !== null, close);
  useEffect(printWhole, []);
  useEffect(() => {
    if (isLocal) return whenIdle(() => (Past.preload(), Pipeline.preload()));
  }, [isLocal]);

  const titled = useCallback(
    (title: string) => {
      document.title = `${shortName(title, 60) || docId} · Inklog`;
      remember(docId, title);
    },
    [docId],
  );

  return (
    <div className="page" data-panel={panel ?? undefined}>
      <header className="top">
        <a className="wordmark" href="/" onClick={follow} aria-label="Inklog: all documents">Inklog</a>
        <span className="top-slash" aria-hidden="true">/</span>
        <h1 className="top-name" title={docId}>{docId}</h1>
        {standing === "reader" && <ReadOnlyBadge />}
        <SaveNote doc={doc} />
        <People doc={doc} me={me} isSignedIn={!!name} goTo={(agent) => view.current && showRemoteCursor(view.current, agent)} />
        <Share doc={doc} />
        {isLocal && (
          <>
            <button type="button" className="button-quiet" aria-pressed={panel === "past"} onClick={() => toggle("past")} title="History">
              <ClockIcon /><span className="button-word">History</span>
            </button>
            <button type="button" className="button-quiet" aria-pressed={panel === "pipeline"} onClick={() => toggle("pipeline")} title="Pipeline">
              <FlowIcon /><span className="button-word">Pipeline</span>
            </button>
          </>
        )}
        <ThemeButton />
      </header>
      {!isShut && <Notices doc={doc} />}
      <main className="desk">
        {isShut && <NoEntry doc={doc} isOut={standing === "out"} />}
        <Writing doc={doc} me={me} view={view} titled={titled} isReady={isReady} hidden={isShut || panel === "past"} />
        {panel === "past" && doc && <Past doc={doc} close={close} />}
        {panel === "pipeline" && doc && <Pipeline doc={doc} close={close} />}
      </main>
    </div>
  );
}

/** Whether there is a text: the server's, or the one that the device has of it. */
function useReady(doc: InklogDocument | null): boolean {
  const [ready, setReady] = useState<InklogDocument | null>(null);
  useEffect(() => {
    let gone = false;
    void doc?.ready.then(() => gone || setReady(doc));
    return () => void (gone = true);
  }, [doc]);
  return doc !== null && ready === doc;
}

const ReadOnlyBadge = () => (
  <span className="badge" title="You can read this document, but not change it">
    <EyeIcon />Read only
  </span>
);

/** Esc, wherever the focus is: what lies above, and what the editor does with it, comes first. */
function useEscape(isOpen: boolean, close: () => void): void {
  // Before the paint: who sees the panel may close it.
  useLayoutEffect(() => {
    if (!isOpen) return;
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
      if (!document.querySelector(":popover-open, dialog[open]")) close();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [isOpen, close]);
}
