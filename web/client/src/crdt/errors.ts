/** An event, op or state that breaks the rules. Nothing has changed. */
export class EventError extends Error {
  override name = "EventError";
}

/** Bytes that are no state, or a damaged one; `newer` when a newer version of this package can read them. */
export class DecodeError extends Error {
  override name = "DecodeError";
  constructor(
    message: string,
    readonly newer = false,
  ) {
    super(message);
  }
}
