// What a user may do, according to the server's last answer. It is kept on the device, so that a read-only document is also
// read-only offline.

import type { Access } from "../types.js";
import { agentPrefix } from "./keeper.js";

/** What a device knows about access to a document on a server: who was signed in last, and what they may do. */
export interface AccessRecord {
  user: string;
  access: Access;
}

/** The key of that record. */
export const accessKey = (docId: string, server = ""): string => agentPrefix(docId, "~access") + server;

/** Whether the server takes edits. */
export const mayWrite = (access: Access): boolean => access === "write" || access === "manage";
