// What the browser tests stand on: a real stack (`stack.ts`), a proxy before it (`proxy.ts`), and windows of a real browser on it (`browser.ts`).
import { after, before } from "node:test";
import type { Browser } from "playwright-core";
import { launch } from "./browser.js";
import { Stack } from "./stack.js";

export { faults } from "./axe.js";
export { BareWindow } from "./bare.js";
export { person, SHOTS, Window } from "./browser.js";
export { LOGIN, type Mood, Proxy } from "./proxy.js";
export { EDITOR, Stack } from "./stack.js";

/** One stack and one browser for the tests of a file. */
export function world(): { stack: Stack; browser: Browser } {
  const held = {} as { stack: Stack; browser: Browser };
  before(async () => {
    [held.stack, held.browser] = await Promise.all([Stack.start(), launch()]);
  });
  after(async () => {
    await held.browser?.close();
    await held.stack?.stop();
  });
  return held;
}
