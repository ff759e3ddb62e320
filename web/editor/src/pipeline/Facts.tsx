import { useEffect, useState, type ReactNode } from "react";
import { fetchStatus, type Status } from "./stack";

const EVERY_MS = 2000;
const SOON_MS = 150;

const NUMBER = new Intl.NumberFormat("en");
const n = (count: number, one: string, many = `${one}s`) => `${NUMBER.format(count)} ${count === 1 ? one : many}`;

function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const [size, unit] = count < 1e6 ? [count / 1e3, "kB"] : [count / 1e6, "MB"];
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${unit}`;
}

const ids = (version: Record<string, number>) => Object.values(version).reduce((sum, end) => sum + end, 0);

/** The state of the document's stores: fetched after each event, and now and then. */
export function Facts({ docId, after }: { docId: string; after: string }) {
  const [status, setStatus] = useState<Status | null>(null);
  useEffect(() => {
    const ending = new AbortController();
    let timer: number;
    const ask = async () => {
      if (document.visibilityState === "visible") {
        const found = await fetchStatus(docId, ending.signal).catch(() => null);
        if (ending.signal.aborted) return;
        if (found) setStatus(found);
      }
      timer = window.setTimeout(ask, EVERY_MS);
    };
    timer = window.setTimeout(ask, SOON_MS);
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [docId, after]);
  if (!status) return <dl className="facts" aria-busy="true" />;
  const { chars, version, waiting, base, tail, snapshot, dirty } = status;
  return (
    <dl className="facts">
      <Fact term="text">{n(chars, "character")}</Fact>
      <Fact term="version" detail={Object.entries(version).map(([agent, end]) => `${agent}: ${end}`).join("\n")}>
        {n(Object.keys(version).length, "agent")}, {n(ids(version), "id")}
        {waiting > 0 && <em> {n(waiting, "event")} waiting</em>}
      </Fact>
      <Fact term="tail" detail="Events since the base, in the live state">{n(tail.events, "event")}, {bytes(tail.bytes)}</Fact>
      <Fact term="base" detail={base ? `Generation ${base.generation}` : "Created when the tail is folded"}>
        {base ? <>{bytes(base.bytes)} <code>{base.generation.slice(0, 6)}</code></> : "none yet"}
      </Fact>
      <Fact term="snapshot" detail={snapshot?.key ?? "Created by the snapshotter, on its schedule"}>
        {snapshot ? <>{new Date(snapshot.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}, {n(ids(snapshot.version), "id")}{dirty && " · changed since"}</> : "none yet"}
      </Fact>
    </dl>
  );
}

function Fact({ term, detail, children }: { term: string; detail?: string; children: ReactNode }) {
  return (
    <div title={detail}>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}
