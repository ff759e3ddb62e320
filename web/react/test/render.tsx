import "./dom.js";
import assert from "node:assert/strict";
import { act, StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import type { LiveRoom } from "../../client/test/sim/live.js";

/** Waits, with React kept up to date, until something is so. */
export async function until(what: string, test: () => boolean): Promise<void> {
  const limit = Date.now() + 10_000;
  while (!test()) {
    assert.ok(Date.now() < limit, `never so: ${what}`);
    await act(() => new Promise((resolve) => setTimeout(resolve, 5)));
  }
}

export async function rendered(node: ReactNode): Promise<{ host: HTMLElement; show(node: ReactNode): Promise<void>; unmount(): Promise<void> }> {
  const host = document.body.appendChild(document.createElement("div"));
  const root = createRoot(host);
  const show = (node: ReactNode) => act(async () => root.render(<StrictMode>{node}</StrictMode>));
  await show(node);
  return { host, show, unmount: () => act(async () => root.unmount()) };
}

export const optionsOf = (room: LiveRoom, docId = "d") => ({ url: `ws://${Math.random()}/dev`, docId, user: "ada", storage: null, WebSocket: room.WebSocket });
