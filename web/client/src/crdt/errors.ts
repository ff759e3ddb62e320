/** An event, op or state that breaks the rules. Nothing has changed. */
export class EventError extends Error {
  override name = "EventError";
}

/** Bytes that are not a state, or are damaged; `newer` if a newer version of this package can read them. */
export class DecodeError extends Error {
  override name = "DecodeError";
  constructor(
    message: string,
    readonly newer = false,
  ) {
    super(message);
  }
}
