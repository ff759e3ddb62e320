import { useSyncExternalStore } from "react";

const CHANGED = "inklog:route";

const subscribe = (tell: () => void) => {
  addEventListener("popstate", tell);
  addEventListener(CHANGED, tell);
  return () => {
    removeEventListener("popstate", tell);
    removeEventListener(CHANGED, tell);
  };
};

export const usePath = (): string => useSyncExternalStore(subscribe, () => location.pathname);

export function go(path: string): void {
  history.pushState(null, "", path);
  dispatchEvent(new Event(CHANGED));
}

export const pathOf = (docId: string): string => `/d/${docId}`;

export const isHome = (path: string): boolean => path === "/" || path === "/index.html";

/** The document that a path names; `null` where it names none. */
export function docIdOf(path: string): string | null {
  const match = /^\/d\/([^/]+)\/?$/.exec(path);
  if (!match) return null;
  try {
    return decodeURIComponent(match[1]!);
  } catch {
    return match[1]!;
  }
}

/** For links: goes there without loading the page anew, unless another tab or window is wanted. */
export function follow(event: React.MouseEvent<HTMLAnchorElement>): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(event.currentTarget.pathname);
}
