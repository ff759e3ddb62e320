// Every page, panel and popover by axe's rules, in each look.
import assert from "node:assert/strict";
import { test } from "node:test";
import { faults, person, Window, world } from "./harness/index.js";

const at = world();
const DOC = "on-keeping-a-log";

const TEXT = `On keeping a log

A log is the plainest of all records. It says what happened, in the order in which it happened, and never takes anything back.

Whoever keeps one need not remember: what is asked for later can be read out of it, as often as one likes, and in more ways than one thought of at the time.
`;

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

let here: Promise<Window> | undefined;

/** Five people with their carets in the text, of whom Ben writes; they stay for all looks. */
function company(): Promise<Window> {
  return (here ??= (async () => {
    const ben = await Window.open(await person(at.browser, "Ben"), at.stack, DOC);
    await ben.paste(TEXT);
    await ben.saved();
    for (const name of ["Cyd", "Dov", "Eve", "Fay"]) {
      const other = await Window.open(await person(at.browser, name), at.stack, DOC);
      await other.shows(TEXT);
      await other.caret(TEXT.indexOf("says"));
    }
    await ben.caret(TEXT.indexOf("says"));
    return ben;
  })());
}

for (const [look, options] of Object.entries({
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { ...PHONE, colorScheme: "light" },
  "phone-dark": { ...PHONE, colorScheme: "dark" },
  forced: { forcedColors: "active" },
} as const)) {
  test(`${look}: every page, panel and popover keeps axe's rules, contrast among them`, async () => {
    const ben = await company();
    const window = await Window.open(await person(at.browser, "Ada Lovelace", options), at.stack, DOC);
    const { page } = window;
    await page.getByRole("button", { name: "+1 more people" }).or(page.getByRole("button", { name: "+3 more people" })).waitFor();
    // An event for the pipeline to show, and a caret that moves.
    await ben.type("simply ");
    await ben.saved();
    const check = async (name: string) => {
      // What comes slowly is judged when it is there.
      await page.waitForFunction(() => document.getAnimations().every(({ playState, effect }) => playState !== "running" || effect!.getComputedTiming().iterations === Infinity || (effect as KeyframeEffect).target?.closest(".cm-content, .cm-scroller")));
      assert.deepEqual(await faults(window), [], name);
      await window.shot(`${name}-${look}`);
    };
    await page.locator(".cm-inklog-caret").first().waitFor();
    await check("editor");
    // Somebody's name beside their caret, at any time until it goes.
    for (const part of [0, 0.85, 0.95, 1]) {
      await page.evaluate((part) => {
        for (const animation of document.getAnimations()) {
          if (!(animation.effect as KeyframeEffect).target?.classList.contains("cm-inklog-name")) continue;
          animation.pause();
          animation.currentTime = Number(animation.effect!.getComputedTiming().duration) * part;
        }
      }, part);
      assert.deepEqual(await faults(window), [], `a name after ${part} of its time`);
    }
    await page.getByRole("button", { name: /^You are/ }).click();
    await page.getByLabel(/^Your name/).waitFor();
    await check("me");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /more people/ }).click();
    await page.getByRole("group", { name: "Everybody who is here" }).waitFor();
    await check("everybody");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByRole("button", { name: "Link copied" }).or(page.getByRole("button", { name: "Copy link" })).waitFor();
    await page.getByRole("button", { name: "Pipeline" }).click();
    await ben.type("and plainly ");
    await page.locator(".event").first().waitFor();
    await check("pipeline");
    await page.getByRole("button", { name: "History" }).click();
    await page.getByRole("slider", { name: "Event" }).waitFor();
    await check("history");
    await page.keyboard.press("Escape");
    await page.locator(".past").waitFor({ state: "detached" });
    await page.locator(".cm-content").focus();
    await page.keyboard.press("Control+f");
    await page.locator(".cm-search").waitFor();
    await page.locator(".cm-search [name=search]").fill("log");
    await check("search");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+s");
    await page.getByText("Everything is saved as you type.").waitFor();
    await check("told");
    await page.goto(at.stack.url);
    await page.getByRole("heading", { name: /Write together/ }).waitFor();
    await check("home");
    await page.goto(`${at.stack.url}/d/bad%20name`);
    await page.getByRole("alert").filter({ hasText: "does not lead to a document" }).waitFor();
    await check("bad-name");
    await page.goto(`${at.stack.url}/nowhere`);
    await check("nowhere");
    assert.deepEqual(window.errors, []);
    await window.page.context().close();
  });
}
