/**
 * `@inklog/codemirror`: a CodeMirror 6 editor on a shared document of Inklog.
 *
 * ```ts
 * const doc = openDocument({ url: "wss://…/prod", docId: "minutes" });
 * new EditorView({ parent, extensions: [keymap.of(defaultKeymap), inklogExtension(doc, { user: { name: "Ada" } })] });
 * ```
 *
 * The extension fills the editor when the document is ready, keeps both texts equal (`sync.ts`), shows where the
 * others are (`cursors.ts`), puts the client's undo, which reverts only the user's own edits, on the usual keys
 * (`undo.ts`) and behind CodeMirror's own commands (`historyField.ts`), and lays out each line in the direction of its
 * text (`direction.ts`).
 */
import type { Extension } from "@codemirror/state";
import type { InklogDocument } from "@inklog/client";
import { cursors } from "./cursors.js";
import { lineDirection } from "./direction.js";
import { sync, type SyncOptions } from "./sync.js";
import { theme } from "./theme.js";
import { undoKeys } from "./undo.js";

export { COLORS, colorOf } from "./color.js";
export { setInklogUser, type InklogUser, type RemoteCursor } from "./binding.js";
export { remoteCursors } from "./sync.js";
export { redo, undo } from "./undo.js";

export interface InklogExtensionOptions extends SyncOptions {
  /** Whether each line is laid out in the direction of its text, left to right or right to left. Default: true. */
  lineDirection?: boolean;
}

/** Binds an editor to a document. One document may have several editors; an editor has one document. */
export function inklogExtension(doc: InklogDocument, options: InklogExtensionOptions = {}): Extension {
  return [sync(doc, options), cursors, undoKeys, options.lineDirection === false ? [] : lineDirection, theme];
}
