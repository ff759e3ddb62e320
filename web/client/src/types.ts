// The words of the public API: what goes into `openDocument`, and what an `InklogDocument` tells.

import type { Change } from "./crdt/index.js";
import type { Storage } from "./storage.js";

/** What JSON can say as an object. */
export type JsonObject = { [key: string]: Json };
/** What JSON can say. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
/**
 * `T`, as far as JSON can say it. `T extends JsonOf<T>` also takes an `interface`, which has no index signature and so is
 * no {@link Json}; it refuses functions, symbols, bigints, and what has methods, such as a `Map` or a `Date`.
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
/** The same of an object. A property may be `undefined`: JSON leaves it out. */
export type JsonState<T> = { [K in keyof T]: JsonOf<Exclude<T[K], undefined>> | Extract<T[K], undefined> };

/** An edit of the text: at `at`, `del` UTF-16 units go and `ins` comes. */
export type Edit = Change;

/** What a document needs of a WebSocket; the browser's fits, and so does `ws`'s. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}
export type WebSocketConstructor = new (url: string) => WebSocketLike;

export interface OpenOptions {
  /** The API's address, with its stage: `wss://….amazonaws.com/prod`. */
  url: string;
  /** 1–128 of `A-Z a-z 0-9 . _ ~ -`. */
  docId: string;
  /**
   * Who writes: 1–40 of `A-Z a-z 0-9 . _ -`. Left out, a random guest name that this browser keeps. With
   * authentication on, it must be the name in the token.
   */
  user?: string;
  /** Asked before every connection, also after a refusal; what it gives travels as `?token=`. */
  token?: () => string | Promise<string>;
  /** Default: `globalThis.WebSocket`. */
  WebSocket?: WebSocketConstructor;
  /**
   * Where edits are kept until they are saved. Default: IndexedDB, where there is one. `null`: memory only; the page
   * then asks before it is closed with something unsaved.
   */
  storage?: Storage | null;
}

/**
 * `connecting`: on the way to the server · `online`: connected, and up to date when it was asked · `offline`: no
 * connection, another try comes by itself · `refused`: the server does not let this user in; a fresh token is
 * tried from time to time · `closed`: by `close()`.
 */
export type ConnectionStatus = "connecting" | "online" | "offline" | "refused" | "closed";

/** Counts of edits, in characters inserted or deleted. */
export interface SaveStatus {
  /** Typed, kept here, and not on its way. */
  readonly unsent: number;
  /** On its way; the server has not said yet that it is durable. */
  readonly sent: number;
  /** Everything typed is durable on the server. */
  readonly allSaved: boolean;
}

/** Where what was typed is kept until it is saved. */
export interface StorageStatus {
  /**
   * `opening`: not known yet, and in memory so far · `device`: kept on this device; a closed tab loses nothing ·
   * `memory`: only in this tab; the device's store is tried again by itself.
   */
  readonly kind: "opening" | "device" | "memory";
  /** Why it is kept in memory only, in one line for people. */
  readonly reason: string | null;
}

/** A text that the server forgot, as it stood here. It was put aside, and is kept on this device. */
export interface Fork {
  readonly id: string;
  readonly text: string;
  /** When it was put aside, in ms since the epoch. */
  readonly at: number;
}

/** Somebody else who is here. `State` is what the application shows everywhere; what has come is not checked for it. */
export interface Presence<State = JsonObject> {
  readonly agent: string;
  /** The part of the agent before `~`. */
  readonly user: string;
  readonly state: State;
}

/** What a person should know. */
export interface InklogError {
  /**
   * The server's code (`forbidden`, `too_large`, …), or `unreachable`, `bad_url`, `no_websocket`, `token` (the callback
   * failed), `storage`, `odd` (the server sent what cannot be read).
   */
  readonly code: string;
  /** One line: what happened, and what to do. */
  readonly message: string;
  /** Whether it is tried again without anyone's help. */
  readonly retry: boolean;
}

export interface DocumentEvents {
  /** The text changed. `changes` are made one after the other. */
  change: { changes: Change[]; origin: "local" | "remote" | "undo" | "redo" };
  status: ConnectionStatus;
  save: SaveStatus;
  /** The others, by agent, once `presenceOf(document)` was called. */
  presence: ReadonlyMap<string, Presence>;
  /** What can be undone, once `undoOf(document)` was called. */
  undo: { canUndo: boolean; canRedo: boolean };
  /** This document writes under another agent from now on. */
  agent: string;
  error: InklogError;
  /** What keeps the document from the server; `null`: nothing. */
  problem: InklogError | null;
  storage: StorageStatus;
  /** Texts that were put aside because the server forgot them, whenever there are others. */
  forked: readonly Fork[];
  /** Whether edits of others have come that cannot be placed, because what they need is nowhere to be had. */
  gap: boolean;
}
