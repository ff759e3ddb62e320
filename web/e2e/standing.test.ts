// What the page says and does as rights come and go: who may only read, who has no access, who is signed out. The application
// is the example; the rights are in front of the stack, so that they change at the moment that a test wants.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { App, Keys } from "./harness/app.js";
import { Guard } from "./harness/guard.js";
import { faults, person, SHOTS, Window, world } from "./harness/index.js";

const at = world();
const keys = new Keys();
let app: Promise<App> | undefined;
const application = () => (app ??= App.start("node", keys, at.stack.url));
after(async () => {
  (await app)?.stop();
  keys.remove();
});

interface Visit {
  context: BrowserContext;
  guard: Guard;
  page: Page;
  window: Window;
}

/** A browser that knows the application, and is signed in there if `user` says as whom. */
async function visit(user: string | null, options: BrowserContextOptions & { config?: object } = {}): Promise<Visit> {
  const { config = (await application()).config, ...rest } = options;
  // The stack's policy does not know an application that only the test names.
  const context = await person(at.browser, "Guest", { bypassCSP: true, ...rest });
  const guard = await Guard.of(context, user ?? "ada");
  await context.route("**/config.json", (route) => route.fulfill({ json: config }));
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  if (user) await signIn(page, user, "anything");
  return { context, guard, page, window: new Window(page) };
}

async function signIn(page: Page, user: string, doc: string): Promise<void> {
  await page.goto(`${(await application()).url}/sign-in?return=${encodeURIComponent(`${at.stack.url}/d/${doc}`)}`);
  await fillIn(page, user);
}

async function fillIn(page: Page, user: string): Promise<void> {
  await page.getByLabel("Name").fill(user);
  await page.getByLabel("Password").fill(user);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${at.stack.url}/**`);
}

async function open(visit: Visit, doc: string): Promise<void> {
  await visit.page.goto(`${at.stack.url}/d/${doc}`);
  await visit.window.ready();
}

/** Somebody of the open stack, whom no right stops. */
async function other(doc: string): Promise<Window> {
  const window = await Window.open(await person(at.browser, "Ben"), at.stack, doc);
  await window.caret(0);
  return window;
}

const notice = ({ page }: Visit, words: string | RegExp) => page.locator(".notice").filter({ hasText: words });
const badge = ({ page }: Visit) => page.locator(".badge", { hasText: "Read only" });
const clipboard = ({ page }: Visit) => page.evaluate(() => navigator.clipboard.readText());

test("who has no token signs in first, and comes back to the document; the token is in this tab's storage only", async () => {
  const ada = await visit(null);
  const { page, window } = ada;
  const asked: string[] = [];
  ada.context.on("request", (request) => asked.push(request.url()));
  await page.goto(`${at.stack.url}/d/hand-over`);
  await page.waitForURL(/\/sign-in\?return=/);
  await fillIn(page, "ada");
  await window.ready();
  await page.locator('.save[data-kind="saved"]').waitFor();
  assert.equal(page.url(), `${at.stack.url}/d/hand-over`);
  await page.getByRole("button", { name: "You are signed in as Ada." }).waitFor();
  const kept = await page.evaluate(() => ({ tab: JSON.stringify(sessionStorage), browser: JSON.stringify(localStorage) }));
  const token = /eyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(kept.tab)?.[0];
  assert.ok(token);
  assert.ok(!kept.browser.includes(token));
  assert.ok(asked.every((url) => url.includes("#token=") || !url.includes(token)), "no server is told of it in an address");
  assert.ok(asked.filter((url) => url.includes("#token=")).length <= 1);
  // A reload needs nobody to sign in, and nor does another tab, since the application knows who it is.
  const count = () => asked.filter((url) => url.includes("/sign-in")).length;
  const before = count();
  await page.reload();
  await page.locator('.save[data-kind="saved"]').waitFor();
  const tab = new Window(await ada.context.newPage());
  await tab.page.goto(`${at.stack.url}/d/hand-over`);
  await tab.page.locator('.save[data-kind="saved"]').waitFor();
  assert.equal(count(), before);
  await ada.context.close();
});

test("who may only read sees so, sees what others write, and changes nothing by typing, pasting, dropping or undoing", async () => {
  const ben = await other("only-read");
  await ben.type("To be read.");
  await ben.saved();
  const cyd = await visit("ada");
  cyd.guard.right = "read";
  const { page, window } = cyd;
  await open(cyd, "only-read");
  await badge(cyd).waitFor();
  await window.shows("To be read.");
  assert.equal(await page.locator(".save-text").innerText(), "Up to date");
  assert.equal(await page.locator(".cm-content").getAttribute("contenteditable"), "false");
  await page.locator(".cm-content").click();
  await window.type("Nothing of this");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Backspace");
  await window.paste("nor this");
  await page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.setData("text/plain", "nor what is dropped");
    const content = document.querySelector(".cm-content")!;
    const { x, y } = content.getBoundingClientRect();
    content.dispatchEvent(new DragEvent("drop", { dataTransfer, clientX: x + 40, clientY: y + 90, bubbles: true, cancelable: true }));
  });
  await page.keyboard.press("Control+z");
  await page.keyboard.press("Control+Shift+z");
  await page.keyboard.press("Shift+Control+k");
  await ben.type(" And more.");
  await window.shows("To be read. And more.");
  assert.equal(await page.locator(".save-text").innerText(), "Up to date");
  assert.equal(await page.locator(".notice").count(), 0);
  assert.deepEqual(await faults(window), []);
  assert.deepEqual(window.errors, []);
  // Another right is there with the next connection.
  cyd.guard.right = "write";
  await cyd.guard.disconnect();
  await badge(cyd).waitFor({ state: "detached" });
  await window.caret(0);
  await window.type("Now: ");
  await ben.shows("Now: To be read. And more.");
  await cyd.context.close();
});

