import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html><body></body>", { url: "http://127.0.0.1:8080/" });

for (const name of ["document", "window", "HTMLElement", "Node", "location", "navigator"] as const) {
  const value = name === "window" ? window : (window as any)[name];
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
(globalThis as any).IS_REACT_ACT_ENVIRONMENT = true;
