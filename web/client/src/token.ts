// A token on its way to the server: as a subprotocol, which no log of addresses keeps. If it is a JWT, it says itself how
// long it lives; nothing else in it concerns the client, which could not check it.

/** What a subprotocol may consist of (RFC 7230, `token`). */
const CHARACTERS = /^[\w!#$%&'*+.^`|~-]+$/;
/** A fresh token is fetched this long before the old one expires, or before a fifth of its life is left, whichever is sooner. */
const MARGIN_MS_MIN = 10_000;
const MARGIN_SHARE = 1 / 5;
/** However little of its life seems to be left, as where clocks differ: a token is used for this share of it. */
const USE_SHARE_MIN = 1 / 10;

/** The subprotocols that carry a token. Throws if it has characters that none may have. */
export function protocolsOf(token: string): string[] {
  if (typeof token !== "string" || !CHARACTERS.test(token)) {
    throw new TypeError("it must return a JWT, or text without spaces and special characters, or null for no token");
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
