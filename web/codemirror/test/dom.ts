// A document for CodeMirror to draw in. Nothing is laid out here: boxes are empty, and that is enough for the binding.
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html><body></body>", { pretendToBeVisual: true });

// A view measures itself after each frame; with no layout there is nothing to measure.
window.requestAnimationFrame = () => 0;
// jsdom keeps every observer for ever, with its view; nobody types into the DOM here.
class NoObserver {
  observe(): void {}
  disconnect(): void {}
  takeRecords(): [] {
    return [];
  }
}
(window as any).MutationObserver = NoObserver;
// Without layout, style says nothing either, and takes long to work out.
const plain = { direction: "ltr", whiteSpace: "pre-wrap", getPropertyValue: () => "" };
window.getComputedStyle = () => plain as unknown as CSSStyleDeclaration;
const empty = { left: 0, right: 0, top: 0, bottom: 0, width: 0, height: 0, x: 0, y: 0 };
window.Range.prototype.getClientRects = () => [] as unknown as DOMRectList;
window.Range.prototype.getBoundingClientRect = () => empty as DOMRect;

// Not Event: Node's own is what its EventTargets take.
const names = ["document", "window", "MutationObserver", "Node", "Text", "HTMLElement", "Element", "Range", "DOMRect", "InputEvent", "KeyboardEvent", "CompositionEvent", "getComputedStyle", "requestAnimationFrame", "cancelAnimationFrame"] as const;
for (const name of names) {
  const value = name === "window" ? window : (window as any)[name];
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
Object.defineProperty(globalThis, "navigator", { value: window.navigator, configurable: true });

export { window };