test("a document without access says so, offers what was typed, and opens once there is access", async () => {
  const dan = await visit("ada");
  dan.guard.right = "none";
  const { page, window } = dan;
  await page.goto(at.stack.url);
  await page.getByRole("button", { name: "New document" }).click();
  await window.type("Typed at once");
  await page.getByRole("heading", { name: "You have no access to this document" }).waitFor();
  await page.getByText("You are signed in as Ada. Ask whoever shared it").waitFor();
  assert.equal(await page.locator(".writing").isVisible(), false, "no caret that takes no typing");
  await page.locator("blockquote", { hasText: "Typed at once" }).waitFor();
  await page.getByRole("button", { name: "Copy my text" }).click();
  await page.getByText("Copied").waitFor();
  assert.equal(await clipboard(dan), "Typed at once");
  assert.match(await page.getByRole("link", { name: "Sign in as someone else" }).getAttribute("href") ?? "", /prompt=login/);
  assert.equal(await page.locator(".save-text").innerText(), "No access");
  assert.deepEqual(await faults(window), []);
  await page.getByRole("button", { name: "Try again" }).click();
  dan.guard.right = "write";
  await window.ready();
  await window.caret(0);
  await window.type("Here");
  await window.saved();
  await dan.context.close();
});

for (const [lost, words] of [["none", "You have no access to this document any more"], ["read", "You can now read this document, but not change it"]] as const) {
  test(`a right that ends at "${lost}" while something is unsent keeps it, gives it out, and sends it once the right is back`, async () => {
    const doc = `lost-${lost}`;
    const ben = await visit("ada");
    const { page, window, guard } = ben;
    await open(ben, doc);
    await window.type("Saved. ");
    await window.saved();
    guard.right = lost;
    // At once: after the first refusal, nothing more can be typed.
    await window.paste("Not sent, but mine");
    await notice(ben, words).waitFor();
    await notice(ben, "18 characters of yours are not sent, but kept on this device").waitFor();
    assert.equal(await page.locator(".save-text").innerText(), "18 characters not sent");
    assert.equal(await page.locator(".notice").count(), 1, "it is said once");
    await page.getByRole("button", { name: "Copy my text" }).click();
    await page.getByText("Copied").waitFor();
    assert.equal(await clipboard(ben), "Not sent, but mine");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
    assert.equal(download.suggestedFilename(), `${doc}.txt`);
    assert.deepEqual(await faults(window), []);
    await page.keyboard.press("Control+s");
    await page.locator(".save-more").getByText(words).waitFor();
    await page.keyboard.press("Escape");
    // It is still there after a reload.
    await page.reload();
    await window.ready();
    await window.shows("Saved. Not sent, but mine");
    await notice(ben, "18 characters of yours are not sent").waitFor();
    await page.locator(".cm-content").click();
    await window.type("swallowed by nothing");
    await window.shows("Saved. Not sent, but mine");
    guard.right = "write";
    await page.reload();
    await window.ready();
    await window.saved();
    assert.equal(await at.stack.text(doc, "log"), "Saved. Not sent, but mine");
    assert.equal(await page.locator(".notice").count(), 0);
    await ben.context.close();
  });
}

