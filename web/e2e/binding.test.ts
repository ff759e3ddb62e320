// The binding in a real browser: input methods, dragging, directions, others' carets and selections.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BareWindow, world } from "./harness/index.js";

const at = world();

async function two(doc: string, text: string): Promise<[BareWindow, BareWindow]> {
  const windows = await Promise.all(["ada", "ben"].map((user) => BareWindow.open(at.browser, at.stack, doc, { user })));
  const [ada, ben] = windows as [BareWindow, BareWindow];
  await ben.edit(doc, 0, 0, text);
  await ada.shows(text);
  return [ada, ben];
}

async function same(doc: string, [ada, ben]: [BareWindow, BareWindow], text: string): Promise<void> {
  await Promise.all([ada.shows(text), ben.shows(text)]);
  await Promise.all([ada.saved(doc), ben.saved(doc)]);
  assert.equal(await at.stack.text(doc, "log"), text);
  assert.deepEqual([ada.errors, ben.errors], [[], []]);
}

test("a word that is composed for long stays whole, whatever another types at its edges and in its line", async () => {
  const [ada, ben] = await two("ime", "before  after\nnext line");
  await ada.select(7);
  await ada.compose("に");
  await ben.shows("before に after\nnext line");
  const began = Date.now();
  await ben.edit("ime", 8, 0, "zz");
  await ben.edit("ime", 7, 0, "aa");
  await ben.edit("ime", 0, 0, "In its line: ");
  // What is elsewhere shows at once, and what is held does not.
  for (let i = 0; Date.now() - began < 5_500 || i < 20; i++) {
    const length = await ben.page.evaluate(() => (globalThis as any).bare.view.state.doc.length);
    await ben.edit("ime", length, 0, String(i % 10));
    const digits = Array.from({ length: i + 1 }, (_, i) => i % 10).join("");
    await ada.shows(`before に after\nnext line${digits}`);
  }
  await ada.compose("にほ");
  await ben.until((bare) => bare.view!.state.doc.toString().includes("aaにほzz"));
  await ben.edit("ime", (await ben.text()).indexOf("zz"), 0, "y");
  await ada.compose("にほん");
  await ben.until((bare) => bare.view!.state.doc.toString().includes("aaにほんyzz"));
  assert.match(await ada.text(), /^before にほん after\nnext line/);
  await ada.commit("日本");
  await ben.until((bare) => bare.view!.state.doc.toString().startsWith("In its line: before aa日本yzz after\nnext line"));
  await same("ime", [ada, ben], await ben.text());
  // And on it goes, in the right place.
  await ada.page.keyboard.type("!");
  await ada.until((bare) => bare.view!.state.doc.toString().includes("aa日本!yzz"));
});

for (const [how, end] of Object.entries({
  "given up": (ada: BareWindow) => ada.compose(""),
  "left by a click elsewhere": (ada: BareWindow) => ada.page.mouse.click(400, 500),
  "left by a blur": (ada: BareWindow) => ada.page.evaluate(() => (document.activeElement as HTMLElement).blur()),
}))
  test(`what waited for a word is shown when the word is ${how}`, async () => {
    const doc = `ime-${how.replaceAll(" ", "-")}`;
    const [ada, ben] = await two(doc, "one line");
    await ada.select(4);
    await ada.compose("に");
    await ben.until((bare) => bare.view!.state.doc.toString().includes("に"));
    await ben.edit(doc, 0, 0, "held ");
    await ben.edit(doc, 0, 0, "is ");
    await ben.saved(doc);
    await ada.until((bare, doc) => bare.documentOf(doc).text.startsWith("is held "), doc);
    assert.match(await ada.text(), /^one /);
    await end(ada);
    await ada.until((bare) => bare.view!.state.doc.toString().startsWith("is held one "));
    await same(doc, [ada, ben], await ada.text());
  });

test("another document in the middle of a word: the word stays in the first, the second is what it is", async () => {
  const [ada, ben] = await two("ime-swap", "one line");
  await ben.edit("ime-swap", 8, 0, "\nsecond");
  await ada.shows("one line\nsecond");
  await ada.select(4);
  await ada.compose("に");
  await ben.until((bare) => bare.view!.state.doc.toString().includes("に"));
  await ben.edit("ime-swap", 0, 0, "held ");
  await ada.until((bare) => bare.documentOf("ime-swap").text.startsWith("held "));
  await ada.page.evaluate(() => (globalThis as any).bare.swap("ime-other"));
  await ada.until((bare) => !bare.view!.state.readOnly);
  assert.equal(await ada.text(), "");
  await ada.page.keyboard.type("of the other");
  await ada.saved("ime-other");
  assert.equal(await at.stack.text("ime-other", "log"), "of the other");
  assert.equal(await at.stack.text("ime-swap", "log"), "held one にline\nsecond");
});

