// Much text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { person, Window, world } from "./harness/index.js";

const at = world();

/** Paragraphs, about a million characters of them. */
const MILLION = Array.from({ length: 2_100 }, (_, i) => `${i + 1}. ${"The ink dries, and the log goes on, a word after the other. ".repeat(8)}`).join("\n");

test("a paste of 1 MB arrives, and a document of a million characters opens and scrolls", async (t) => {
  const ada = await Window.open(await person(at.browser, "Ada"), at.stack, "large");
  const ben = await Window.open(await person(at.browser, "Ben"), at.stack, "large");
  assert.ok(MILLION.length > 1_000_000);
  const pasted = Date.now();
  await ada.page.locator(".cm-content").focus();
  await ada.paste(MILLION);
  await ada.shows(MILLION);
  await ada.saved();
  t.diagnostic(`1 MB pasted and durable in ${Date.now() - pasted} ms`);
  await ben.shows(MILLION);
  assert.equal(await at.stack.text("large", "log"), MILLION);

  const opened = Date.now();
  const cyd = await Window.open(await person(at.browser, "Cyd"), at.stack, "large");
  await cyd.shows(MILLION);
  t.diagnostic(`a million characters open in ${Date.now() - opened} ms`);
  const lines = () => cyd.page.locator(".cm-line").count();
  assert.ok((await lines()) < 300, "only what can be seen is drawn");
  await cyd.page.mouse.move(500, 400);
  await cyd.page.mouse.wheel(0, 20_000);
  await cyd.until(() => /^\d{2,3}\. The ink/.test(document.elementFromPoint(590, 400)?.closest(".cm-line")?.textContent ?? ""), null);
  await cyd.page.keyboard.press("Control+End");
  await cyd.page.getByText(/^2100\. The ink/).waitFor();
  assert.ok((await lines()) < 300);
  await cyd.shot("editor-million");
  // An edit at the end, and one at the start, are as quick as in a small document.
  const typed = Date.now();
  await cyd.type(" The end.");
  await ben.until((end) => (document.querySelector(".cm-content") as any).cmTile.view.state.doc.toString().endsWith(end), " The end.");
  t.diagnostic(`nine characters typed there reach another window in ${Date.now() - typed} ms`);
  assert.deepEqual([ada.errors, ben.errors, cyd.errors], [[], [], []]);
});

test("a reload in the middle of a paste loses nothing of it, and doubles nothing", async () => {
  const context = await person(at.browser, "Ada");
  const window = await Window.open(context, at.stack, "pasted");
  const lines = Array.from({ length: 40_000 }, (_, i) => `line ${i}`).join("\n");
  await window.caret(0);
  await window.paste(lines);
  // A part of it is on its way, most of it is not.
  await window.page.waitForSelector('.save:not([data-sent="0"])', { timeout: 30_000 });
  await window.page.reload();
  await window.ready();
  await window.saved();
  await window.shows(lines);
  assert.equal(await at.stack.text("pasted", "log"), lines);
  assert.deepEqual(window.errors, []);
});
