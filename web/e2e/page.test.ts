// What people expect of any page with a text on it: its keys, printing, coming back, and the people beside them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrowserContext } from "playwright-core";
import { person, Window, world } from "./harness/index.js";

const at = world();

const focused = (window: Window) => window.page.evaluate(() => document.activeElement?.classList.contains("cm-content") ?? false);
const LINES = Array.from({ length: 400 }, (_, i) => `Line ${i + 1} of a text that is longer than the window.`);

async function written(doc: string, text: string, context?: BrowserContext): Promise<Window> {
  const window = await Window.open(context ?? (await person(at.browser, "Ada")), at.stack, doc);
  await window.caret(0);
  await window.paste(text);
  await window.saved();
  return window;
}

/** The first line that can be seen, how far from the top it is, and where the caret is. */
const view = (window: Window) =>
  window.page.evaluate(() => {
    const { view } = (document.querySelector(".writing .cm-content") as any).cmTile;
    const top = view.scrollDOM.getBoundingClientRect().top;
    const pos = view.posAtCoords({ x: view.contentDOM.getBoundingClientRect().left + 60, y: top + 1 }, false);
    return { line: view.state.doc.lineAt(pos).text as string, px: Math.round(view.coordsAtPos(pos).top - top), caret: view.state.selection.main.head as number };
  });

/** Waits until this line is the first that can be seen: the editor scrolls with its next measurement. */
const beginsWith = (window: Window, line: string) =>
  window.until((line) => {
    const { view } = (document.querySelector(".writing .cm-content") as any).cmTile;
    const top = view.scrollDOM.getBoundingClientRect().top;
    return view.state.doc.lineAt(view.posAtCoords({ x: 600, y: top + 1 }, false)).text === line;
  }, line);

