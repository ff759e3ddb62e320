// The text CRDT: a replica of one document (TextDoc), which applies events in any order of arrival and reports
// what an editor has to change; the JSON shapes of events and ops; composing ops before they are sent.
export type { Anchor, Applied, Change, IdRange, WireDelete, WireEvent, WireInsert, WireOp } from "./types.js";
export { DecodeError, EventError } from "./errors.js";
export { type LocalOp, localOp, pushOp, wireOp } from "./local.js";
export { TextDoc, find, idsAt } from "./doc.js";
export { mergeOps } from "./ops.js";
