// People in one document at the same time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { person, Window, world } from "./harness/index.js";

const at = world();

async function two(doc: string): Promise<[Window, Window]> {
  const windows = ["Ada", "Benoît"].map(async (name) => Window.open(await person(at.browser, name), at.stack, doc));
  return (await Promise.all(windows)) as [Window, Window];
}

const FIRST = "It was a bright cold day in April. ";
const SECOND = "The clocks were striking thirteen. ";

test("two windows type at once into the same paragraph and converge", async () => {
  const [ada, ben] = await two("together");
  await ada.type("Before.  After.");
  await ben.shows("Before.  After.");
  await Promise.all([ada.caret(8), ben.caret(8)]);
  await Promise.all([ada.type(FIRST, 4), ben.type(SECOND, 3)]);
  await Promise.all([ada.saved(), ben.saved()]);
  await ada.until((length) => (document.querySelector(".cm-content") as any).cmTile.view.state.doc.length === length, 15 + FIRST.length + SECOND.length);
  const text = await ada.text();
  await ben.shows(text);
  assert.ok([`Before. ${FIRST}${SECOND} After.`, `Before. ${SECOND}${FIRST} After.`].includes(text), `passages are whole: ${text}`);
  assert.equal(await at.stack.text("together", "log"), text);
  assert.equal(await at.stack.text("together", "live"), text);
  await ada.shot("editor-light");
  assert.deepEqual([ada.errors, ben.errors], [[], []]);
});

test("a cursor stays with its text when another edits before it, and carries a name", async () => {
  const [ada, ben] = await two("cursors");
  await ada.type("one two three");
  await ben.shows("one two three");
  await ada.caret(7);
  await ben.caret(0);
  await ben.type("zero ");
  await ada.shows("zero one two three");
  const caret = ben.page.locator(".cm-inklog-caret");
  await caret.waitFor();
  assert.equal(await caret.innerText(), "Ada");
  // After "two", which is where Ada sees it.
  await ben.until((at) => {
    const { view } = (document.querySelector(".cm-content") as any).cmTile;
    const box = document.querySelector(".cm-inklog-caret")!.getBoundingClientRect();
    return Math.abs(box.left + 1 - view.coordsAtPos(at).left) < 2;
  }, 12);
  const head = await ada.page.evaluate(() => (document.querySelector(".cm-content") as any).cmTile.view.state.selection.main.head);
  assert.equal(head, 12);
  // And a selection is shown as one.
  await ada.page.keyboard.press("Shift+Home");
  await ben.page.locator(".cm-inklog-selection").waitFor();
});

test("undo takes back one's own typing only", async () => {
  const [ada, ben] = await two("undo");
  await ada.type("Ada's. ");
  await ben.shows("Ada's. ");
  await ben.caret(7);
  await ben.type("Ben's.");
  await ada.shows("Ada's. Ben's.");
  await ada.page.keyboard.press("Control+z");
  await ben.shows("Ben's.");
  await ada.page.keyboard.press("Control+y");
  await ben.shows("Ada's. Ben's.");
});

test("the server is killed and started again on the same data while both type", async () => {
  const [ada, ben] = await two("killed");
  await ada.type("| ");
  await ben.shows("| ");
  await ben.caret(2);
  await ada.caret(0);
  const typed = [ada.type("a".repeat(300), 15), ben.type("b".repeat(300), 15)];
  await ada.until(() => /a{60}/.test((document.querySelector(".cm-content") as any).cmTile.view.state.doc.toString()), null);
  await at.stack.kill();
  await ada.note("offline");
  await at.stack.restart();
  await Promise.all(typed);
  const whole = `${"a".repeat(300)}| ${"b".repeat(300)}`;
  await Promise.all([ada.shows(whole), ben.shows(whole)]);
  await Promise.all([ada.saved(), ben.saved()]);
  assert.equal(await at.stack.text("killed", "log"), whole);
});

test("an input method's half-written word survives what others do beside it", async () => {
  const [ada, ben] = await two("composing");
  await ada.type("The word is .");
  await ben.shows("The word is .");
  await ada.caret(12);
  const cdp = await ada.page.context().newCDPSession(ada.page);
  const compose = (text: string) => cdp.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
  await compose("に");
  await compose("にほ");
  await ben.shows("The word is にほ.");
  await ben.caret(0);
  await ben.type("Yes! ");
  await ben.saved();
  await compose("にほん");
  await cdp.send("Input.insertText", { text: "日本" });
  await ben.shows("Yes! The word is 日本.");
  await ada.shows("Yes! The word is 日本.");
});
