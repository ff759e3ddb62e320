// What is kept on the device and what is not: said as it is, and removed when it is asked for.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { faults, person, Proxy, Window, world } from "./harness/index.js";

const at = world();

/** Nobody should have to read these. */
const RAW = /Error\b|insecure|Exception|undefined|\[object|TypeError|indexedDB\.open|Failed to/;

async function openedAt(context: BrowserContext, doc: string): Promise<Window> {
  const window = new Window(await context.newPage());
  await window.page.goto(`${at.stack.url}/d/${doc}`);
  return window;
}

const STORES: [string, () => void][] = [
  ["that the browser blocks", () => Object.defineProperty(globalThis, "indexedDB", { get() { throw new DOMException("The operation is insecure.", "SecurityError"); } })],
  ["that never answers", () => void (IDBFactory.prototype.open = () => new EventTarget() as IDBOpenDBRequest)],
  ["that is not there", () => Object.defineProperty(globalThis, "indexedDB", { value: undefined })],
];

for (const [what, breakIt] of STORES) {
  test(`with a store ${what}: the page says that the text is only in this tab, and why`, async () => {
    const context = await person(at.browser, "Ada");
    await context.addInitScript(breakIt);
    const window = await openedAt(context, `store-${what.replaceAll(" ", "-")}`);
    const { page } = window;
    await window.ready();
    await page.getByText("What you type is only in this tab until it is saved").waitFor({ timeout: 60_000 });
    assert.doesNotMatch(await page.locator(".notices").innerText(), RAW);
    assert.deepEqual(await faults(window), []);
    await window.type("Saved at once.");
    await window.saved();
    await context.setOffline(true);
    await window.note("offline");
    await window.caret(0);
    await window.type("And this");
    await page.getByText("Offline · 8 characters in this tab only").waitFor();
    await page.getByRole("button", { name: "Dismiss" }).click();
    assert.equal(await page.locator(".notice").count(), 0);
    // It can still be read.
    await page.locator(".save-button").click();
    const told = page.locator(".save-more");
    await told.getByText("only in this tab: do not close it").waitFor();
    await told.getByText("This device keeps no copy").waitFor();
    assert.doesNotMatch(await told.innerText(), RAW);
    assert.deepEqual(await faults(window), []);
    await window.shot(`store-${what.replaceAll(" ", "-")}`);
    await context.setOffline(false);
    await window.saved();
    await context.close();
  });
}

test("a server that cannot be reached is named, for as long as it cannot be", async () => {
  const proxy = await Proxy.start(at.stack.url);
  try {
    proxy.instead(({ url }, answer) => url!.startsWith("/dev") && (answer.writeHead(503).end(), true));
    const context = await person(at.browser, "Ada");
    const page = await context.newPage();
    await page.goto(`${proxy.url}/d/unreachable`);
    const words = `Cannot reach the server at ${new URL(proxy.url).host}.`;
    await page.getByRole("alert").filter({ hasText: words }).waitFor({ timeout: 90_000 });
    assert.doesNotMatch(await page.locator(".notices").innerText(), RAW);
    await page.getByRole("button", { name: "Dismiss" }).click();
    await page.keyboard.press("Control+s");
    await page.locator(".save-more").getByText(words).waitFor();
    proxy.pass();
    await page.locator('.save[data-kind="saved"]').waitFor({ timeout: 90_000 });
    await page.keyboard.press("Control+s");
    assert.equal(await page.locator(".save-more").getByText(words).count(), 0);
    await context.close();
  } finally {
    await proxy.stop();
  }
});

/** How many records the browser keeps of a document. */
const kept = (page: Page, doc: string) =>
  page.evaluate(async (doc) => {
    let found = 0;
    for (const { name } of await indexedDB.databases()) {
      const db = await new Promise<IDBDatabase>((resolve) => (indexedDB.open(name!).onsuccess = (event) => resolve((event.target as IDBOpenDBRequest).result)));
      for (const store of db.objectStoreNames) {
        const keys = await new Promise<IDBValidKey[]>((resolve) => (db.transaction(store).objectStore(store).getAllKeys().onsuccess = (event) => resolve((event.target as IDBRequest).result)));
        found += keys.filter((key) => JSON.stringify(key).includes(doc)).length;
      }
      db.close();
    }
    return found;
  }, doc);

test("a document that is forgotten leaves nothing on the device, and asks first where something was never sent", async () => {
  const context = await person(at.browser, "Ada");
  const window = await Window.open(context, at.stack, "to-forget");
  const { page } = window;
  await window.type("Xanadu");
  await window.saved();
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await page.waitForFunction(() => document.title.startsWith("Xanadu"));
  await context.setOffline(true);
  await window.note("offline");
  await window.type(" and Zion");
  await page.getByText("Offline · 9 characters kept here").waitFor();

  // Another tab has it open: nothing is removed behind its back.
  const home = await context.newPage();
  await home.goto(at.stack.url);
  const forget = home.getByRole("button", { name: /^Forget Xanadu/ });
  await forget.click();
  await home.getByRole("dialog").waitFor();
  await home.getByRole("dialog").getByRole("button", { name: /Keep|OK/ }).click();
  assert.ok((await kept(home, "to-forget")) > 0);
  await page.close();

  await forget.click();
  const dialog = home.getByRole("dialog", { name: /unsent text/ });
  await dialog.getByText("9 characters of it are on this device only").waitFor();
  // What loses nothing has the focus.
  assert.equal(await home.evaluate(() => (document.activeElement as HTMLElement).innerText), "Keep");
  assert.deepEqual(await faults({ page: home }), []);
  await home.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  assert.ok((await kept(home, "to-forget")) > 0);
  await forget.click();
  await dialog.getByRole("button", { name: "Forget and discard" }).click();
  await forget.waitFor({ state: "detached" });
  assert.equal(await kept(home, "to-forget"), 0);

  // On the server it is as it was, and all that is saved is forgotten without a question.
  await context.setOffline(false);
  const again = await Window.open(context, at.stack, "to-forget");
  await again.shows("Xanadu");
  await again.page.waitForFunction(() => document.title.startsWith("Xanadu"));
  await again.page.getByRole("link", { name: /^Inklog/ }).click();
  await again.page.getByRole("button", { name: /^Forget Xanadu/ }).click();
  await again.page.getByRole("button", { name: /^Forget Xanadu/ }).waitFor({ state: "detached" });
  assert.equal(await kept(again.page, "to-forget"), 0);
  assert.equal(await again.page.getByRole("dialog").count(), 0);
  await context.close();
});

test("a document that goes on in another tab is not forgotten behind its back", async () => {
  const context = await person(at.browser, "Ada");
  const window = await Window.open(context, at.stack, "still-open");
  await window.type("Still open");
  await window.saved();
  await window.page.waitForFunction(() => document.title.startsWith("Still open"));
  const home = await context.newPage();
  await home.goto(at.stack.url);
  await home.getByRole("button", { name: "Forget Still open" }).click();
  await home.getByRole("dialog", { name: "“Still open” is open in another tab" }).waitFor();
  await home.keyboard.press("Escape");
  await home.getByRole("dialog").waitFor({ state: "detached" });
  assert.ok((await kept(home, "still-open")) > 0);
  await context.close();
});
