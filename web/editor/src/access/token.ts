// What a token says of itself. It is read for what the page shows and when it asks for another, and trusted in nothing:
// the server alone decides.

export interface Token {
  readonly text: string;
  /** Whom it names, for people; `null` if it does not say. */
  readonly name: string | null;
  /** When it ends, in ms since the epoch by this device's clock; `Infinity` if it does not say. */
  readonly endsAt: number;
  /** When it was received, likewise. */
  readonly receivedAt: number;
  /** The documents that it names, as names and patterns; `null` if it does not say. */
  readonly docs: readonly string[] | null;
}

export function readToken(text: string, receivedAt: number): Token {
  const { sub, name, iat, exp, inklog } = claimsOf(text) as Record<string, any>;
  const lifetime = 1000 * (exp - iat);
  // One that seems to have ended on its way here tells that this device's clock is wrong.
  const endsAt = 1000 * exp > receivedAt ? 1000 * exp : receivedAt + lifetime;
  const said = [name, sub].find((one) => typeof one === "string" && one !== "");
  const docs = inklog?.docs;
  return {
    text,
    name: said ?? null,
    endsAt: Number.isFinite(endsAt) ? endsAt : Infinity,
    receivedAt,
    docs: docs && typeof docs === "object" ? Object.keys(docs) : null,
  };
}

/** Whether it says that it is for this document. */
export const isFor = ({ docs }: Token, docId: string): boolean =>
  docs === null || docs.some((one) => (one.endsWith("*") ? docId.startsWith(one.slice(0, -1)) : docId === one));

/** The claims of a JWT; `{}` if it is none. */
function claimsOf(text: string): object {
  try {
    const base64 = text.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    return Object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return {};
  }
}