test("who is signed out goes on writing, and signs in again without losing a character", async () => {
  const ada = await visit("ada");
  const { page, window, guard, context } = ada;
  await open(ada, "signed-out");
  await window.type("Signed in. ");
  await window.saved();
  // The application has ended the session, and the server takes the token no more.
  await context.clearCookies();
  guard.isShut = true;
  await window.type("Signed out");
  await notice(ada, "You are signed out").waitFor();
  await notice(ada, "10 characters of yours are not sent, but kept on this device").waitFor();
  await window.type(" and going on.");
  await page.locator(".save-text").getByText("24 characters not sent").waitFor();
  await page.getByRole("button", { name: "Copy my text" }).click();
  await page.getByText("Copied").waitFor();
  assert.equal(await clipboard(ada), "Signed out and going on.");
  assert.deepEqual(await faults(window), []);
  assert.equal(new URL(page.url()).pathname, "/d/signed-out", "nobody is led away from what they write");
  guard.isShut = false;
  await page.getByRole("link", { name: "Sign in again" }).click();
  await page.waitForURL(/\/sign-in\?return=/);
  await fillIn(page, "ada");
  await window.ready();
  await window.saved();
  assert.equal(await at.stack.text("signed-out", "log"), "Signed in. Signed out and going on.");
  assert.equal(await page.locator(".notice").count(), 0);
  await context.close();
});

test("without an application's address, a link with a token opens the document, and another link goes on with it", async () => {
  const ada = await visit(null, { config: {} });
  const { page, window, guard } = ada;
  const link = (seconds: number) => `${at.stack.url}/d/by-link#token=${keys.sign({ sub: "ada", name: "Ada <b>Lovelace</b>", aud: "inklog", inklog: { docs: { "by-*": "write" } } }, seconds)}`;
  await page.goto(link(3600));
  await window.ready();
  assert.equal(new URL(page.url()).hash, "");
  await page.getByRole("button", { name: "You are signed in as Ada <b>Lovelace</b>." }).waitFor();
  await window.type("By link");
  await window.saved();
  guard.isShut = true;
  await window.type(", and shut");
  await notice(ada, "Open this document from your application again").waitFor();
  assert.equal(await page.getByRole("link", { name: /Sign in/ }).count(), 0);
  guard.isShut = false;
  // The same page: only the fragment is another.
  await page.evaluate((link) => void (location.href = link), link(120));
  await window.saved();
  assert.equal(new URL(page.url()).hash, "");
  assert.equal(await at.stack.text("by-link", "log"), "By link, and shut");
  // It ends soon, and the page cannot get another by itself.
  await notice(ada, /Your sign-in ends at .* What you typed is kept/).waitFor();
  assert.deepEqual(await faults(window), []);
  await ada.context.close();
});

