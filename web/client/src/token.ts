// Sending a token: as a subprotocol, which access logs do not record. A JWT says how long it is valid; the client reads
// nothing else from it, because it cannot verify it.

/** The characters of a subprotocol (RFC 7230, `token`). */
const CHARACTERS = /^[\w!#$%&'*+.^`|~-]+$/;
/** A token is replaced when this much time, or this share of its life, is left, whichever is more. */
const MARGIN_MS_MIN = 10_000;
const MARGIN_SHARE = 1 / 5;
/** A token is used for at least this share of its life, so that a wrong clock does not lead to constant renewals. */
const USE_SHARE_MIN = 1 / 10;

/** The subprotocols that carry a token. Throws a TypeError if a subprotocol cannot hold it. */
export function protocolsOf(token: string): string[] {
  if (typeof token !== "string" || !CHARACTERS.test(token)) {
    throw new TypeError("it must return a JWT, text without spaces and special characters, or null");
  }
  return ["inklog", "inklog.jwt." + token];
}

/**
 * After how many ms a fresh token should take this one's place; `Infinity` if it does not say when it expires. `now` is in ms
 * since the epoch, by a clock that may be wrong: a token that it calls expired was issued just now. `random`: 0 ≤ … < 1.
 */
export function renewalOf(token: string, now: number, random: number): number {
  const { exp, iat } = claimsOf(token);
  if (typeof exp !== "number") return Infinity;
  const rest = exp * 1_000 - now;
  const life = typeof iat === "number" ? (exp - iat) * 1_000 : rest;
  if (!(life > 0)) return Infinity;
  const left = rest > 0 ? Math.min(rest, life) : life;
  const margin = Math.max(MARGIN_MS_MIN, life * MARGIN_SHARE) * (1 + random / 2);
  return Math.max(left - margin, life * USE_SHARE_MIN);
}

/** The claims of a JWT, unchecked. */
function claimsOf(token: string): { exp?: unknown; iat?: unknown } {
  try {
    const payload = token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(payload)) ?? {};
  } catch {
    return {};
  }
}
