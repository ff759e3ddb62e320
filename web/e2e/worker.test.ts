// The service worker, with a proxy before the stack that answers in its place, and a newer build that takes its place.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { LOGIN, type Mood, person, Proxy, Window, world } from "./harness/index.js";

const at = world();

/** A browser whose service worker has everything, on a page that it controls. */
async function settled(proxy: Proxy, doc: string): Promise<{ context: BrowserContext; window: Window }> {
  const context = await person(at.browser, "Ada");
  const window = await Window.open(context, proxy, doc);
  await window.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  return { context, window };
}

const heading = (page: Page) => page.locator("h1").first().innerText();

const ANSWERS: [Mood, string][] = [
  [302, "Please log in"],
  ["login", "Please log in"],
  [401, "The proxy says 401"],
  [403, "The proxy says 403"],
  [500, "The proxy says 500"],
  [502, "The proxy says 502"],
  [503, "The proxy says 503"],
];

test("what the server answers is shown: a login, a refusal, a failure", async () => {
  const proxy = await Proxy.start(at.stack.url);
  try {
    const { context, window } = await settled(proxy, "answers");
    await window.type("Kept.");
    await window.saved();
    for (const [mood, shown] of ANSWERS) {
      for (const path of ["/d/answers", "/"]) {
        proxy.mood(mood);
        const page = await context.newPage();
        const answer = await page.goto(proxy.url + path);
        assert.equal(await heading(page), shown, `${mood} for ${path}`);
        if (typeof mood === "number" && mood !== 302) assert.equal(answer!.status(), mood);
        if (mood === 302) assert.equal(new URL(page.url()).pathname, "/login");
        await page.close();
      }
      // What came instead has not taken the place of what was kept.
      proxy.pass();
      const after = await Window.open(context, proxy, "answers");
      await after.shows("Kept.");
      await after.page.close();
    }
  } finally {
    await proxy.stop();
  }
});

for (const mood of ["gone", "silence"] as const) {
  test(`a network that is no answer (${mood}): the page that was kept is shown`, async () => {
    const proxy = await Proxy.start(at.stack.url);
    try {
      const { context, window } = await settled(proxy, "no-answer");
      await window.type("Kept.");
      await window.saved();
      await window.page.close();
      proxy.mood(mood);
      const again = await Window.open(context, proxy, "no-answer");
      assert.match(await again.text(), /^(Kept\.)+$/);
    } finally {
      await proxy.stop();
    }
  });
}

test("an asset that is a login page is not kept as one", async () => {
  const proxy = await Proxy.start(at.stack.url);
  try {
    const { context, window } = await settled(proxy, "assets");
    const kept = (path: string) => window.page.evaluate(async (path) => (await caches.match(path)) !== undefined, path);
    // One that no build has, so that only the network has it.
    const path = "/assets/other-AAAAAAAA.js";
    for (const mood of [302, "login", 401, 503] as const) {
      proxy.mood(mood);
      await window.page.evaluate((path) => fetch(path).then((answer) => answer.text()), path);
      assert.equal(await kept(path), false, String(mood));
    }
    proxy.instead((_, answer) => (answer.writeHead(200, { "content-type": "text/javascript" }).end("export {};"), true));
    await window.page.evaluate((path) => fetch(path).then((answer) => answer.text()), path);
    assert.equal(await kept(path), true);
    await context.close();
  } finally {
    await proxy.stop();
  }
});

