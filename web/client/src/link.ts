// The connection: made, made again after a loss, and made anew before API Gateway would end it.

import { backoff } from "./sync/backoff.js";
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

/** An attempt to connect, and what became of it. */
interface Attempt {
  socket?: WebSocketLike;
  open?: boolean;
  /** The token is asked for. */
  asking?: boolean;
}

export interface Link {
  status: ConnectionStatus;
  /** When `tick` is due. */
  deadline: number;
  send(frame: string): void;
  tick(now: number): void;
  /** The server was heard, and lets the client in. */
  online(): void;
  /** The server does not let the client in: a fresh token may help. */
  refused(): void;
  /** The network is gone, as far as the system knows. */
  offline(): void;
  /** Connects now, whatever was before. */
  again(): void;
  close(): void;
}

/** `flush` does what follows from what the core was told; `tell` is told what keeps the link from being made, and `null` when nothing does. */
export function newLink(
  options: OpenOptions,
  env: Env,
  core: Pick<Core, "connected" | "received" | "disconnected">,
  flush: () => void,
  tell: (problem: InklogError | null) => void,
): Link {
  /** The attempt under way; a later one makes its events meaningless. */
  let current: Attempt | null = null;
  let wasOnline = false;
  const pauses = backoff(env.Math.random, PAUSE_MS_FIRST, PAUSE_MS_LONGEST);
  const [address] = options.url.split(/[?#]/);

  const connect = async (now: number) => {
    const attempt: Attempt = (current = { asking: true });
    const isCurrent = () => attempt === current;
    link.deadline = now + CONNECT_MS_MAX;
    if (link.status !== "refused") link.status = "connecting";
    let refused = 0;
    let cause = "";
    let token;
    try {
      token = await options.token?.();
    } catch (error) {
      if (isCurrent()) lost(errorOf("token", `the token callback failed: ${wordsOf(error)}`, true));
      return;
    }
    if (!isCurrent()) return;
    attempt.asking = false;
    const Socket = options.WebSocket ?? (globalThis.WebSocket as OpenOptions["WebSocket"]);
    if (!Socket) {
      return hopeless("no_websocket", "there is no WebSocket here: pass one as the option WebSocket, in Node 20 that of the package ws");
    }
    let { url } = options;
    if (token) url += (url.includes("?") ? "&" : "?") + "token=" + encodeURIComponent(token);
    let socket: WebSocketLike;
    try {
      socket = attempt.socket = new Socket(url);
    } catch (error) {
      return hopeless("bad_url", `${address} is no address of a WebSocket: ${wordsOf(error)}`);
    }
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
    // A browser does not say why an upgrade failed; other places do.
    socket.onerror = ({ message = "" }: { message?: string }) => {
      cause ||= message;
      refused ||= Number(/ (40[13])\b/.exec(message)?.[1] ?? 0);
    };
    socket.onclose = () => {
      if (!isCurrent()) return;
      if (refused) lost(errorOf(refused === 401 ? "unauthorized" : "forbidden", `the server refuses access (${cause})`, true), true);
      else lost(unreachable(cause));
    };
  };

  /** What an attempt that failed, or a connection that ended, is worth telling. */
  const unreachable = (cause: string): InklogError | undefined => {
    if (current?.open || env.navigator?.onLine === false) return;
    if (pauses.tries + 1 < (wasOnline ? ATTEMPTS_BEFORE_TOLD_AGAIN : ATTEMPTS_BEFORE_TOLD)) return;
    const words = cause ? ` (${cause})` : "";
    return errorOf("unreachable", `cannot reach ${address}${words}: is the address right, and is the server running?`, true);
  };

  /** There is no connection any more; another try comes after a pause. */
  const lost = (problem?: InklogError, refused = false) => {
    if (link.status === "online" && !refused) pauses.tries = 0;
    const socket = current?.socket;
    current = null;
    if (link.status !== "closed") link.status = refused ? "refused" : "offline";
    link.deadline = env.performance.now() + pauses.pause();
    if (problem) tell(problem);
    socket?.close();
    core.disconnected();
    flush();
  };

  /** Another try would end no better. */
  const hopeless = (code: string, message: string) => {
    lost(errorOf(code, message, false));
    link.deadline = Infinity;
    flush();
  };

  /** An attempt takes too long. */
  const giveUp = ({ asking }: Attempt) => {
    if (asking) lost(errorOf("token", "the token callback did not finish in time", true));
    else lost(unreachable("no answer"));
  };

  const link: Link = {
    status: "connecting",
    deadline: 0,
    send: (frame) => current?.socket?.send(frame),
    tick(now) {
      if (now < link.deadline) return;
      if (!current) void connect(now);
      else if (current.open) link.again();
      else giveUp(current);
    },
    online() {
      link.status = "online";
      wasOnline = true;
      tell(null);
    },
    refused: () => lost(undefined, true),
    offline: () => current && lost(),
    again() {
      if (link.status === "closed") return;
      link.offline();
      pauses.tries = 0;
      link.status = "connecting";
      link.deadline = 0;
    },
    close() {
      link.status = "closed";
      lost();
      link.deadline = Infinity;
    },
  };
  return link;
}

const errorOf = (code: string, message: string, retry: boolean): InklogError => ({ code, message, retry });

/** What an exception says. */
export const wordsOf = (error: unknown): string => (error instanceof Error && error.message ? error.message : String(error));
