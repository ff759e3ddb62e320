// What this browser remembers of its user: a name, a colour, a theme, the documents opened last.
import { colorOf } from "@inklog/codemirror";
import { shortName } from "@inklog/client/presence";
import { useSyncExternalStore } from "react";
import { guestName } from "./names";

export type Theme = "auto" | "light" | "dark";

export interface Me {
  name: string;
  color: string;
}

export interface Recent {
  id: string;
  /** The text's first line, when it was last open here. */
  title: string;
  /** ms since the epoch */
  at: number;
}

const RECENT_MAX = 12;
const listeners = new Set<() => void>();
const cache = new Map<string, unknown>();

function read<T>(key: string, make: () => T): T {
  if (!cache.has(key)) {
    let value: T | null = null;
    try {
      const kept = localStorage.getItem(`inklog.${key}`);
      value = kept === null ? null : (JSON.parse(kept) as T);
    } catch {
      // Switched off, or not ours: it is made anew.
    }
    cache.set(key, value ?? make());
  }
  return cache.get(key) as T;
}

function keep(key: string, value: unknown, text = JSON.stringify(value)): void {
  cache.set(key, value);
  try {
    localStorage.setItem(`inklog.${key}`, text);
  } catch {
    // It then holds for as long as the tab.
  }
}

function write(key: string, value: unknown, text?: string): void {
  keep(key, value, text);
  for (const tell of listeners) tell();
}

const subscribe = (tell: () => void) => {
  listeners.add(tell);
  return () => void listeners.delete(tell);
};

function newMe(): Me {
  const name = guestName();
  const me = { name, color: colorOf(name) };
  keep("me", me);
  return me;
}

export const useMe = (): Me => useSyncExternalStore(subscribe, () => read("me", newMe));
export const setMe = (change: Partial<Me>): void => write("me", { ...read("me", newMe), ...change });

export const useRecent = (): readonly Recent[] => useSyncExternalStore(subscribe, () => read("recent", () => []));

export function remember(id: string, title: string): void {
  const others = read<Recent[]>("recent", () => []).filter((recent) => recent.id !== id);
  write("recent", [{ id, title: shortName(title, 80), at: Date.now() }, ...others].slice(0, RECENT_MAX));
}

/** Takes a document off the list. */
export function unlist(id: string): void {
  write("recent", read<Recent[]>("recent", () => []).filter((recent) => recent.id !== id));
}

// public/theme.js reads the same key, as plain text, before the first paint.
export const useTheme = (): Theme => useSyncExternalStore(subscribe, chosenTheme);

function chosenTheme(): Theme {
  const theme = document.documentElement.dataset["theme"];
  return theme === "light" || theme === "dark" ? theme : "auto";
}

export function setTheme(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  write("theme", theme, theme);
}
