// The page's words for numbers, times and failures.
import type { InklogError, StorageStatus } from "@inklog/client";
import type { Standing } from "./access/standing";
import { API } from "./server";

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export const characters = (n: number): string => (n === 1 ? "1 character" : `${NUMBER.format(n)} characters`);

/** The time if it is today, otherwise date and time; `at` in ms since the epoch. */
export const when = (at: number): string =>
  (new Date(at).toDateString() === new Date().toDateString() ? TIME : DAY).format(at);

const WORDS: Record<string, string> = {
  unreachable: `Cannot reach the server at ${new URL(API).host}. Retrying automatically.`,
  bad_url: `This page was built for an invalid server address: ${API}. Whoever runs it can fix that.`,
  no_websocket: "This browser cannot open the connection that this page needs (a WebSocket).",
  turned_away: `The server at ${new URL(API).host} answers, but takes no connection from this page. If people sign in to open this document, open it from the application that you got its link from. Retrying automatically.`,
  token: "Cannot reach the application that signs you in. Retrying automatically; what you type is kept.",
  too_large: "This document is full, or what you added is too large in one piece. It is still here: copy what you need, then make it smaller, delete other text, or go on in a new document.",
  conflict: "The server has something else in place of what you typed. Your text is still here: copy what you need, then reload the page.",
  rate_limited: "That was too much at once. The rest will be sent in a moment.",
  unavailable: "The server has a problem. Retrying automatically.",
  internal: "The server has a problem. Retrying automatically.",
};

/** What happened and what to do, for people; the client's own message is for developers. */
export const wordsFor = ({ code, retry }: InklogError): string =>
  WORDS[code] ??
  (retry
    ? "The server sent an answer that this page does not understand. Retrying automatically."
    : "The server rejects what this page sends. What you typed is still here: copy what you need, then reload the page.");

/** Why the text typed here is not sent, or nothing can be typed, and what to do. */
export function wordsForStanding(
  standing: Standing,
  { open, isKept, canSignIn, canType }: { open: number; isKept: boolean; canSignIn: boolean; canType: boolean },
): string {
  const why = {
    out: "You are signed out: your sign-in has ended, or was withdrawn.",
    barred: "You have no access to this document any more.",
    reader: "You can now read this document, but not change it.",
    writer: "The server takes no changes from you at present.",
    unknown: "The server takes no changes from you at present.",
  }[standing];
  const where = isKept ? "kept on this device" : "only in this tab: copy it before you close it";
  const until = standing === "out" ? "you are signed in again" : standing === "barred" ? "you have access again" : "you may write again";
  const mine = open
    ? `${characters(open)} of yours ${open === 1 ? "is" : "are"} not sent, but ${where}. ${open === 1 ? "It" : "They"} will be sent once ${until}.`
    : standing === "out" && canType
      ? `You can go on writing: it is ${isKept ? "kept on this device" : "kept in this tab"}, and sent once ${until}.`
      : "";
  const what =
    standing === "out" && !canSignIn ? "Open this document from your application again to sign in."
    : standing === "barred" ? "Ask whoever shared it with you."
    : "";
  return [why, mine, what].filter(Boolean).join(" ");
}

const REASONS: readonly [found: RegExp, words: string][] = [
  [/quota/i, "it has no room left"],
  [/not answer/i, "the browser's storage does not respond"],
  [/no IndexedDB/i, "the browser has no storage for pages, or storage is switched off"],
  [/Web Locks/i, "the page was not loaded over https"],
];

/** Why the device does not store edits. */
export const reasonFor = ({ reason }: StorageStatus): string =>
  REASONS.find(([found]) => found.test(reason ?? ""))?.[1] ?? "the browser does not let this page store anything, perhaps because site data is blocked";