test("an application that does not answer is named, and does not stop anybody who has a token", async () => {
  const gone = "http://127.0.0.1:9";
  const ada = await visit(null, { config: { signIn: `${gone}/sign-in`, token: `${gone}/token` } });
  const { page, window } = ada;
  await page.goto(`${at.stack.url}/d/no-app`);
  await page.getByRole("alert").filter({ hasText: "Cannot reach the application that signs you in" }).waitFor();
  assert.equal(new URL(page.url()).origin, at.stack.url);
  await page.evaluate((link) => void (location.href = link), `${at.stack.url}/d/no-app#token=${keys.sign({ sub: "ada", aud: "inklog", inklog: { docs: { "no-app": "write" } } }, 3600)}`);
  await window.ready();
  await window.type("There");
  await window.saved();
  assert.equal(await page.locator(".notice").count(), 0);
  await ada.context.close();
});

test("an application that signs nobody in, and leads back, is not asked again and again", async () => {
  const ada = await visit(null, { config: { signIn: `${at.stack.url}/d/leads-back` } });
  const { page } = ada;
  let left = 0;
  page.on("framenavigated", () => left++);
  await page.goto(`${at.stack.url}/d/leads-back`);
  await page.getByRole("heading", { name: "Sign in to open this document" }).waitFor();
  assert.ok(left <= 2, `${left} pages`);
  assert.equal(await page.locator(".save-text").innerText(), "Signed out");
  await ada.context.close();
});

test("settings that lead nowhere are passed over", async () => {
  const ada = await visit(null, { config: { signIn: "javascript:alert(1)", share: 7 } });
  await open(ada, "odd-settings");
  await ada.window.type("As ever");
  await ada.window.saved();
  await ada.page.getByRole("button", { name: "Copy link" }).waitFor();
  await ada.context.close();
});

test("the share dialog offers what one may give, and its link gives it", async () => {
  const ada = await visit("ada");
  const { page, window } = ada;
  await open(ada, "to-share");
  await window.type("Shared");
  await window.saved();
  await page.getByRole("button", { name: "Share" }).click();
  const dialog = page.getByRole("dialog", { name: "Share this document" });
  await dialog.getByRole("radio").first().waitFor();
  assert.deepEqual(await dialog.getByRole("radio").evaluateAll((radios) => radios.map((radio) => (radio as HTMLInputElement).labels![0]!.querySelector("strong")!.innerText)), ["Can edit", "Can read"]);
  await dialog.getByRole("radio", { name: /^Can read/ }).check();
  assert.deepEqual(await faults(window), []);
  await dialog.getByRole("button", { name: "Get a link" }).click();
  const link = await dialog.getByRole("textbox", { name: "Link" }).inputValue();
  await dialog.getByRole("button", { name: "Copy link" }).click();
  await dialog.getByRole("button", { name: "Link copied" }).waitFor();
  assert.equal(await clipboard(ada), link);
  // Another choice is another link.
  await dialog.getByRole("radio", { name: /^Can edit/ }).check();
  await dialog.getByRole("button", { name: "Get a link" }).waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });

  const dan = await visit(null);
  dan.guard.right = "read";
  await dan.page.goto(link);
  await fillIn(dan.page, "dan");
  await dan.window.shows("Shared");
  const given = await dan.page.evaluate(() => JSON.parse(atob(JSON.parse(sessionStorage.getItem("inklog.token")!)[0].split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))));
  assert.deepEqual(given.inklog, { docs: { "to-share": "read" } });
  await badge(dan).waitFor();
  await dan.page.getByRole("button", { name: "Share" }).click();
  await dan.page.getByRole("radio", { name: /^Can read/ }).waitFor();
  assert.equal(await dan.page.getByRole("radio").count(), 1, "who may read gives no right to write");
  await ada.context.close();
  await dan.context.close();
});

