// How it handles: a phone, the keyboard alone, a theme; how it looks is in axe.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { faults, person, Window, world } from "./harness/index.js";

const at = world();

const TEXT = `On keeping a log

A log is the plainest of all records. It says what happened, in the order in which it happened, and never takes anything back.

Whoever keeps one need not remember: what is asked for later can be read out of it, as often as one likes, and in more ways than one thought of at the time.
`;

async function written(doc: string, options = {}): Promise<Window> {
  const window = await Window.open(await person(at.browser, "Ada Lovelace", options), at.stack, doc);
  await window.page.locator(".cm-content").focus();
  await window.paste(TEXT);
  await window.saved();
  return window;
}

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

test("the theme can be chosen, and stays", async () => {
  const window = await written("theme");
  const ground = () => window.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  const button = window.page.getByRole("button", { name: /^Theme/ });
  await button.click();
  assert.equal(await ground(), light);
  await button.click();
  const dark = await ground();
  assert.notEqual(dark, light);
  await window.page.reload();
  await window.ready();
  assert.equal(await ground(), dark);
});

test("with the keyboard alone: everything can be reached, in order, and seen", async () => {
  const window = await written("keyboard");
  await window.page.getByRole("link", { name: /^Inklog/ }).focus();
  const names: string[] = [];
  for (let i = 0; i < 9; i++) {
    if (i > 0) await window.page.keyboard.press("Tab");
    const { name, seen } = await window.page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { name: element.ariaLabel ?? element.innerText.trim(), seen: outlineStyle !== "none" && outlineWidth !== "0px" };
    });
    names.push(name);
    if (name === "Text") break;
    assert.ok(seen, `the focus on ${name} can be seen`);
  }
  assert.deepEqual(names.map((name) => name.replace(/[:.].*/s, "")), ["Inklog", "Saved", "You are Ada Lovelace", "Copy link", "History", "Pipeline", "Theme", "Text"]);
  // A name of one's own, without a pointer.
  await window.page.getByRole("button", { name: /^You are/ }).focus();
  await window.page.keyboard.press("Enter");
  await window.page.getByLabel(/^Your name/).focus();
  await window.page.keyboard.press("Control+a");
  await window.type("Countess");
  await window.page.keyboard.press("Enter");
  await window.page.getByRole("button", { name: /^You are Countess/ }).waitFor();
  await window.page.reload();
  await window.page.getByRole("button", { name: /^You are Countess/ }).waitFor();
});

test("on a phone: nothing is cut off, all can be touched, and one can write", async () => {
  const window = await written("on-keeping-a-log", PHONE);
  const { page } = window;
  const ben = await Window.open(await person(at.browser, "Ben"), at.stack, "on-keeping-a-log");
  await ben.caret(0);
  await page.locator(".face").nth(1).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no sideways scrolling");
  for (const button of await page.getByRole("button").all()) {
    const box = (await button.boundingBox())!;
    assert.ok(box.width >= 24 && box.height >= 24, `${await button.getAttribute("aria-label")} can be touched`);
    assert.ok(box.x >= 0 && box.x + box.width <= 390, `${await button.innerText()} is on the screen`);
  }
  await page.locator(".cm-line").first().tap();
  await page.keyboard.press("Control+End");
  await window.type("Written on a phone.");
  await window.saved();
  await ben.until((end) => (document.querySelector(".cm-content") as any).cmTile.view.state.doc.toString().endsWith(end), "Written on a phone.");
  await window.shot("phone");
  assert.deepEqual(await faults(window), []);
  await page.getByRole("button", { name: "Pipeline" }).tap();
  await page.locator(".event").first().waitFor();
  await window.shot("phone-pipeline");
});

test("the start page makes a document, opens one by its link, and knows the last ones", async () => {
  const context = await person(at.browser, "Ada");
  const window = new Window(await context.newPage());
  await window.page.goto(at.stack.url);
  await window.page.getByRole("button", { name: "New document" }).click();
  await window.ready();
  const path = new URL(window.page.url()).pathname;
  assert.match(path, /^\/d\/[a-z]+-[a-z]+-[2-9a-z]{8}$/);
  await window.type("A title\nand more");
  await window.saved();
  await window.page.waitForFunction(() => document.title === "A title · Inklog");
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await window.page.getByRole("button", { name: "Copy link" }).click();
  await window.page.getByRole("status").filter({ hasText: "Link copied" }).waitFor({ state: "attached" });
  assert.equal(await window.page.evaluate(() => navigator.clipboard.readText()), `${at.stack.url}${path}`);
  await window.page.getByRole("link", { name: /^Inklog/ }).click();
  await window.page.getByRole("link", { name: /^A title/ }).click();
  await window.ready();
  await window.shows("A title\nand more");
  await window.page.goto(`${at.stack.url}/d/bad%20name`);
  await window.page.getByRole("alert").filter({ hasText: "does not lead to a document" }).waitFor();
});
