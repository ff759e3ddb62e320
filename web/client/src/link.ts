// The connection: opened, reopened after a loss, and replaced before its token expires or API Gateway ends it. A replacement
// is opened first: the old connection still delivers broadcasts until the document is synced over the new one, and is used
// again if that fails.

import { type Backoff, backoff } from "./sync/backoff.js";
import type { Core } from "./sync/core.js";
import { protocolsOf, renewalOf } from "./token.js";
import type { ConnectionStatus, InklogError, OpenOptions, WebSocketLike } from "./types.js";

/** An attempt that takes longer is given up. */
const CONNECT_MS_MAX = 15_000;
const PAUSE_MS_FIRST = 500;
const PAUSE_MS_LONGEST = 30_000;
/** A refused user has to sign in; retrying soon does not help. */
const REFUSED_PAUSE_MS_LONGEST = 300_000;
/** After an expired token, the client reconnects at once, but not again within this time. */
const AT_ONCE_MS_MIN = 15_000;
/** API Gateway ends a connection after two hours: it is made anew within this and a quarter of an hour more. */
const LIFETIME_MS = 100 * 60_000;
const LIFETIME_JITTER_MS = 15 * 60_000;
/** A network fails now and then. What never worked is worth a word after this many attempts, what did work after so many. */
const ATTEMPTS_BEFORE_TOLD = 2;
const ATTEMPTS_BEFORE_TOLD_AGAIN = 6;

/** What the client takes from `globalThis`; tests hand in their own. */
export interface Env {
  /** ms, never going back. */
  performance: { now(): number };
  /** ms since the epoch. */
  Date: { now(): number };
  /** 0 ≤ … < 1. */
  Math: { random(): number };
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
  /** Where there is a page, its events are listened to. */
  addEventListener?: Listening | undefined;
  removeEventListener?: Listening | undefined;
  document?: { readonly visibilityState: string } | undefined;
  navigator?: { readonly onLine?: boolean } | undefined;
  fetch?: ((url: string, options: RequestInit) => Promise<unknown>) | undefined;
}

type Listening = (name: string, listener: (event: any) => void) => void;

/** What is told of the connection. */
type Listener = Pick<Core, "connected" | "received" | "overheard" | "disconnected" | "turnedAway">;

/** An attempt to connect, or the connection it led to. */
interface Attempt {
  socket?: WebSocketLike;
  /** Waiting for the token, for the socket, or connected. */
  state: "asking" | "opening" | "open";
  hasToken: boolean;
  /** How many times the document was synced over it. */
  syncs: number;
  /** When its token should be replaced. */
  renewAt: number;
  /** When an attempt is given up, or an open connection is replaced. */
  deadline: number;
}

export class Link {
  status: ConnectionStatus = "connecting";
  readonly #options: OpenOptions;
  readonly #env: Env;
  readonly #core: Listener;
  readonly #flush: () => void;
  readonly #tell: (problem: InklogError | null) => void;
  /** The address without what may be secret. */
  readonly #address: string;
  readonly #pauses: Backoff;
  readonly #refusals: Backoff;
  readonly #renewals: Backoff;
  /** The connection in use, or the attempt at one. */
  #current: Attempt | null = null;
  /** Takes the place of `#current` once it is open. */
  #coming: Attempt | null = null;
  /** The connection that `#current` replaced, kept until two syncs have brought everything broadcast in between. */
  #former: Attempt | null = null;
  /** When the next attempt is due if none is running. */
  #retryAt = 0;
  #atOnceAt = -Infinity;
  #wasOnline = false;

  /**
   * `flush` does what follows from what the core was told; `tell` is told what keeps the link from being made, and `null`
   * when nothing does.
   */
  constructor(options: OpenOptions, env: Env, core: Listener, flush: () => void, tell: (problem: InklogError | null) => void) {
    this.#options = options;
    this.#env = env;
    this.#core = core;
    this.#flush = flush;
    this.#tell = tell;
    this.#address = options.url.split(/[?#]/)[0]!;
    const { random } = env.Math;
    this.#pauses = backoff(random, PAUSE_MS_FIRST, PAUSE_MS_LONGEST);
    this.#refusals = backoff(random, PAUSE_MS_FIRST, REFUSED_PAUSE_MS_LONGEST, 0.5);
    this.#renewals = backoff(random, PAUSE_MS_FIRST, PAUSE_MS_LONGEST);
  }

