/**
 * `@inklog/client`: a text that several people write at once, kept by Inklog.
 *
 * ```ts
 * const doc = openDocument({ url: "wss://…/prod", docId: "minutes" });
 * await doc.ready;                                 // the text as this device or the server knows it
 * doc.on("change", ({ changes, origin }) => …);    // {at, del, ins} in UTF-16 units, one after the other
 * doc.insert(doc.length, "Hello");                 // shows at once; kept, sent and acknowledged by itself
 * doc.save.allSaved;                               // durable on the server?
 * await doc.close();
 * ```
 *
 * What is typed is kept on the device before it is sent, and sent until the server says that it is durable; a
 * closed tab, a crash or days offline lose nothing of it and double nothing.
 */
export { InklogDocument, openDocument } from "./document.js";
export { forgetDocument, type ForgetOptions, type Forgotten } from "./forget.js";
export type { Anchor, Change } from "./crdt/index.js";
export type { Storage } from "./storage.js";
export type {
  ConnectionStatus, DocumentEvents, Edit, Fork, InklogError, Json, JsonObject, JsonOf, JsonState, OpenOptions, Presence,
  SaveStatus, StorageStatus, WebSocketConstructor, WebSocketLike,
} from "./types.js";
