// What is wrong with a frame, before anything is done with it, in the codes of the wire.

import { TextDoc } from "../../src/crdt/index.js";

const ACTIONS = ["JOIN_DOC", "SEND_OP", "SYNC_STATE", "PRESENCE", "LEAVE_DOC", "PING"];
const PRESENCE_BYTES_MAX = 4_096;
const DOC_ID = /^(?!\.\.?$)[\w.~-]{1,128}$/;

/** The message of a frame; `null`: it is none. */
export function read(text: string): any {
  try {
    const message = JSON.parse(text);
    return typeof message === "object" && !Array.isArray(message) ? message : null;
  } catch {
    return null;
  }
}

/** The code of what is wrong with a message; `null`: nothing. */
export function faultOf(message: any): string | null {
  if (!message) return "bad_json";
  const { action, docId, state } = message;
  if (!ACTIONS.includes(action)) return "unknown_action";
  if (action === "PING") return null;
  if (typeof docId !== "string" || !DOC_ID.test(docId)) return "bad_request";
  if (action === "PRESENCE") {
    if (JSON.stringify(state)?.length > PRESENCE_BYTES_MAX) return "too_large";
    return typeof state === "object" && !Array.isArray(state) ? null : "bad_request";
  }
  return action === "SEND_OP" ? faultOfEvent(message) : null;
}

function faultOfEvent({ agent, after, ops, op }: any): string | null {
  if (!op === !ops) return "bad_request";
  try {
    if (op) [agent, after, ops] = [agentOf(op.id), 0, [op]];
    if (typeof agent !== "string" || !Number.isInteger(after) || after < 0) return "bad_request";
    // Only in a state does an insert stand for deleted characters.
    if (ops.some(({ type, len }: any) => type === "insert" && len !== undefined)) return "bad_op";
    if (ops.some(({ id }: any) => agentOf(id) === agent && Number(id.slice(agent.length + 1)) < after)) return "bad_chain";
    new TextDoc().apply({ agent, after, ops });
    return null;
  } catch {
    return "bad_op";
  }
}

export const agentOf = (id: string): string => id.slice(0, id.lastIndexOf("-"));
