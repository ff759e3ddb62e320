// The connection: made, made again after a loss, and made anew before API Gateway would end it.

import { type Backoff, backoff } from "./sync/backoff.js";
import type { Core } from "./sync/core.js";
import type { ConnectionStatus, InklogError, OpenOptions, WebSocketLike } from "./types.js";

/** An attempt that takes longer is given up. */
const CONNECT_MS_MAX = 15_000;
const PAUSE_MS_FIRST = 500;
const PAUSE_MS_LONGEST = 30_000;
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
}

type Listening = (name: string, listener: (event: any) => void) => void;

/** What is told of the connection. */
type Listener = Pick<Core, "connected" | "received" | "disconnected">;

/** An attempt to connect, and what became of it. */
interface Attempt {
  socket?: WebSocketLike;
  isOpen: boolean;
  /** The token is asked for. */
  isAsking: boolean;
}

export class Link {
  status: ConnectionStatus = "connecting";
  /** When `tick` is due. */
  deadline = 0;
  readonly #options: OpenOptions;
  readonly #env: Env;
  readonly #core: Listener;
  readonly #flush: () => void;
  readonly #tell: (problem: InklogError | null) => void;
  /** The address without what may be secret. */
  readonly #address: string;
  readonly #pauses: Backoff;
  /** The attempt under way; a later one makes its events meaningless. */
  #current: Attempt | null = null;
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
    this.#pauses = backoff(env.Math.random, PAUSE_MS_FIRST, PAUSE_MS_LONGEST);
  }

  /** Without a connection, the frame is lost. */
  send(frame: string): void {
    this.#current?.socket?.send(frame);
  }

  tick(now: number): void {
    if (now < this.deadline) return;
    if (!this.#current) void this.#connect(now);
    else if (this.#current.isOpen) this.again();
    else if (this.#current.isAsking) this.#lose(errorOf("token", "the token callback did not finish in time", true));
    else this.#lose(this.#unreachable("no answer"));
  }

  /** The server was heard, and lets the client in. */
  online(): void {
    this.status = "online";
    this.#wasOnline = true;
    this.#tell(null);
  }

  /** The server does not let the client in: a fresh token may help. */
  refused(problem: InklogError): void {
    this.#lose({ ...problem, retry: true }, true);
  }

  /** The network is gone, as far as the system knows. */
  offline(): void {
    if (this.#current) this.#lose();
  }

  /** Connects now, whatever was before. */
  again(): void {
    if (this.status === "closed") return;
    this.offline();
    this.#pauses.tries = 0;
    this.status = "connecting";
    this.deadline = 0;
  }

  /** Connects now, with a fresh token. */
  renew(): void {
    this.again();
  }

  close(): void {
    this.status = "closed";
    this.#lose();
    this.deadline = Infinity;
  }

  async #connect(now: number): Promise<void> {
    const attempt: Attempt = { isAsking: true, isOpen: false };
    this.#current = attempt;
    this.deadline = now + CONNECT_MS_MAX;
    if (this.status !== "refused") this.status = "connecting";
    let token;
    try {
      token = await this.#options.token?.();
    } catch (error) {
      if (attempt === this.#current) this.#lose(errorOf("token", `the token callback failed: ${wordsOf(error)}`, true));
      return;
    }
    if (attempt !== this.#current) return;
    attempt.isAsking = false;
    const Socket = this.#options.WebSocket ?? (globalThis.WebSocket as OpenOptions["WebSocket"]);
    if (!Socket) {
      return this.#giveUp("no_websocket", "there is no WebSocket here: pass one as the option WebSocket, in Node 20 that of the package ws");
    }
    let { url } = this.#options;
    if (token) url += (url.includes("?") ? "&" : "?") + "token=" + encodeURIComponent(token);
    try {
      attempt.socket = new Socket(url);
    } catch (error) {
      return this.#giveUp("bad_url", `${this.#address} is no address of a WebSocket: ${wordsOf(error)}`);
    }
    this.#listen(attempt, attempt.socket);
  }

  #listen(attempt: Attempt, socket: WebSocketLike): void {
    const env = this.#env;
    let cause = "";
    /** The status of an upgrade that was refused. */
    let refusal = "";
    socket.onopen = () => {
      if (attempt !== this.#current) return;
      attempt.isOpen = true;
      const now = env.performance.now();
      this.deadline = now + LIFETIME_MS + env.Math.random() * LIFETIME_JITTER_MS;
      this.#core.connected(now);
      this.#flush();
    };
    socket.onmessage = ({ data }: { data: string }) => {
      if (attempt !== this.#current) return;
      this.#core.received(data, env.performance.now());
      this.#flush();
    };
    // A browser does not say why an upgrade failed; other places do.
    socket.onerror = ({ message = "" }: { message?: string }) => {
      cause ||= message;
      refusal ||= / (40[13])\b/.exec(message)?.[1] ?? "";
    };
    socket.onclose = () => {
      if (attempt !== this.#current) return;
      if (!refusal) return this.#lose(this.#unreachable(cause));
      this.#lose(errorOf(refusal === "401" ? "unauthorized" : "forbidden", `the server refuses access (${cause})`, true), true);
    };
  }

  /** What an attempt that failed, or a connection that ended, is worth telling. */
  #unreachable(cause: string): InklogError | undefined {
    if (this.#current?.isOpen || this.#env.navigator?.onLine === false) return;
    if (this.#pauses.tries + 1 < (this.#wasOnline ? ATTEMPTS_BEFORE_TOLD_AGAIN : ATTEMPTS_BEFORE_TOLD)) return;
    const words = cause ? ` (${cause})` : "";
    return errorOf("unreachable", `cannot reach ${this.#address}${words}: is the address right, and is the server running?`, true);
  }

  /** There is no connection any more; another try comes after a pause. */
  #lose(problem?: InklogError, isRefused = false): void {
    if (this.status === "online" && !isRefused) this.#pauses.tries = 0;
    const socket = this.#current?.socket;
    this.#current = null;
    if (this.status !== "closed") this.status = isRefused ? "refused" : "offline";
    this.deadline = this.#env.performance.now() + this.#pauses.pause();
    if (problem) this.#tell(problem);
    socket?.close();
    this.#core.disconnected();
    this.#flush();
  }

  /** Another try would end no better. */
  #giveUp(code: string, message: string): void {
    this.#lose(errorOf(code, message, false));
    this.deadline = Infinity;
    this.#flush();
  }
}

const errorOf = (code: string, message: string, retry: boolean): InklogError => ({ code, message, retry });

/** What an exception says. */
export const wordsOf = (error: unknown): string => (error instanceof Error && error.message ? error.message : String(error));