for (const mood of ["login", 302, 503, "half"] as const) {
  test(`a worker that gets something else at its installation (${mood}) waits for another time`, async () => {
    const proxy = await Proxy.start(at.stack.url);
    try {
      const context = await person(at.browser, "Ada");
      // The page comes as it is, without a worker as yet.
      proxy.instead((incoming, answer) => incoming.url === "/sw.js" && (answer.writeHead(404).end(), true));
      const { page } = await Window.open(context, proxy, "installation");
      proxy.instead((incoming, answer) => {
        const path = incoming.url!;
        if (path === "/sw.js" || (mood === "half" && !path.startsWith("/assets/"))) return false;
        if (mood === "half") answer.writeHead(404).end();
        else if (mood === 302 && path !== "/login") answer.writeHead(302, { location: "/login" }).end();
        else answer.writeHead(mood === 503 ? 503 : 200, { "content-type": "text/html" }).end(LOGIN);
        return true;
      });
      const ended = await page.evaluate(async () => {
        const worker = (await navigator.serviceWorker.register("/sw.js")).installing!;
        return new Promise((resolve) => (worker.onstatechange = () => resolve(worker.state)));
      });
      assert.equal(ended, "redundant");
      await context.close();
    } finally {
      await proxy.stop();
    }
  });
}

test("a tab of an older build goes on when a newer one has taken its place", async () => {
  const proxy = await Proxy.start(at.stack.url);
  try {
    const context = await person(at.browser, "Ada");
    // Nothing is fetched ahead, so that the parts are asked for when they are wanted.
    await context.addInitScript(() => void (globalThis.requestIdleCallback = () => 0));
    const page = await context.newPage();
    const window = new Window(page);
    await page.goto(`${proxy.url}/d/older`);
    await window.ready();
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
    const parts = await page.evaluate(async () => (await (await caches.open((await caches.keys())[0]!)).keys()).map(({ url }) => new URL(url).pathname));
    const part = (name: string) => parts.find((path) => path.startsWith(`/assets/${name}-`))!;
    assert.ok(part("Past") && part("Pipeline"));

    // The newer build: another worker, and the older parts are gone from the server.
    const deploy = async (version: string) => {
      const own = await (await fetch(`${at.stack.url}/sw.js`)).text();
      proxy.instead((incoming, answer) => {
        if (incoming.url === "/sw.js") answer.writeHead(200, { "content-type": "text/javascript", "cache-control": "no-cache" }).end(own.replace(/inklog-\$\{"[^"]*"\}/, `inklog-${version}`).replace(/const FILES = .*/, 'const FILES = ["/"];'));
        else if (/^\/assets\/(P|dist-)/.test(incoming.url!)) answer.writeHead(404).end();
        else return false;
        return true;
      });
      await page.evaluate(async (version) => {
        const registration = (await navigator.serviceWorker.getRegistration())!;
        await registration.update();
        while (registration.installing || registration.waiting || !(await caches.keys()).includes(`inklog-${version}`)) await new Promise((resolve) => setTimeout(resolve, 20));
        while (registration.active!.state !== "activated") await new Promise((resolve) => registration.active!.addEventListener("statechange", resolve, { once: true }));
      }, version);
    };
    await deploy("newer");
    await page.getByRole("button", { name: "History" }).click();
    await page.getByRole("region", { name: "History" }).waitFor();
    await page.keyboard.press("Escape");

    // A tab so old that its parts are nowhere says so, and the text is not touched.
    for (const version of ["newer-still", "newest"]) await deploy(version);
    assert.equal(await page.evaluate(async () => (await caches.keys()).length), 3);
    await (await context.newCDPSession(page)).send("Network.clearBrowserCache");
    await page.getByRole("button", { name: "Pipeline" }).click();
    await page.getByRole("alert").filter({ hasText: "could not be loaded" }).waitFor();
    await page.getByRole("button", { name: "Reload the page" }).waitFor();
    await page.locator(".cm-content").focus();
    await window.type("Still here.");
    await page.keyboard.press("Control+f");
    await page.getByRole("alert").filter({ hasText: "Search could not be loaded" }).waitFor();
    await window.shows("Still here.");
    await window.saved();
    proxy.pass();
    await page.keyboard.press("Control+f");
    await page.locator(".cm-search").waitFor();
    assert.equal(await page.getByRole("alert").filter({ hasText: "Search" }).count(), 0);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("complementary", { name: "Pipeline" }).waitFor();
  } finally {
    await proxy.stop();
  }
});
