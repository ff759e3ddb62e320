// What the page says of numbers, times and failures.
import type { InklogError, StorageStatus } from "@inklog/client";
import { API } from "./server";

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export const characters = (n: number): string => (n === 1 ? "1 character" : `${NUMBER.format(n)} characters`);

/** The time of today, or else the day, too; `at` in ms since the epoch. */
export const when = (at: number): string =>
  (new Date(at).toDateString() === new Date().toDateString() ? TIME : DAY).format(at);

const WORDS: Record<string, string> = {
  unreachable: `The server at ${new URL(API).host} cannot be reached. It is tried again by itself.`,
  bad_url: `This page was built for a server with an impossible address: ${API}. Whoever runs it can put that right.`,
  no_websocket: "This browser cannot open the connection that this page needs (a WebSocket).",
  token: "Signing in did not work. It is tried again by itself; it may help to reload the page.",
  unauthorized: "You are not signed in, or no longer: reload the page to sign in.",
  forbidden: "You have no access to this document. Ask whoever shared it with you.",
  too_large: "The server does not take a piece of text as large as this. It is still here: copy what you need, and make it smaller.",
  conflict: "The server has something else in the place of what was typed here. It is still here: copy what you need, and reload the page.",
  rate_limited: "This was too much at once. The rest is sent in a moment.",
  unavailable: "The server has a difficulty. It is tried again by itself.",
  internal: "The server has a difficulty. It is tried again by itself.",
};

/** What happened and what to do, for people: the client's own line is for whoever writes programs. */
export const wordsFor = ({ code, retry }: InklogError): string =>
  WORDS[code] ??
  (retry
    ? "The server said something that this page does not understand. It is tried again by itself."
    : "The server does not take what this page sends. What you typed is still here: copy what you need, and reload the page.");

const REASONS: readonly [found: RegExp, words: string][] = [
  [/quota/i, "it has no room left"],
  [/not answer/i, "the browser's storage does not answer"],
  [/no IndexedDB/i, "the browser has no storage for pages, or it is switched off"],
  [/Web Locks/i, "the page did not come over https"],
];

/** Why the device keeps nothing of what is typed. */
export const reasonFor = ({ reason }: StorageStatus): string =>
  REASONS.find(([found]) => found.test(reason ?? ""))?.[1] ?? "the browser does not let this page keep anything, perhaps because site data is blocked";
