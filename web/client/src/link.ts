// The connection: made, made again after a loss, and made anew before API Gateway would end it.

import { Backoff } from "./sync/backoff.js";
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

export interface LinkEvents {
  opened(): void;
  received(text: string): void;
  lost(): void;
}

export class Link {
  status: ConnectionStatus = "connecting";
  /** When `tick` is due. */
  deadline = 0;
  #socket: WebSocketLike | null = null;
  /** A later attempt makes an earlier one's events meaningless. */
  #attempt = 0;
  #busy = false;
  #open = false;
  readonly #backoff: Backoff;
  readonly #options: OpenOptions;
  readonly #env: Env;
  readonly #on: LinkEvents;

  constructor(options: OpenOptions, env: Env, on: LinkEvents) {
    this.#options = options;
    this.#env = env;
    this.#on = on;
    this.#backoff = new Backoff(env.random, PAUSE_MS_FIRST, PAUSE_MS_LONGEST);
  }

  send(frame: string): void {
    this.#socket?.send(frame);
  }

  /** The server has let the client in. */
  settled(): void {
    this.status = "online";
  }

  tick(now: number): void {
    if (now < this.deadline) return;
    if (!this.#busy) void this.#connect(now);
    else if (this.#open) this.again();
    else this.#lost(false);
  }

  /** The server does not let the client in: a fresh token may help. */
  refused(): void {
    this.#lost(true);
  }

  /** The network is gone, as far as the system knows. */
  offline(): void {
    if (this.#busy) this.#lost(false);
  }

  /** Connects now, whatever was before. */
  again(): void {
    if (this.status === "closed") return;
    if (this.#busy) this.#lost(false);
    this.#backoff.tries = 0;
    this.status = "connecting";
    this.deadline = 0;
  }

  /** The network is back, as far as the system knows. */
  online(): void {
    if (!this.#open) this.again();
  }

  close(): void {
    this.status = "closed";
    this.#lost(false);
    this.deadline = Infinity;
  }

  async #connect(now: number): Promise<void> {
    const attempt = ++this.#attempt;
    const isCurrent = () => attempt === this.#attempt;
    this.#busy = true;
    this.deadline = now + CONNECT_MS_MAX;
    if (this.status !== "refused") this.status = "connecting";
    let refused = false;
    try {
      let { url } = this.#options;
      const token = await this.#options.token?.();
      if (!isCurrent()) return;
      if (token) url += (url.includes("?") ? "&" : "?") + "token=" + encodeURIComponent(token);
      const socket = new (this.#options.WebSocket ?? globalThis.WebSocket)(url);
      this.#socket = socket;
      socket.onopen = () => {
        if (!isCurrent()) return;
        this.#open = true;
        this.deadline = this.#env.now() + LIFETIME_MS + this.#env.random() * LIFETIME_JITTER_MS;
        this.#on.opened();
      };
      socket.onmessage = ({ data }: { data: string }) => {
        if (isCurrent()) this.#on.received(data);
      };
      // A browser does not say why an upgrade was refused; other places do.
      socket.onerror = ({ message }: { message?: string }) => (refused ||= / 40[13]\b/.test(message ?? ""));
      socket.onclose = () => {
        if (isCurrent()) this.#lost(refused);
      };
    } catch {
      // No token, or no such address: tried again like any other failure.
      if (isCurrent()) this.#lost(refused);
    }
  }

  /** There is no connection any more; another try comes after a pause. */
  #lost(refused: boolean): void {
    if (this.status === "online" && !refused) this.#backoff.tries = 0;
    const socket = this.#socket;
    this.#attempt++;
    this.#socket = null;
    this.#busy = this.#open = false;
    if (this.status !== "closed") this.status = refused ? "refused" : "offline";
    this.deadline = this.#env.now() + this.#backoff.pause();
    socket?.close();
    this.#on.lost();
  }
}
