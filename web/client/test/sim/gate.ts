// Who may do what: an application that signs its users in and hands out tokens, and what a server makes of these: expiry,
// revocation, a right for each action.

import type { Token } from "../../src/index.js";
import { jwt } from "./jwt.js";
import type { World } from "./world.js";

export type Right = "read" | "write" | "manage";

/** What a server knows of a connection; times in seconds, by its own clock. */
export interface Identity {
  user: string;
  name: string;
  iat: number;
  exp: number;
  right: Right | null;
}

const RANK: Record<Right, number> = { read: 1, write: 2, manage: 3 };
const NEEDED: Record<string, Right | null> = {
  JOIN_DOC: "read", SYNC_STATE: "read", PRESENCE: "read", SEND_OP: "write", LEAVE_DOC: null, PING: null,
};
/** A warm function may not know of a revocation for this long. */
const REVOCATION_CACHE_MS = 60_000;

export class Gate {
  /** Of the tokens signed from now on, in ms. */
  lifetime = 3_600_000;
  /** The server's clock is so far ahead of the clients', in ms. */
  skew = 0;
  /** Tokens that do not say when they expire. */
  isOpaque = false;
  private readonly rights = new Map<string, Right | null>();
  private readonly tokens = new Map<string, Identity>();
  /** By user: tokens issued up to this second are void, and functions know so from then on. */
  private readonly revoked = new Map<string, { at: number; knownAt: number }>();

  constructor(private readonly world: World) {}

  /** What the application lets a user do, in the tokens that it signs from now on. */
  allow(user: string, right: Right | null): void {
    this.rights.set(user, right);
  }

  sign(user: string): Token {
    const iat = this.now();
    const identity: Identity = { user, name: `${user}'s name`, iat, exp: iat + this.lifetime / 1_000, right: this.rights.get(user) ?? null };
    const token = this.isOpaque ? `opaque-${this.tokens.size}` : jwt({ sub: user, iat, exp: identity.exp, jti: this.tokens.size });
    this.tokens.set(token, identity);
    return token;
  }

  revoke(user: string): void {
    this.revoked.set(user, { at: this.now(), knownAt: this.world.now + this.world.random.below(REVOCATION_CACHE_MS) });
  }

  /** Who connects; `null`: nobody whom it lets in. */
  admit(protocols: readonly string[] = []): Identity | null {
    const [, carrier = ""] = protocols;
    const identity = this.tokens.get(carrier.replace("inklog.jwt.", ""));
    if (!identity || this.now() >= identity.exp) return null;
    return identity.iat <= (this.revoked.get(identity.user)?.at ?? -Infinity) ? null : identity;
  }

  /** Why a message is not answered; `null`: it is. */
  refuse(identity: Identity | null, { action, agent }: { action: string; agent?: string }): [code: string, message: string] | null {
    if (!identity) return ["unauthorized", "connect again with a token"];
    if (this.now() >= identity.exp) return ["unauthorized", "the token has expired; connect again with a fresh one"];
    const revoked = this.revoked.get(identity.user);
    if (revoked && identity.iat <= revoked.at && this.world.now >= revoked.knownAt) return ["unauthorized", "access was revoked"];
    const needed = NEEDED[action];
    if (!needed) return null;
    if (!identity.right) return ["forbidden", "you have no access to this document"];
    if (RANK[identity.right] < RANK[needed]) return ["forbidden", "you can read this document, but not change it"];
    return agent !== undefined && agent.split("~")[0] !== identity.user ? ["forbidden", "this agent is not yours"] : null;
  }

  /** Whether a registration still counts. */
  isValid(identity: Identity | null): boolean {
    return !!identity && this.now() < identity.exp;
  }

  private now(): number {
    return Math.floor((this.world.now + this.skew) / 1_000);
  }
}
