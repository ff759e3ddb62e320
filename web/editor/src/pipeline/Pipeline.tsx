import type { InklogDocument } from "@inklog/client";
import { shortName } from "@inklog/client/presence";
import { useMemo } from "react";
import { useAgentNames } from "../agents";
import { CloseIcon } from "../Icons";
import { Facts } from "./Facts";
import { medians, rowsOf, scaleOf, type Row } from "./passages";
import { STAGES, type Stage } from "./stack";
import { usePassages } from "./usePassages";

/** Characters of a name that have room. */
const NAME_MAX = 11;

const WHAT: Record<Stage, string> = {
  ingest: "validates an event and appends it; ends with the acknowledgement",
  log: "DynamoDB: from the put until the stream delivers the event",
  materializer: "applies events to the live state",
  broadcaster: "pushes events to everyone who has the document open",
};

/** A time in as few digits as it needs. */
export const ms = (time: number): string => (time < 9.95 ? time.toFixed(1) : Math.round(time).toLocaleString("en"));

/** The events of the document as they pass, and the state of its stores. */
export function Pipeline({ doc, close }: { doc: InklogDocument; close: () => void }) {
  const { docId } = doc;
  const nameOf = useAgentNames(doc);
  const { passages, isLive } = usePassages(docId);
  const rows = useMemo(() => rowsOf(passages), [passages]);
  const scale = scaleOf(rows);
  const typical = medians(rows);
  return (
    <aside className="panel pipeline" aria-label="Pipeline">
      <header className="panel-top">
        <h2>Pipeline</h2>
        <span className="panel-note">{isLive ? "live" : "the stack does not respond"}</span>
        <button type="button" className="button-quiet" aria-label="Close the pipeline" onClick={close}><CloseIcon /></button>
      </header>
      <ol className="flow">
        {STAGES.map((stage) => (
          <li key={stage} data-stage={stage} title={WHAT[stage]}>
            <span className="flow-name">{stage}</span>
            <span className="flow-time">{typical[stage] === undefined ? "–" : `${ms(typical[stage])} ms`}</span>
            {/* Begins anew with each event. */}
            <i key={newest(rows, stage)} className="flow-pulse" aria-hidden="true" />
          </li>
        ))}
      </ol>
      <Facts docId={docId} after={rows[0]?.key ?? ""} />
      <section className="events" aria-label="Latest events">
        <div className="events-scale" aria-hidden="true">
          <span>event</span>
          <span className="events-axis"><i>0</i><i>{ms(scale / 2)}</i><i>{ms(scale)} ms</i></span>
          <span>total</span>
        </div>
        {rows.length === 0 ? (
          <p className="events-none">Type something: each event appears here as it passes.</p>
        ) : (
          <ol className="events-rows" tabIndex={0} aria-label="Events, newest first">{rows.map((row) => <EventRow key={row.key} row={row} scale={scale} name={nameOf(row.agent)} />)}</ol>
        )}
      </section>
    </aside>
  );
}

const newest = (rows: readonly Row[], stage: Stage) => rows.find(({ spans }) => spans[stage])?.key ?? "";

function EventRow({ row, scale, name }: { row: Row; scale: number; name: string }) {
  const { agent, after, end, spans, total, start } = row;
  const said = STAGES.flatMap((stage) => {
    const span = spans[stage];
    return span ? `${stage} ${ms(span.from)} to ${ms(span.to)} ms${span.ok ? "" : ", failed"}` : [];
  }).join(", ");
  return (
    <li className="event" data-own={name === "you" || undefined} title={`${agent}, ${new Date(start).toLocaleTimeString()}\n${said.replaceAll(", ", "\n")}`}>
      <span className="event-who"><b dir="auto">{short(name)}</b> {after}–{end}</span>
      <span className="event-bars" role="img" aria-label={said}>
        {STAGES.map((stage) => {
          const span = spans[stage];
          if (!span) return <i key={stage} className="bar" />;
          const from = Math.min(span.from / scale, 1);
          const width = Math.min(span.to / scale, 1) - from;
          return (
            <i key={stage} className="bar" data-stage={stage} data-failed={!span.ok || undefined}>
              <i style={{ left: `${from * 100}%`, width: `${width * 100}%` }} />
            </i>
          );
        })}
      </span>
      <span className="event-total">{ms(total)}</span>
    </li>
  );
}

/** A name, for a narrow column. */
const short = (name: string) => {
  const start = shortName(name, NAME_MAX);
  return start === name ? name : `${start}…`;
};
