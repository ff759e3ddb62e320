// Frames as the stories write them: without what goes without saying, and with events in the place of what a server packs.

import { TextDoc, type WireEvent } from "../../src/crdt/index.js";
import type { Frame } from "./story.js";

const ANSWER = { protocol: 1, log: "A", part: 1, parts: 1 };
const OF_SERVER: Record<string, Frame> = {
  DOC_STATE: { ...ANSWER, stateId: "s", format: "binary", state: [] },
  OP_REPLAY: { ...ANSWER, events: [] },
  ERROR: { message: "no" },
};
const OF_CLIENT: Record<string, Frame> = {
  JOIN_DOC: { format: "binary" },
  SYNC_STATE: { format: "binary" },
};

/** A frame of the server, whole; `null` takes out what goes without saying. */
export function fromServer({ action, ...given }: Frame): Frame {
  // The gateway's own word has no action, and names no document.
  if (!action) return given;
  const frame: Frame = { docId: "d", ...OF_SERVER[action], ...given };
  for (const [name, value] of Object.entries(frame)) if (value === null) delete frame[name];
  if (frame.events) frame.events = frame.events.map((event: WireEvent) => ({ at: 0, ...event }));
  if (action === "DOC_STATE" && frame.state) frame.state = packed(frame.state);
  return { action, ...frame };
}

/** A frame of the client, whole; `null` takes out the document. */
export function fromClient({ action, ...given }: Frame): Frame {
  const frame: Frame = { action, ...(action !== "PING" && { docId: "d" }), ...OF_CLIENT[action], ...given };
  if (frame.docId === null) delete frame.docId;
  return frame;
}

/** The same, in one way where JSON leaves two. */
export function toServer(given: Frame): Frame {
  const frame = fromClient(given);
  if (!frame.ops) return frame;
  const ops = frame.ops.map(({ char, text = char, len = 1, ...op }: any) => ({ ...op, ...(op.type === "delete" ? { len } : { text }) }));
  return { ...frame, ops };
}

/** The base64 of the state that events lead to, or one of so many slices of it. */
function packed(state: string | WireEvent[] | { events: WireEvent[]; slice: [part: number, parts: number] }): string {
  if (typeof state === "string") return state;
  const { events, slice: [part, parts] } = Array.isArray(state) ? { events: state, slice: [1, 1] as const } : state;
  const doc = new TextDoc();
  for (const event of events) doc.apply(event);
  const base64 = Buffer.from(doc.encode()).toString("base64");
  const cut = (part: number) => Math.ceil((base64.length * part) / parts);
  return base64.slice(cut(part - 1), cut(part));
}