test("where the application makes no links, the dialog says that a link alone gives nothing", async () => {
  const { url } = await application();
  const ada = await visit("ada", { config: { signIn: `${url}/sign-in`, token: `${url}/token` } });
  await open(ada, "plain-link");
  await ada.page.getByRole("button", { name: "Share" }).click();
  const dialog = ada.page.getByRole("dialog", { name: "Share this document" });
  await dialog.getByText("the link alone gives none").waitFor();
  await dialog.getByText("You can edit it.").waitFor();
  assert.equal(await dialog.getByRole("textbox", { name: "Link" }).inputValue(), `${at.stack.url}/d/plain-link`);
  assert.deepEqual(await faults(ada.window), []);
  await ada.context.close();
});

test("a full document is named as what it is", async () => {
  const ada = await visit("ada");
  await open(ada, "full");
  await ada.window.type("Fits");
  await ada.window.saved();
  ada.guard.isFull = true;
  await ada.window.type(" no more");
  await notice(ada, "This document is full").waitFor();
  await ada.context.close();
});

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

for (const [look, options] of Object.entries({
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { ...PHONE, colorScheme: "light" },
  "phone-dark": { ...PHONE, colorScheme: "dark" },
} as const)) {
  test(`${look}: every state can be read, and keeps axe's rules`, async () => {
    const ada = await visit("ada", options);
    const { page, window, guard } = ada;
    const check = async (name: string) => {
      await page.waitForFunction(() => document.getAnimations().every(({ playState, effect }) => playState !== "running" || effect!.getComputedTiming().iterations === Infinity || (effect as KeyframeEffect).target?.closest(".cm-content, .cm-scroller")));
      assert.deepEqual(await faults(window), [], name);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${name}: no sideways scrolling`);
      const top = (await page.locator(".top").boundingBox())!;
      assert.ok(top.height < 95, `${name}: the top takes two rows at most, not ${top.height} px`);
      if (SHOTS) await window.shot(`${name}-${look}`);
    };
    const doc = `looks-${look}`;
    const ben = await other(doc);
    await ben.type("On keeping a log\n\nA log is the plainest of all records. It says what happened, in the order in which it happened, and never takes anything back.");
    guard.right = "read";
    await open(ada, doc);
    await badge(ada).waitFor();
    await window.shows(await ben.text());
    await check("reader");
    await page.getByRole("button", { name: /^You are signed in/ }).click();
    await page.locator(".myself:popover-open").waitFor();
    await check("signed-in");
    await page.keyboard.press("Escape");
    guard.right = "write";
    await guard.disconnect();
    await badge(ada).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Share" }).click();
    await page.getByRole("dialog").waitFor();
    await check("share");
    await page.getByRole("button", { name: "Get a link" }).click();
    await page.getByRole("textbox", { name: "Link" }).waitFor();
    await check("share-link");
    await page.keyboard.press("Escape");
    await window.caret(5);
    guard.right = "read";
    await window.paste("not to be sent");
    await notice(ada, "You can now read").waitFor();
    await check("reader-unsent");
    guard.right = "none";
    await guard.disconnect();
    await notice(ada, "You have no access").waitFor();
    await check("barred-unsent");
    guard.right = "write";
    await page.reload();
    await window.ready();
    await window.saved();
    await ada.context.clearCookies();
    guard.isShut = true;
    await window.caret(0);
    await window.type("Signed out: ");
    await notice(ada, "12 characters of yours are not sent").waitFor();
    await check("out-unsent");
    await page.evaluate(() => sessionStorage.clear());
    guard.isShut = false;
    await signIn(page, "ada", doc);
    await window.ready();
    await window.saved();
    guard.right = "none";
    await page.goto(`${at.stack.url}/d/${doc}-other`);
    await page.getByRole("heading", { name: "You have no access" }).waitFor();
    await check("barred");
    await ada.context.close();
    const dan = await visit(null, { ...options, config: {} });
    dan.guard.isShut = true;
    await dan.page.goto(`${at.stack.url}/d/${doc}-third#token=x.y.z`);
    await dan.page.getByRole("heading", { name: "Sign in to open" }).waitFor();
    if (SHOTS) await dan.window.shot(`out-${look}`);
    assert.deepEqual(await faults(dan.window), []);
    await dan.context.close();
  });
}
