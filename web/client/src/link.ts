// The connection: made, made again after a loss, and made anew before API Gateway would end it.

import { backoff } from "./sync/backoff.js";
import type { Core } from "./sync/core.js";
import type { ConnectionStatus, OpenOptions, WebSocketLike } from "./types.js";

/** An attempt that takes longer is given up. */
const CONNECT_MS_MAX = 15_000;
const PAUSE_MS_FIRST = 500;
const PAUSE_MS_LONGEST = 30_000;
/** API Gateway ends a connection after two hours: it is made anew within this and a quarter of an hour more. */
const LIFETIME_MS = 100 * 60_000;
const LIFETIME_JITTER_MS = 15 * 60_000;

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
  /** `online`, `offline` and `pagehide` are listened to, where there is a page. */
  addEventListener?: Listening | undefined;
  removeEventListener?: Listening | undefined;
}

type Listening = (name: string, listener: (event: Event) => void) => void;

/** An attempt to connect, and what became of it. */
interface Attempt {
  socket?: WebSocketLike;
  open?: boolean;
}

export interface Link {
  status: ConnectionStatus;
  /** When `tick` is due. */
  deadline: number;
  send(frame: string): void;
  tick(now: number): void;
  /** The server does not let the client in: a fresh token may help. */
  refused(): void;
  /** The network is gone, as far as the system knows. */
  offline(): void;
  /** Connects now, whatever was before. */
  again(): void;
  close(): void;
}

/** `flush` does what follows from what the core was told. */
export function newLink(
  options: OpenOptions,
  env: Env,
  core: Pick<Core, "connected" | "received" | "disconnected">,
  flush: () => void,
): Link {
  /** The attempt under way; a later one makes its events meaningless. */
  let current: Attempt | null = null;
  const pauses = backoff(env.Math.random, PAUSE_MS_FIRST, PAUSE_MS_LONGEST);

  const connect = async (now: number) => {
    const attempt: Attempt = (current = {});
    const isCurrent = () => attempt === current;
    link.deadline = now + CONNECT_MS_MAX;
    if (link.status !== "refused") link.status = "connecting";
    let refused = false;
    const end = () => isCurrent() && lost(refused);
    try {
      let { url } = options;
      const token = await options.token?.();
      if (!isCurrent()) return;
      if (token) url += (url.includes("?") ? "&" : "?") + "token=" + encodeURIComponent(token);
      const socket = (attempt.socket = new (options.WebSocket ?? WebSocket)(url));
      socket.onopen = () => {
        if (!isCurrent()) return;
        attempt.open = true;
        const now = env.performance.now();
        link.deadline = now + LIFETIME_MS + env.Math.random() * LIFETIME_JITTER_MS;
        core.connected(now);
        flush();
      };
      socket.onmessage = ({ data }: { data: string }) => {
        if (!isCurrent()) return;
        core.received(data, env.performance.now());
        flush();
      };
      // A browser does not say why an upgrade was refused; other places do.
      socket.onerror = ({ message }: { message?: string }) => (refused ||= / 40[13]\b/.test(message ?? ""));
      socket.onclose = end;
    } catch {
      // No token, or no such address: tried again like any other failure.
      end();
    }
  };

  /** There is no connection any more; another try comes after a pause. */
  const lost = (refused: boolean) => {
    if (link.status === "online" && !refused) pauses.tries = 0;
    const socket = current?.socket;
    current = null;
    if (link.status !== "closed") link.status = refused ? "refused" : "offline";
    link.deadline = env.performance.now() + pauses.pause();
    socket?.close();
    core.disconnected();
    flush();
  };

  const link: Link = {
    status: "connecting",
    deadline: 0,
    send: (frame) => current?.socket?.send(frame),
    tick(now) {
      if (now < link.deadline) return;
      if (!current) void connect(now);
      else if (current.open) link.again();
      else link.offline();
    },
    refused: () => lost(true),
    offline: () => current && lost(false),
    again() {
      if (link.status === "closed") return;
      link.offline();
      pauses.tries = 0;
      link.status = "connecting";
      link.deadline = 0;
    },
    close() {
      link.status = "closed";
      lost(false);
      link.deadline = Infinity;
    },
  };
  return link;
}
