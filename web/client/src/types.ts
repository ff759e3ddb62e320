// The types of the public API: the options of `openDocument`, and what an `InklogDocument` reports.

import type { Change } from "./crdt/index.js";
import type { Storage } from "./storage.js";

/** An object in JSON. */
export type JsonObject = { [key: string]: Json };
/** A value in JSON. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
/**
 * `T`, as far as JSON can express it. `T extends JsonOf<T>` also accepts an `interface`, which has no index signature and
 * so is not a {@link Json}; it rejects functions, symbols, bigints, and objects with methods, such as a `Map` or a `Date`.
 */
export type JsonOf<T> = T extends Json
  ? T
  : T extends readonly unknown[]
    ? { [K in keyof T]: JsonOf<T[K]> }
    : T extends (...args: never) => unknown
      ? never
      : T extends object
        ? JsonState<T>
        : never;
/** The same for an object. A property may be `undefined`: JSON omits it. */
export type JsonState<T> = { [K in keyof T]: JsonOf<Exclude<T[K], undefined>> | Extract<T[K], undefined> };

/** An edit of the text: replaces `del` UTF-16 units at `at` with `ins`. */
export type Edit = Change;

/** The part of a WebSocket that a document needs; the browser's and that of `ws` both have it. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}
export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;

/** A token in the characters of a JWT; `null`: none. */
export type Token = string | null | undefined;

/**
 * What this user may do with the document: nothing (`none`), read it, write in it, or also manage it. `null`: not known
 * yet.
 */
export type Access = "none" | "read" | "write" | "manage" | null;

export interface OpenOptions {
  /** The API's URL, including its stage: `wss://….amazonaws.com/prod`. */
  url: string;
  /** 1–128 of `A-Z a-z 0-9 . _ ~ -`. */
  docId: string;
  /**
   * The user's name: 1–40 of `A-Z a-z 0-9 . _ -`. Default: a random guest name that this browser keeps. If the server
   * demands a token, the token's user is used instead.
   */
  user?: string;
  /**
   * Called before every connection, and again before the token expires: returns a token that is valid now. `null` or
   * `undefined`: there is none, for example because nobody is signed in.
   */
  token?: () => Token | Promise<Token>;
  /** Default: `globalThis.WebSocket`. */
  WebSocket?: WebSocketConstructor;
  /**
   * Where edits are kept until they are saved. Default: IndexedDB, if available. `null`: memory only; the page
   * then asks before it closes with unsaved edits.
   */
  storage?: Storage | null;
}

/**
 * `connecting`: connecting to the server · `online`: connected, and synced at least once on this connection ·
 * `offline`: no connection; the client reconnects by itself · `refused`: the server refuses this user; the client
 * retries with a fresh token ever less often, and at once when {@link InklogDocument.reconnect} is called · `closed`: by `close()`.
 */
export type ConnectionStatus = "connecting" | "online" | "offline" | "refused" | "closed";

/** Counts of edits, in characters inserted or deleted. */
export interface SaveStatus {
  /** Typed and kept here, not sent yet. */
  readonly unsent: number;
  /** Sent; the server has not yet acknowledged it as durable. */
  readonly sent: number;
  /** Everything typed is durable on the server. */
  readonly allSaved: boolean;
  /**
   * The server takes no edits from this user at present: what is unsent stays on the device and is sent once the user may
   * write again. `doc.problem` says why.
   */
  readonly blocked: boolean;
}

/** Where edits are kept until they are saved. */
export interface StorageStatus {
  /**
   * `opening`: not known yet, in memory so far · `device`: kept on this device; a closed tab loses nothing ·
   * `memory`: only in this tab; the client retries the device's store by itself.
   */
  readonly kind: "opening" | "device" | "memory";
  /** Why edits are in memory only, in one line for people. */
  readonly reason: string | null;
}

/** A copy of a text that the server forgot, kept on this device. */
export interface Fork {
  readonly id: string;
  readonly text: string;
  /** When the copy was made, in ms since the epoch. */
  readonly at: number;
}

/** Somebody else who is here. `State` is the application's own type; received states are not checked against it. */
export interface Presence<State = JsonObject> {
  readonly agent: string;
  /** According to the server; if it demands no token, the part of the agent before `~`. */
  readonly user: string;
  /** The name from their token, which the server vouches for; absent if it demands none. Of any length: see `shortName`. */
  readonly name?: string;
  readonly state: State;
}

/** A problem that a person should know about. */
export interface InklogError {
  /**
   * The server's code (`forbidden`, `too_large`, …), or `unreachable`, `bad_url`, `no_websocket`, `token` (the callback
   * failed or returned what no WebSocket can carry), `storage`, `bad_message` (the server sent an invalid message).
   */
  readonly code: string;
  /** One line: what happened, and what to do. */
  readonly message: string;
  /** Whether the client retries by itself. */
  readonly retry: boolean;
}

export interface DocumentEvents {
  /** The text changed. Apply `changes` one after the other. */
  change: { changes: Change[]; origin: "local" | "remote" | "undo" | "redo" };
  status: ConnectionStatus;
  /** `doc.access` or `doc.readOnly` changed. */
  access: Access;
  save: SaveStatus;
  /** The others, by agent, after the first call of `presenceOf(document)`. */
  presence: ReadonlyMap<string, Presence>;
  /** What can be undone, after the first call of `undoOf(document)`. */
  undo: { canUndo: boolean; canRedo: boolean };
  /** This document writes under another agent from now on. */
  agent: string;
  error: InklogError;
  /** What keeps the document from the server; `null`: nothing. */
  problem: InklogError | null;
  storage: StorageStatus;
  /** The texts that the server forgot, whenever the list changes. */
  forked: readonly Fork[];
  /** Whether others' edits cannot be applied because they need edits that cannot be fetched. */
  gap: boolean;
}