test("text that is dragged leaves behind what another typed into it meanwhile", async () => {
  const [ada, ben] = await two("drag", "one two three four\nlast");
  await ada.select(4, 13);
  await ada.drag(6);
  await ben.edit("drag", 7, 0, " and");
  await ben.edit("drag", 4, 0, "<");
  await ben.edit("drag", "one <two and three".length, 0, ">");
  await ada.shows("one <two and three> four\nlast");
  await ada.drop("one <two and three> four\nl".length - 1);
  await ada.shows("one < and> four\ntwo threelast");
  assert.equal(await ada.page.evaluate(() => {
    const { state } = (globalThis as any).bare.view;
    return state.sliceDoc(state.selection.main.from, state.selection.main.to);
  }), "two three");
  await same("drag", [ada, ben], "one < and> four\ntwo threelast");
  await ada.page.keyboard.press("Control+z");
  await same("drag", [ada, ben], "one <two and three> four\nlast");
});

test("text that another has replaced while it was dragged lands where it is dropped, and the other's stays", async () => {
  const [ada, ben] = await two("drag-replaced", "one two three\nlast");
  await ada.select(4, 7);
  await ada.drag(5);
  await ben.edit("drag-replaced", 4, 3, "2");
  await ada.shows("one 2 three\nlast");
  await ada.drop(12);
  await same("drag-replaced", [ada, ben], "one 2 three\ntwolast");
});

test("dragging with nobody else, into itself, with Ctrl, and from elsewhere, is as it was", async () => {
  const [ada, ben] = await two("drag-plain", "one two three\nlast");
  await ada.select(4, 7);
  await ada.drag(5);
  await ada.drop(8);
  await ada.shows("one  twothree\nlast");
  await ada.page.keyboard.press("Control+z");
  await ada.shows("one two three\nlast");
  await ada.select(4, 13);
  await ada.drag(5);
  await ada.drop(8);
  await ada.shows("one two three\nlast");
  await ada.select(0, 3);
  await ada.drag(1);
  await ada.page.keyboard.down("Control");
  await ada.drop(14);
  await ada.page.keyboard.up("Control");
  await ada.shows("one two three\nonelast");
  // What is dragged in from elsewhere removes nothing.
  const place = await ada.at(0);
  await ada.page.evaluate(({ x, y }) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.setData("text/plain", "from elsewhere ");
    const { contentDOM } = (globalThis as any).bare.view;
    contentDOM.dispatchEvent(new DragEvent("drop", { dataTransfer, clientX: x - 4, clientY: y, bubbles: true, cancelable: true }));
  }, place);
  await same("drag-plain", [ada, ben], "from elsewhere one two three\nonelast");
});

test("dragging out of a read-only editor, or into it, changes nothing", async () => {
  const [, ben] = await two("drag-locked", "one two three");
  const cyd = await BareWindow.open(at.browser, at.stack, "drag-locked", { user: "cyd", kind: "readOnly" });
  await cyd.shows("one two three");
  await cyd.select(4, 7);
  await cyd.drag(5);
  await cyd.drop(1);
  await cyd.page.keyboard.press("Control+z");
  await ben.page.keyboard.type("0 ");
  await cyd.shows("0 one two three");
});

const HEBREW = "שלום עולם!";

test("each line is laid out in the direction of its text, and stays so while it is typed", async () => {
  const [ada, ben] = await two("direction", `Left to right!\n${HEBREW}\n123\n`);
  const sides = () => ada.page.evaluate(() => [...document.querySelectorAll(".cm-line")].map((line) => getComputedStyle(line).direction));
  assert.deepEqual(await sides(), ["ltr", "rtl", "ltr", "ltr"]);
  // The mark at the end of the sentence is at its left end.
  const [first, mark] = [await ada.at(15), await ada.at(15 + HEBREW.length - 1)];
  assert.ok(mark.x < first.x, "the ! is on the left");
  assert.ok(first.x > 400, "the line begins on the right");
  // Another's caret and selection are where they are for one's own.
  await ben.select(15, 19);
  await ada.page.locator(".cm-inklog-selection").waitFor();
  await ada.until((bare) => {
    const { view } = bare;
    const box = document.querySelector(".cm-inklog-selection")!.getBoundingClientRect();
    const caret = document.querySelector(".cm-inklog-caret")!.getBoundingClientRect();
    const [start, end] = [view!.coordsAtPos(15, 1)!, view!.coordsAtPos(19, -1)!];
    return Math.abs(box.right - start.left) < 2 && Math.abs(box.left - end.left) < 2 && Math.abs(caret.left + 1 - end.left) < 2;
  });
  await ada.shot("direction");
  // The arrow to the left goes on in a line that is read to the left.
  await ada.select(17);
  await ada.page.keyboard.press("ArrowLeft");
  assert.equal(await ada.page.evaluate(() => (globalThis as any).bare.view.state.selection.main.head), 18);
  // A line that becomes one of the other kind.
  await ada.select(15 + HEBREW.length + 5);
  await ada.page.keyboard.insertText("عربي");
  await ada.until(() => getComputedStyle(document.querySelectorAll(".cm-line")[3]!).direction === "rtl");
  await same("direction", [ada, ben], await ada.text());
});

