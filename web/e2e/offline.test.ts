// Without a network.
import assert from "node:assert/strict";
import { test } from "node:test";
import { person, Proxy, Window, world } from "./harness/index.js";

const at = world();

test("offline, typed, the tab closed, opened again, online: every character arrives once", async () => {
  const context = await person(at.browser, "Ada");
  const first = await Window.open(context, at.stack, "closed");
  await first.type("Online. ");
  await first.saved();
  await first.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await context.setOffline(true);
  await first.note("offline");
  await first.type("Offline, with a 😀 and some words. ");
  assert.match(await first.note("offline"), /^Offline · \d+ characters kept here$/);
  await first.shot("editor-offline");
  await first.page.close();

  const ben = await Window.open(await person(at.browser, "Ben"), at.stack, "closed");
  await ben.shows("Online. ");

  const again = await Window.open(context, at.stack, "closed");
  await again.shows("Online. Offline, with a 😀 and some words. ");
  await again.page.keyboard.press("Control+End");
  await again.type("Again.");
  assert.equal(await ben.text(), "Online. ");
  await context.setOffline(false);
  const whole = "Online. Offline, with a 😀 and some words. Again.";
  await again.saved();
  await ben.shows(whole);
  await again.shows(whole);
  assert.equal(await at.stack.text("closed", "log"), whole);
  assert.deepEqual(again.errors, []);
});

test("a reload without a server shows the text, and says that it is offline", async () => {
  const window = await Window.open(await person(at.browser, "Ada"), at.stack, "reload");
  await window.type("Still here.");
  await window.saved();
  await window.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await at.stack.kill();
  try {
    await window.page.reload();
    await window.ready();
    await window.shows("Still here.");
    assert.match(await window.note("offline"), /^Offline · /);
    // What is fetched later is here, too.
    await window.page.keyboard.press("Control+f");
    await window.page.locator(".cm-search").waitFor();
  } finally {
    await at.stack.restart();
  }
  await window.saved();
});

test("a tab that crashes loses nothing that it showed as kept", async () => {
  const context = await person(at.browser, "Ada");
  const window = await Window.open(context, at.stack, "crash");
  await window.type("Saved. ");
  await window.saved();
  await at.stack.kill();
  await window.note("offline");
  await window.type("Kept.");
  await window.page.waitForFunction(async () => {
    // The crash below gives no time to write: wait until the text is in the store.
    const names = (await indexedDB.databases()).map(({ name }) => name!);
    for (const name of names) {
      const db = await new Promise<IDBDatabase>((resolve) => (indexedDB.open(name).onsuccess = (event) => resolve((event.target as IDBOpenDBRequest).result)));
      try {
        for (const store of db.objectStoreNames) {
          const all = await new Promise<unknown[]>((resolve) => (db.transaction(store).objectStore(store).getAll().onsuccess = (event) => resolve((event.target as IDBRequest).result)));
          if (/Kept\./.test([...JSON.stringify(all).matchAll(/"text":"([^"]*)"/g)].map((match) => match[1]).join(""))) return true;
        }
      } finally {
        db.close();
      }
    }
    return false;
  });
  await Promise.all([window.page.waitForEvent("crash"), window.page.goto("chrome://crash").catch(() => {})]);
  await at.stack.restart();
  const again = await Window.open(context, at.stack, "crash");
  await again.shows("Saved. Kept.");
  await again.saved();
  assert.equal(await at.stack.text("crash", "log"), "Saved. Kept.");
});

test("what is typed offline, in the very task that leaves the page, is kept", async () => {
  const context = await person(at.browser, "Ada");
  let window = await Window.open(context, at.stack, "left");
  await window.type("Online.");
  await window.saved();
  await window.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await context.setOffline(true);
  let whole = "Online.";
  // A browser that is not told to commit kept about half of them.
  for (let time = 1; time <= 5; time++) {
    await window.note("offline");
    await window.caret(whole.length);
    const typed = ` Gone ${time}.`;
    whole += typed;
    await window.page.evaluate((typed) => {
      document.execCommand("insertText", false, typed);
      location.href = "about:blank";
    }, typed);
    await window.page.waitForURL("about:blank");
    await window.page.close();
    window = await Window.open(context, at.stack, "left");
    await window.shows(whole);
  }
  await context.setOffline(false);
  await window.saved();
  assert.equal(await at.stack.text("left", "log"), whole);
});

test("offline, a new document takes every key from the click on, and arrives", async () => {
  const context = await person(at.browser, "Ada");
  const window = new Window(await context.newPage());
  const { page } = window;
  await page.goto(at.stack.url);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await context.setOffline(true);
  await page.reload();
  // Keys pressed in the very task of the click, before anything can have been drawn, and then at once.
  await page.evaluate(() => {
    document.querySelector<HTMLElement>(".home-main > .button-main")!.click();
    document.execCommand("insertText", false, "Typed ");
  });
  await window.type("at once, without a network.");
  await page.locator(".cm-content").waitFor();
  await window.shows("Typed at once, without a network.");
  assert.equal(await page.evaluate(() => document.activeElement?.className.includes("cm-content")), true);
  await window.type(" And on.");
  await window.note("offline");
  await context.setOffline(false);
  await window.saved();
  assert.equal(await at.stack.text(new URL(page.url()).pathname.slice(3), "log"), "Typed at once, without a network. And on.");
  // What a local stack alone can show comes with it.
  await page.getByRole("button", { name: "History" }).click();
  await page.getByRole("slider", { name: "Event" }).waitFor();
  await page.getByRole("button", { name: "Pipeline" }).click();
  await page.locator(".pipeline").waitFor();
  assert.deepEqual(window.errors, []);
});

test("on a slow line, too, a new document takes every key from the click on", async () => {
  const proxy = await Proxy.start(at.stack.url);
  try {
    const context = await person(at.browser, "Ada");
    const window = new Window(await context.newPage());
    const { page } = window;
    await page.goto(proxy.url);
    // Neither an answer nor a refusal, for as long as a person types.
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    const asked = new Promise<void>((resolve) =>
      proxy.instead(async ({ url }) => {
        if (!url!.startsWith("/dev")) return false;
        resolve();
        await released;
        return false;
      }),
    );
    await page.getByRole("button", { name: "New document" }).click();
    await window.type("A first line");
    await page.keyboard.press("Enter");
    await window.type("and more");
    await asked;
    await window.type(" than that");
    assert.equal(await page.locator(".writing[data-ready]").count(), 0);
    release();
    await window.saved();
    await window.shows("A first line\nand more than that");
  } finally {
    await proxy.stop();
  }
});
