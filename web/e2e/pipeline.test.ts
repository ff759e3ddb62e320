// What a developer sees: the pipeline, and the past.
import assert from "node:assert/strict";
import { test } from "node:test";
import { person, Window, world } from "./harness/index.js";

const at = world();

test("the pipeline view shows each event at each stage, and where the state stands", async () => {
  const window = await Window.open(await person(at.browser, "Ada"), at.stack, "stages");
  const ben = await Window.open(await person(at.browser, "Ben"), at.stack, "stages");
  const { page } = window;
  await page.getByRole("button", { name: "Pipeline" }).click();
  await window.caret(0);
  for (const word of "Every edit becomes an event, and every event passes here.".split(/(?<= )/)) {
    await window.type(word);
    await window.saved();
  }
  await ben.caret(0);
  await ben.type("Watch: ");
  await ben.saved();
  await page.waitForFunction(() => {
    const rows = [...document.querySelectorAll(".event")];
    return rows.length >= 5 && rows.every((row) => row.querySelectorAll(".bar > i").length === 4);
  });
  for (const stage of ["ingest", "log", "materializer", "broadcaster"])
    assert.match(await page.locator(`.flow [data-stage="${stage}"] .flow-time, .flow-time`).first().innerText(), /^[\d.]+ ms$/, stage);
  await page.waitForFunction((chars) => document.querySelector(".facts")!.textContent!.includes(`${chars} characters`), (await window.text()).length);
  assert.match(await page.locator(".facts").innerText(), /2 agents/);
  await window.shot("pipeline");
  assert.deepEqual(window.errors, []);
});

test("the history shows the text after any event", async () => {
  const window = await Window.open(await person(at.browser, "Ada"), at.stack, "past");
  const { page } = window;
  for (const word of ["One ", "two ", "three."]) {
    await window.type(word);
    await window.saved();
  }
  await page.getByRole("button", { name: "History" }).click();
  const slider = page.getByRole("slider", { name: "Event" });
  await slider.waitFor();
  const shown = () => page.locator(".past .cm-content").innerText();
  await page.waitForFunction(() => document.querySelector(".past .cm-content")?.textContent === "One two three.");
  await slider.focus();
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => document.querySelector(".past .cm-content")!.textContent !== "One two three.");
  assert.ok("One two three.".startsWith((await shown()).trimEnd()));
  await window.shot("history");
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.querySelector(".past .cm-content")!.textContent === "");
  await page.keyboard.press("Escape");
  await page.locator(".past").waitFor({ state: "detached" });
  await window.shows("One two three.");
});