for (const [name, setting] of Object.entries({
  wide: {},
  phone: { viewport: { width: 390, height: 700 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  forced: { forcedColors: "active", colorScheme: "dark" },
  gutter: { style: ".cm-editor .cm-content { padding: 20px 60px; max-width: 30rem; margin: 0 auto }" },
} as const))
  test(`others' selections stay within the text and can be seen: ${name}`, async () => {
    const doc = `boxes-${name}`;
    const [, ben] = await two(doc, `${"A line that is long enough to be wrapped, at least on a telephone. ".repeat(3)}\n\n${HEBREW.repeat(12)}\nend`);
    const ada = await BareWindow.open(at.browser, at.stack, doc, { user: "cyd", ...setting });
    const { length } = await ben.text();
    await ben.select(10, length - 1);
    await ada.page.locator(".cm-inklog-selection").nth(2).waitFor();
    const found = await ada.page.evaluate(() => {
      const content = document.querySelector(".cm-content")!;
      const box = content.getBoundingClientRect();
      const [outer, inner] = [getComputedStyle(content), getComputedStyle(content.querySelector(".cm-line")!)];
      const left = box.left + parseFloat(outer.paddingLeft) + parseFloat(inner.paddingLeft);
      const right = box.right - parseFloat(outer.paddingRight) - parseFloat(inner.paddingRight);
      return [...document.querySelectorAll(".cm-inklog-selection")].map((selection) => {
        const at = selection.getBoundingClientRect();
        return { isInside: at.left >= left - 0.5 && at.right <= right + 0.5, width: at.width, height: at.height };
      });
    });
    assert.ok(found.length >= 3);
    assert.deepEqual(found.filter(({ isInside, width, height }) => !isInside || width < 1 || height < 1), []);
    assert.equal(await ada.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no sideways scrolling");
    if (name === "forced") {
      const ground = await ada.page.evaluate(() => {
        const [canvas, selection, caret, name] = ["body", ".cm-inklog-selection", ".cm-inklog-caret", ".cm-inklog-name"].map((selector) =>
          getComputedStyle(document.querySelector(selector)!),
        );
        return {
          // Else the browser takes the ground's colour for theirs, whatever is computed.
          isKept: [selection, caret, name].every((style) => style!.getPropertyValue("forced-color-adjust") === "none"),
          selection: selection!.borderTopColor !== canvas!.backgroundColor && selection!.borderTopWidth,
          caret: caret!.backgroundColor !== canvas!.backgroundColor,
          name: name!.color !== name!.backgroundColor,
          // Text has a ground of its own there, which covers what is under it.
          isAbove: getComputedStyle(document.querySelector(".cm-inklog-selections")!).zIndex > "0",
        };
      });
      assert.deepEqual(ground, { isKept: true, selection: "1px", caret: true, name: true, isAbove: true });
    }
    await ada.shot(`boxes-${name}`);
  });

test("Vim's u, and a key in a read-only editor", async () => {
  const [, ben] = await two("vim", "theirs");
  const ada = await BareWindow.open(at.browser, at.stack, "vim", { user: "cyd", kind: "vim" });
  await ada.shows("theirs");
  await ada.page.keyboard.type("Amine");
  await ada.page.keyboard.press("Escape");
  await ben.shows("theirsmine");
  await ada.page.keyboard.type("u");
  await ben.shows("theirs");
  await ada.page.keyboard.press("Control+r");
  await ben.shows("theirsmine");
  await ada.edit("vim", 0, 0, "locked ");
  await ben.shows("locked theirsmine");
  const dan = await BareWindow.open(at.browser, at.stack, "vim", { user: "dan", kind: "readOnly" });
  await dan.shows("locked theirsmine");
  await dan.edit("vim", 0, 0, "own ");
  await dan.page.keyboard.press("Control+z");
  await dan.page.keyboard.type("no");
  await ben.shows("own locked theirsmine");
  assert.equal(await dan.text(), "own locked theirsmine");
});

test("a document in the place of another: nothing is typed into the wrong one, and nothing is lost", async () => {
  const [ada, ben] = await two("swap-a", "of A");
  await ada.page.evaluate(() => (globalThis as any).bare.swap("swap-b"));
  // The keyboard does not wait for the document.
  await ada.page.keyboard.type("xyz");
  await ada.until((bare) => !bare.view!.state.readOnly);
  const before = await ada.text();
  await ada.page.keyboard.type("typed");
  await ada.saved("swap-b");
  const text = await ada.text();
  assert.ok(text.includes("typed") && !text.includes("of A") && text.length === before.length + 5);
  assert.equal(await at.stack.text("swap-b", "log"), text);
  await ada.page.evaluate(() => (globalThis as any).bare.swap("swap-a"));
  await ada.until((bare) => !bare.view!.state.readOnly);
  await same("swap-a", [ada, ben], "of A");
});