test("Esc closes the history and the pipeline, and the text has the focus, the caret and the place that it had", async () => {
  const window = await written("escape", LINES.join("\n"));
  const { page } = window;
  const caret = LINES.slice(0, 250).join("\n").length;
  await window.caret(caret);
  const before = await view(window);
  for (const name of ["History", "Pipeline"]) {
    await page.getByRole("button", { name }).click();
    await page.getByRole(name === "History" ? "slider" : "complementary", { name: name === "History" ? "Event" : name }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator(name === "History" ? ".past" : ".pipeline").waitFor({ state: "detached" });
    await window.until(() => document.activeElement?.classList.contains("cm-content") ?? false, null);
    assert.deepEqual(await view(window), before, name);
  }
  // From inside the text, too; a popover above it comes first.
  await page.getByRole("button", { name: "Pipeline" }).click();
  await page.locator(".pipeline").waitFor();
  await page.getByRole("button", { name: /^You are/ }).click();
  await page.getByLabel(/^Your name/).focus();
  // A person is slower than the browser's news of the selection, which CodeMirror goes by.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await page.keyboard.press("Escape");
  await page.locator(".myself:popover-open").waitFor({ state: "detached" });
  assert.equal(await page.locator(".pipeline").count(), 1);
  await window.caret(caret);
  await page.keyboard.press("Escape");
  await page.locator(".pipeline").waitFor({ state: "detached" });
  assert.ok(await focused(window));
  await window.type("Here. ");
  assert.equal((await window.text()).slice(caret, caret + 6), "Here. ");
  assert.deepEqual(window.errors, []);
});

test("printing gives the whole text, and nothing else", async () => {
  const paragraphs = Array.from({ length: 300 }, (_, i) => `Paragraph ${i + 1}. ${"The ink dries, and the log goes on, a word after the other. ".repeat(6)}`);
  const window = await written("printing", [...paragraphs, "The very last line."].join("\n"));
  const pdf = (await window.page.pdf({ format: "A4" })).toString("latin1");
  const pages = pdf.match(/\/Type\s*\/Page\b/g)!.length;
  assert.ok(pages >= 20 && pages <= 60, `${pages} pages`);
  await window.page.emulateMedia({ media: "print" });
  await window.page.evaluate(() => void dispatchEvent(new Event("beforeprint")));
  assert.equal(await window.page.evaluate(() => document.body.innerText.trim()), await window.text());
  assert.equal(await window.page.locator(".top").isVisible(), false);
  await window.page.evaluate(() => void dispatchEvent(new Event("afterprint")));
  await window.page.emulateMedia({ media: "screen" });
  assert.equal(await window.page.locator(".top").isVisible(), true);
  assert.equal(await window.page.locator(".paper").count(), 0);
});

test("a reload leads back to where one was, also when others wrote above it meanwhile", async () => {
  const window = await written("reload-place", LINES.join("\n"));
  const ben = await Window.open(await person(at.browser, "Ben"), at.stack, "reload-place");
  const caret = LINES.slice(0, 200).join("\n").length;
  await window.caret(caret);
  await window.page.locator(".cm-scroller").evaluate((scroller) => scroller.scrollBy(0, 37));
  await window.until(() => true, null);
  const before = await view(window);
  await window.page.reload();
  await window.ready();
  await beginsWith(window, before.line);
  assert.deepEqual(await view(window), before);
  assert.ok(await focused(window));

  await window.page.goto("about:blank");
  await ben.caret(0);
  await ben.type("Before all of it. ");
  await ben.page.keyboard.press("Enter");
  await ben.saved();
  await window.page.goBack();
  await window.ready();
  await window.shows(await ben.text());
  await window.until((wanted) => (document.querySelector(".writing .cm-content") as any).cmTile.view.state.selection.main.head === wanted, caret + "Before all of it. \n".length);
  // A line that arrives while the editor still measures may leave it one line off.
  const number = (line: string) => Number(/^Line (\d+)/.exec(line)![1]);
  const off = Math.abs(number((await view(window)).line) - number(before.line));
  assert.ok(off <= 1, `${off} lines off`);
});

test("Ctrl+S is not the browser's: it says that all is saved", async () => {
  const window = await written("ctrl-s", "A text.");
  const opened = await window.page.evaluate(() => new Promise((resolve) => {
    addEventListener("keydown", (event) => event.key === "s" && resolve(event.defaultPrevented), { once: true });
    document.querySelector(".cm-content")!.dispatchEvent(new KeyboardEvent("keydown", { key: "s", ctrlKey: true, bubbles: true, cancelable: true }));
  }));
  assert.equal(opened, true);
  await window.page.keyboard.press("Control+s");
  await window.page.getByText("Everything is saved as you type. Your text is durable").waitFor();
  await window.shot("ctrl-s");
  assert.equal(await window.text(), "A text.");
});

test("an address that leads nowhere says so, and leads home", async () => {
  const page = await (await person(at.browser, "Ada")).newPage();
  for (const path of ["/nowhere", "/d/", "/d/a/b"]) {
    const answer = await page.goto(at.stack.url + path);
    assert.equal(answer!.status(), 404, path);
    assert.equal(await page.locator("h1").innerText(), "Page not found");
  }
  await page.getByRole("link", { name: "Go to the start page" }).click();
  await page.getByRole("button", { name: "New document" }).waitFor();
  // Within the application, as on a host that answers every path with it.
  await page.evaluate(() => {
    history.pushState(null, "", "/nowhere");
    dispatchEvent(new PopStateEvent("popstate"));
  });
  await page.getByRole("heading", { name: "Page not found" }).waitFor();
  assert.equal(await page.title(), "Page not found · Inklog");
  await page.getByRole("link", { name: "Go to the start page" }).click();
  await page.getByRole("button", { name: "New document" }).waitFor();
});

test("everybody who is here can be listed and gone to, with the keyboard; no name is cut within a character", async () => {
  const window = await written("people", LINES.join("\n"));
  const family = "👨‍👩‍👧‍👦";
  const names = ["Ben", "Cyd", "Dov", "Eve", `${"x".repeat(39)}${family} and more`, "עדה לאבלייס", `${family} Family`];
  const others: Window[] = [];
  for (const name of names) {
    const other = await Window.open(await person(at.browser, name), at.stack, "people");
    await other.caret(LINES.slice(0, 300).join("\n").length);
    others.push(other);
  }
  const { page } = window;
  const button = page.getByRole("button", { name: "+3 more people" });
  await button.waitFor();
  // The caret is where nobody else's is.
  await window.caret(0);
  await button.focus();
  await page.keyboard.press("Enter");
  const list = page.getByRole("group", { name: "Everybody who is here" });
  await list.waitFor();
  // Where somebody's cursor is comes after the news that they are here; what is lost of presence, after 40 seconds.
  await list.getByTitle("Has no cursor in the text yet").first().waitFor({ state: "detached", timeout: 60_000 });
  await window.shot("people");
  const shown = await list.getByRole("button").allInnerTexts();
  assert.deepEqual(new Set(shown), new Set([...names.slice(0, 4), `${"x".repeat(39)}${family}`, ...names.slice(5)]));
  // With the keyboard: to one of those who have no face in the row.
  for (let i = 0; i < names.length; i++) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(() => (document.activeElement as HTMLElement).innerText)) === shown.at(-1)) break;
  }
  assert.equal(await page.evaluate(() => (document.activeElement as HTMLElement).innerText), shown.at(-1));
  await page.keyboard.press("Enter");
  await page.locator(".everybody:popover-open").waitFor({ state: "detached" });
  await window.until(() => [...document.querySelectorAll(".cm-line")].some((line) => line.textContent!.startsWith("Line 300 ") && line.getBoundingClientRect().top > 60), null);
});

test("a name of one's own is cut between characters, and a title too", async () => {
  const window = await written("own-name", `${"t".repeat(59)}👨‍👩‍👧‍👦 and more`);
  const { page } = window;
  await page.getByRole("button", { name: /^You are/ }).click();
  const field = page.getByLabel(/^Your name/);
  await field.fill(`${"é".repeat(38)} 👩🏽‍🚀👩🏽‍🚀`);
  assert.equal(await field.inputValue(), `${"é".repeat(38)} 👩🏽‍🚀`);
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("button", { name: `You are ${"é".repeat(38)} 👩🏽‍🚀.` }).waitFor();
  await page.getByRole("button", { name: /^You are/ }).click();
  await field.fill("👩🏽‍🚀man e\u0301lan");
  await page.getByRole("button", { name: "Done" }).click();
  await page.waitForFunction((initials) => document.querySelector<HTMLElement>(".face-me .initials")!.dataset["text"] === initials, "👩🏽‍🚀E\u0301");
  await page.waitForFunction((title) => document.title === title, `${"t".repeat(59)}👨‍👩‍👧‍👦 · Inklog`);
});