  /** When `tick` is due. */
  get deadline(): number {
    return (this.#coming ?? this.#current)?.deadline ?? this.#retryAt;
  }

  /** Without a connection, the frame is lost. */
  send(frame: string): void {
    this.#current?.socket?.send(frame);
  }

  tick(now: number): void {
    if (now < this.deadline) return;
    const attempt = this.#coming ?? this.#current;
    if (!attempt) this.#current = this.#begin();
    else if (attempt.state === "open") this.#coming = this.#begin();
    else if (attempt.state === "asking") this.#fail(attempt, errorOf("token", "the token callback takes too long", true));
    else this.#fail(attempt, this.#unreachable("no answer"));
  }

  /** The server was heard, and lets the client in. */
  online(): void {
    this.status = "online";
    this.#wasOnline = true;
    if (this.#former && ++this.#current!.syncs > 1) {
      this.#renewals.tries = 0;
      this.#end("former");
    }
    this.#tell(null);
  }

  /** The server does not let the client in: a fresh token may help. */
  refused(problem: InklogError): void {
    const now = this.#env.performance.now();
    // A user without rights under the new token must not go on with the old one.
    if (problem.code === "forbidden") this.#end("former");
    if (!this.#current) return;
    if (problem.code === "forbidden" || this.#former || this.status !== "online" || now < this.#atOnceAt) {
      this.#fail(this.#current, { ...problem, retry: true }, true);
    } else {
      this.#atOnceAt = now + AT_ONCE_MS_MIN;
      this.again();
    }
  }

  /** The network is gone, as far as the system knows. */
  offline(): void {
    this.#end("coming");
    this.#end("former");
    if (this.#current) this.#lose();
  }

  /** Connects now, whatever was before. */
  again(): void {
    if (this.status === "closed") return;
    this.offline();
    this.#pauses.tries = 0;
    this.#refusals.tries = 0;
    this.status = "connecting";
    this.#retryAt = 0;
  }

  /** Replaces the connection now; a working one stays in use until then. */
  renew(): void {
    if (this.status !== "online") return this.again();
    this.#end("coming");
    this.#coming = this.#begin();
  }

  close(): void {
    this.status = "closed";
    this.offline();
    this.#retryAt = Infinity;
  }

  #begin(): Attempt {
    const attempt: Attempt = { state: "asking", hasToken: false, syncs: 0, renewAt: Infinity, deadline: this.#env.performance.now() + CONNECT_MS_MAX };
    if (this.status === "offline") this.status = "connecting";
    void this.#connect(attempt);
    return attempt;
  }

  async #connect(attempt: Attempt): Promise<void> {
    const env = this.#env;
    let protocols: string[] | undefined;
    try {
      // The caller stores the attempt first.
      await null;
      const token = await this.#options.token?.();
      if (token) {
        protocols = protocolsOf(token);
        attempt.renewAt = env.performance.now() + renewalOf(token, env.Date.now(), env.Math.random());
      }
    } catch (error) {
      return this.#fail(attempt, errorOf("token", `the token callback failed: ${wordsOf(error)}`, true));
    }
    if (!this.#isLive(attempt)) return;
    attempt.state = "opening";
    attempt.hasToken = !!protocols;
    const Socket = this.#options.WebSocket ?? (globalThis.WebSocket as OpenOptions["WebSocket"]);
    if (!Socket) {
      return this.#giveUp(attempt, "no_websocket", "there is no WebSocket here: pass one as the option WebSocket, in Node 20 that of the package ws");
    }
    try {
      attempt.socket = protocols ? new Socket(this.#options.url, protocols) : new Socket(this.#options.url);
    } catch (error) {
      return this.#giveUp(attempt, "bad_url", `${this.#address} is no address of a WebSocket: ${wordsOf(error)}`);
    }
    this.#listen(attempt, attempt.socket);
  }

  #isLive(attempt: Attempt): boolean {
    return attempt === this.#current || attempt === this.#coming;
  }

  #listen(attempt: Attempt, socket: WebSocketLike): void {
    const env = this.#env;
    let cause = "";
    /** The status of an upgrade that was refused. */
    let refusal = "";
    socket.onopen = () => {
      if (!this.#isLive(attempt)) return;
      attempt.state = "open";
      const now = env.performance.now();
      attempt.deadline = Math.min(attempt.renewAt, now + LIFETIME_MS + env.Math.random() * LIFETIME_JITTER_MS);
      if (attempt === this.#coming) {
        this.#end("former");
        this.#former = this.#current;
        this.#coming = null;
      }
      this.#use(attempt, now);
    };
    socket.onmessage = ({ data }: { data: string }) => {
      const now = env.performance.now();
      if (attempt === this.#current) this.#core.received(data, now);
      else if (attempt === this.#former) this.#core.overheard(data, now);
      else return;
      this.#flush();
    };
    // A browser does not say why an upgrade failed; other places do.
    socket.onerror = ({ message = "" }: { message?: string }) => {
      cause ||= message;
      refusal ||= / (40[13])\b/.exec(message)?.[1] ?? "";
    };
    socket.onclose = () => {
      if (attempt === this.#former) this.#former = null;
      if (!this.#isLive(attempt)) return;
      if (refusal) {
        this.#core.turnedAway(false);
        const code = refusal === "401" ? "unauthorized" : "forbidden";
        this.#fail(attempt, errorOf(code, `the server refuses access (${cause})`, true), true);
      } else if (attempt.hasToken && attempt.state !== "open" && !cause && this.#isOften(ATTEMPTS_BEFORE_TOLD)) {
        void this.#lookFor(attempt);
      } else this.#fail(attempt, this.#unreachable(cause));
    };
  }

  /** Moves the document to this connection. */
  #use(attempt: Attempt, now: number): void {
    this.#current = attempt;
    this.#core.connected(now);
    this.#flush();
  }

  /**
   * A browser reports a refused token and an unreachable server alike, so this checks whether a server answers at all. A page
   * may not read the answer.
   */
  async #lookFor(attempt: Attempt): Promise<void> {
    const url = this.#address.replace(/^ws/, "http");
    try {
      await this.#env.fetch!(url, { mode: "no-cors", cache: "no-store", credentials: "omit" });
    } catch {
      return this.#fail(attempt, this.#unreachable(""));
    }
    const words = `${this.#address} answers, but does not let you in: sign in again, or wait until it does`;
    this.#fail(attempt, errorOf("unauthorized", words, true), true, this.#pauses);
  }

  /** What an attempt that failed, or a connection that ended, is worth telling. */
  #unreachable(cause: string): InklogError | undefined {
    if (this.#current?.state === "open" || this.#env.navigator?.onLine === false) return;
    if (!this.#isOften(this.#wasOnline ? ATTEMPTS_BEFORE_TOLD_AGAIN : ATTEMPTS_BEFORE_TOLD)) return;
    const words = cause ? ` (${cause})` : "";
    return errorOf("unreachable", `cannot reach ${this.#address}${words}: is the address right, and is the server running?`, true);
  }

  #isOften(attempts: number): boolean {
    return this.#pauses.tries + 1 >= attempts;
  }

  /** An attempt failed or a connection ended. If another one works, it takes over, and nothing is reported. */
  #fail(attempt: Attempt, problem?: InklogError, isRefused = false, pauses?: Backoff): void {
    if (!this.#isLive(attempt)) return;
    const now = this.#env.performance.now();
    if (attempt === this.#coming) {
      this.#end("coming");
      this.#current!.deadline = now + this.#renewals.pause();
    } else if (this.#former) {
      const former = this.#former;
      this.#former = null;
      former.deadline = now + this.#renewals.pause();
      this.#use(former, now);
      attempt.socket?.close();
    } else this.#lose(problem, isRefused, pauses);
  }

  /** The connection is gone; the next attempt follows after a pause, unless one is already running. */
  #lose(problem?: InklogError, isRefused = false, pauses = isRefused ? this.#refusals : this.#pauses): void {
    if (this.status === "online" && !isRefused) {
      this.#pauses.tries = 0;
      this.#refusals.tries = 0;
    }
    const socket = this.#current?.socket;
    this.#current = this.#coming;
    this.#coming = null;
    if (this.status !== "closed") this.status = isRefused ? "refused" : this.#current ? "connecting" : "offline";
    this.#retryAt = this.#env.performance.now() + pauses.pause();
    if (problem) this.#tell(problem);
    socket?.close();
    this.#core.disconnected();
    this.#flush();
  }

  #end(which: "coming" | "former"): void {
    const attempt = which === "coming" ? this.#coming : this.#former;
    if (which === "coming") this.#coming = null;
    else this.#former = null;
    attempt?.socket?.close();
  }

  /** Another try would end no better. */
  #giveUp(attempt: Attempt, code: string, message: string): void {
    this.#fail(attempt, errorOf(code, message, false));
    this.#retryAt = Infinity;
    this.#flush();
  }
}

const errorOf = (code: string, message: string, retry: boolean): InklogError => ({ code, message, retry });

/** What an exception says. */
export const wordsOf = (error: unknown): string => (error instanceof Error && error.message ? error.message : String(error));
