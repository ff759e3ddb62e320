import type { Access } from "./types.js";

const REASONS: Record<string, string> = {
  read: "you can read this document, but not change it",
  none: "you have no access to this document",
};

/** Thrown by an edit of a document that this user may not change, or not yet: see `doc.readOnly`. Nothing was changed. */
export class ReadOnlyError extends Error {
  override readonly name = "ReadOnlyError";

  /** `access`: what the user could do at that time. */
  constructor(readonly access: Access) {
    super(REASONS[access ?? ""] ?? "whether you may change this document is not known yet: wait until doc.readOnly is false");
  }
}
