// A server that forgot what it had acknowledged.
import assert from "node:assert/strict";
import { test } from "node:test";
import { faults, person, Window, world } from "./harness/index.js";

const at = world();
const FORGOT = "The server has lost part of this text.";

/** Two windows with a text that the server then loses; the other one writes something new into what is left. */
async function forgotten(doc: string): Promise<Window> {
  const context = await person(at.browser, "Ada");
  const window = await Window.open(context, at.stack, doc);
  await window.type("What was saved before.");
  await window.saved();
  await window.page.goto("about:blank");
  await at.stack.forget();
  const ben = await Window.open(await person(at.browser, "Ben"), at.stack, doc);
  await ben.type("New. ");
  await ben.saved();
  await ben.page.close();
  await window.page.goBack();
  await window.ready();
  await window.page.getByRole("alert").filter({ hasText: FORGOT }).waitFor({ timeout: 60_000 });
  return window;
}

test("what the server forgot is said, shown, and brought back", async () => {
  const window = await forgotten("forgot-back");
  const { page } = window;
  await page.getByRole("button", { name: "Show" }).click();
  const dialog = page.getByRole("dialog", { name: /^Your copy from/ });
  assert.equal(await dialog.getByRole("textbox").inputValue(), "What was saved before.");
  assert.deepEqual(await faults(window), []);
  await window.shot("fork-text");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.deepEqual(await faults(window), []);
  await window.shot("fork");
  await page.getByRole("button", { name: "Restore" }).click();
  await window.shows("What was saved before.");
  await window.saved();
  await page.locator(".notice").waitFor({ state: "detached" });
  assert.equal(await at.stack.text("forgot-back", "log"), "What was saved before.");
});

test("what the server forgot can be given up, and is asked about first", async () => {
  const window = await forgotten("forgot-discard");
  const { page } = window;
  await page.getByRole("button", { name: "Discard" }).click();
  await page.getByRole("dialog", { name: "Discard this copy?" }).getByRole("button", { name: "Keep" }).click();
  assert.equal(await page.getByRole("alert").filter({ hasText: FORGOT }).count(), 1);
  // It is there after a reload.
  await page.reload();
  await page.getByRole("alert").filter({ hasText: FORGOT }).waitFor();
  await page.getByRole("button", { name: "Discard" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Discard" }).click();
  await page.locator(".notice").waitFor({ state: "detached" });
  await page.reload();
  await window.ready();
  await window.shows("New. ");
  assert.equal(await page.locator(".notice").count(), 0);
});
