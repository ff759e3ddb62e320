/**
 * `@inklog/client`: the Inklog client for texts that several people edit at once.
 *
 * ```ts
 * const doc = openDocument({ url: "wss://…/prod", docId: "minutes" });
 * await doc.ready;                                 // the text as this device or the server knows it
 * doc.on("change", ({ changes, origin }) => …);    // {at, del, ins} in UTF-16 units, one after the other
 * doc.insert(doc.length, "Hello");                 // shows at once; stored and sent in the background
 * doc.save.allSaved;                               // durable on the server?
 * await doc.close();
 * ```
 *
 * Edits are stored on the device before they are sent, and resent until the server acknowledges them as durable; a
 * closed tab, a crash or days offline neither lose nor duplicate any of them.
 */
export { InklogDocument, openDocument } from "./document.js";
export { ReadOnlyError } from "./errors.js";
export { forgetDocument, type ForgetOptions, type Forgotten } from "./forget.js";
export type { Anchor, Change } from "./crdt/index.js";
export type { Storage } from "./storage.js";
export type {
  Access, ConnectionStatus, DocumentEvents, Edit, Fork, InklogError, Json, JsonObject, JsonOf, JsonState, OpenOptions,
  Presence, SaveStatus, StorageStatus, Token, WebSocketConstructor, WebSocketLike,
} from "./types.js";
