// Who this tab writes as: the token that the application handed over, and how to get another.
//
// The token comes in the address's fragment, which no server sees, or from the application's token endpoint. It is kept in
// this tab's sessionStorage, so that a reload works, and is written nowhere else.
import { useSyncExternalStore } from "react";
import { API } from "../server";
import { lastConfig, readConfig, type Config } from "./config";
import { isFor, readToken, type Token } from "./token";

/** What the page shows of it. */
export interface Session {
  readonly token: Token | null;
  /** There is no token that the server accepts: whoever is here has to sign in. */
  readonly isOut: boolean;
  /** The server answers, but takes no connection: it may be one that wants a token. */
  readonly isTurnedAway: boolean;
  /** `null` until it is known, which it soon is. */
  readonly config: Config | null;
}

/** Whether people sign in here. */
export const isGuarded = ({ token, config }: Session): boolean => token !== null || !!config?.signIn || !!config?.token;

/** Kept in sessionStorage as JSON: the token, and when it was received. */
const TOKEN_KEY = "inklog.token";
/** Likewise: the document for which the page has left to sign in, until that was of use. */
const LEFT_KEY = "inklog.signIn";
const ASK_MS_MAX = 10_000;
/** A token that the server refuses so soon after it was made is not refused for its age. */
const NEW_MS = 10_000;

let session: Session = { token: null, isOut: false, isTurnedAway: false, config: lastConfig() };
/** The server did not accept it. */
let isRefused = false;
const listeners = new Set<() => void>();
const arrivals = new Set<() => void>();

function set(change: Partial<Session>): void {
  session = { ...session, ...change };
  for (const tell of [...listeners]) tell();
}

const subscribe = (tell: () => void) => {
  listeners.add(tell);
  return () => void listeners.delete(tell);
};

export const useSession = (): Session => useSyncExternalStore(subscribe, () => session);

/** Calls when the application has handed over another token while the page is open; the result ends that. */
export function onArrival(tell: () => void): () => void {
  arrivals.add(tell);
  return () => void arrivals.delete(tell);
}

/** To be called before anything is shown: takes the token out of the address, or from before the reload. */
export function beginSession(): void {
  if (!takeFromAddress()) {
    const [text, receivedAt] = kept(TOKEN_KEY) ?? [];
    if (typeof text === "string") set({ token: readToken(text, Number(receivedAt)) });
  }
  // A link that is opened in this tab changes nothing but the fragment.
  addEventListener("hashchange", () => {
    if (takeFromAddress()) for (const tell of [...arrivals]) tell();
  });
  void config();
}

function takeFromAddress(): boolean {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const text = fragment.get("token");
  if (text === null) return false;
  history.replaceState(history.state, "", location.pathname + location.search);
  if (text) {
    receive(text);
    set({ isOut: false });
  }
  return text !== "";
}

function receive(text: string): Token {
  const token = readToken(text, Date.now());
  isRefused = false;
  keep(TOKEN_KEY, [text, token.receivedAt]);
  set({ token });
  return token;
}

/** The configuration, or the last that is known as long as the page's server cannot be reached. */
async function config(): Promise<Config> {
  const config = await readConfig().catch(() => session.config ?? {});
  if (config !== session.config) set({ config });
  return config;
}

/**
 * The token for a document's next connection; `""` where none is needed. Where one is needed and cannot be had, the page
 * leaves to sign in if it may, and else this throws, and the session is out.
 */
export async function tokenFor(docId: string, mayLeave: () => boolean): Promise<string> {
  const { token } = session;
  const isUseful = token !== null && !isRefused && Date.now() < token.endsAt;
  const isFresh = isUseful && isFor(token, docId) && Date.now() - token.receivedAt < token.endsAt - Date.now();
  if (isFresh) return token.text;
  const app = await config();
  if (app.token) {
    const fresh = await ask(app.token, docId).catch((error) => {
      if (!isUseful) throw error;
      return null;
    });
    if (fresh) return receive(fresh).text;
  }
  const isGood = isUseful && isFor(token, docId);
  if (!isGood && app.signIn && mayLeave() && kept(LEFT_KEY) !== docId) {
    keep(LEFT_KEY, docId);
    location.replace(signInUrl(app.signIn));
    return new Promise(() => {});
  }
  if (isUseful) return token.text;
  set({ isOut: true });
  throw new Error("signing in is needed");
}

/** Asks the application for a token; `null` if whoever is here has to sign in there first. */
async function ask(url: URL, docId: string): Promise<string | null> {
  const asked = new URL(url);
  asked.searchParams.set("doc", docId);
  const answer = await fetch(asked, { credentials: "include", cache: "no-store", signal: AbortSignal.timeout(ASK_MS_MAX) });
  if (answer.status === 401 || answer.status === 403) return null;
  const token: unknown = answer.ok && (await answer.json()).token;
  if (typeof token !== "string" || !token) throw new Error(`the application gave no token (${answer.status})`);
  return token;
}

/** The server lets whoever is here in. */
export function accepted(): void {
  isRefused = false;
  if (session.isOut || session.isTurnedAway) set({ isOut: false, isTurnedAway: false });
  keep(LEFT_KEY, null);
}

/** The server does not accept the token: the next connection needs another. */
export function refused(): void {
  const { token, config } = session;
  const isHopeless = !config?.token || (token !== null && Date.now() - token.receivedAt < NEW_MS);
  isRefused = true;
  if (isHopeless) set({ isOut: true });
}

/**
 * The server took no connection without a token. A browser does not tell a refusal from a server that is away, so it is asked
 * over HTTP whether it answers at all.
 */
export async function lookForRefusal(): Promise<void> {
  if (!isGuarded(session) && (await answers())) set({ isTurnedAway: true });
}

async function answers(): Promise<boolean> {
  try {
    const answer = await fetch(API.replace(/^ws/, "http"), { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(ASK_MS_MAX) });
    return answer.type === "opaque" || answer.status < 500;
  } catch {
    return false;
  }
}

/**
 * Where to sign in, and come back to this page; `anew`: as somebody else. The application checks where it sends people and
 * their tokens.
 */
export function signInUrl(signIn: URL, anew = false): string {
  const url = new URL(signIn);
  url.searchParams.set("return", location.origin + location.pathname);
  // As OpenID Connect calls it.
  if (anew) url.searchParams.set("prompt", "login");
  return url.href;
}

function kept(key: string): any {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    // Storage is switched off.
    return null;
  }
}

function keep(key: string, value: unknown): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // It then holds until the page is left.
  }
}
