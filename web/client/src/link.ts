// The connection: made, made again after a loss, and made anew before API Gateway would end it.

import { Backoff } from "./sync/backoff.js";
import type { Core } from "./sync/core.js";
import type { ConnectionStatus, OpenOptions, WebSocketLike } from "./types.js";

/** An attempt that takes longer is given up. */
const CONNECT_MS_MAX = 15_000;
const PAUSE_MS_FIRST = 500;
const PAUSE_MS_LONGEST = 30_000;
/** API Gateway ends a connection after two hours: it is made anew within this and a quarter of an hour more. */
const LIFETIME_MS = 100 * 60_000;
const LIFETIME_JITTER_MS = 15 * 60_000;

/** What the client takes from its surroundings; tests hand in their own. */
export interface Env {
  /** ms, never going back. */
  now(): number;
  /** ms since the epoch. */
  date(): number;
  /** 0 ≤ … < 1. */
  random(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
  /** Tells `online`, `offline` and `pagehide`. */
  page?: Pick<EventTarget, "addEventListener" | "removeEventListener"> | undefined;
}

interface Attempt {
  socket?: WebSocketLike;
  open?: boolean;
}

export class Link {
  status: ConnectionStatus = "connecting";
  /** When `tick` is due. */
  deadline = 0;
  /** The attempt under way, or what became of it; a later one makes its events meaningless. */
  #current: Attempt | null = null;
  readonly #backoff: Backoff;
  readonly #options: OpenOptions;
  readonly #env: Env;
  readonly #core: Pick<Core, "connected" | "received" | "disconnected">;
  readonly #flush: () => void;

  /** `flush` does what follows from what the core was told. */
  constructor(options: OpenOptions, env: Env, core: Pick<Core, "connected" | "received" | "disconnected">, flush: () => void) {
    this.#options = options;
    this.#env = env;
    this.#core = core;
    this.#flush = flush;
    this.#backoff = new Backoff(env.random, PAUSE_MS_FIRST, PAUSE_MS_LONGEST);
  }

  send(frame: string): void {
    this.#current?.socket?.send(frame);
  }

  tick(now: number): void {
    if (now < this.deadline) return;
    if (!this.#current) void this.#connect(now);
    else if (this.#current.open) this.again();
    else this.offline();
  }

  /** The server does not let the client in: a fresh token may help. */
  refused(): void {
    this.#lost(true);
  }

  /** The network is gone, as far as the system knows. */
  offline(): void {
    if (this.#current) this.#lost(false);
  }

  /** Connects now, whatever was before. */
  again(): void {
    if (this.status === "closed") return;
    this.offline();
    this.#backoff.tries = 0;
    this.status = "connecting";
    this.deadline = 0;
  }

  close(): void {
    this.status = "closed";
    this.#lost(false);
    this.deadline = Infinity;
  }

  async #connect(now: number): Promise<void> {
    const attempt: Attempt = (this.#current = {});
    const isCurrent = () => attempt === this.#current;
    this.deadline = now + CONNECT_MS_MAX;
    if (this.status !== "refused") this.status = "connecting";
    let refused = false;
    const lost = () => isCurrent() && this.#lost(refused);
    try {
      let { url } = this.#options;
      const token = await this.#options.token?.();
      if (!isCurrent()) return;
      if (token) url += (url.includes("?") ? "&" : "?") + "token=" + encodeURIComponent(token);
      const socket = (attempt.socket = new (this.#options.WebSocket ?? globalThis.WebSocket)(url));
      socket.onopen = () => {
        if (!isCurrent()) return;
        attempt.open = true;
        const now = this.#env.now();
        this.deadline = now + LIFETIME_MS + this.#env.random() * LIFETIME_JITTER_MS;
        this.#core.connected(now);
        this.#flush();
      };
      socket.onmessage = ({ data }: { data: string }) => {
        if (!isCurrent()) return;
        this.#core.received(data, this.#env.now());
        this.#flush();
      };
      // A browser does not say why an upgrade was refused; other places do.
      socket.onerror = ({ message }: { message?: string }) => (refused ||= / 40[13]\b/.test(message ?? ""));
      socket.onclose = lost;
    } catch {
      // No token, or no such address: tried again like any other failure.
      lost();
    }
  }

  /** There is no connection any more; another try comes after a pause. */
  #lost(refused: boolean): void {
    if (this.status === "online" && !refused) this.#backoff.tries = 0;
    const socket = this.#current?.socket;
    this.#current = null;
    if (this.status !== "closed") this.status = refused ? "refused" : "offline";
    this.deadline = this.#env.now() + this.#backoff.pause();
    socket?.close();
    this.#core.disconnected();
    this.#flush();
  }
}
