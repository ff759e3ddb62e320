// The binding of a plain text area in a real browser: input methods, dragging, and the application's wishes. There is no
// server: what others do comes into the document as it would from one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import type { Browser, CDPSession, Page } from "playwright-core";
import { fileURLToPath } from "node:url";
import type { InklogDocument } from "@inklog/client";
import { launch } from "./harness/browser.js";

/** What the page has. */
interface Bare {
  doc: InklogDocument;
  /** The server cannot be reached: the document can be written in. */
  offline(): void;
  others(at: number, text: string): void;
}

const PAGE = `
  import { openDocument } from "@inklog/client";
  import { bindTextarea } from "@inklog/client/textarea";
  const sockets = [];
  class WebSocket { constructor() { sockets.push(this); } send() {} close() {} }
  const doc = openDocument({ url: "ws://nowhere", docId: "d", user: "ada", storage: null, WebSocket });
  bindTextarea(doc, document.querySelector("textarea"));
  globalThis.bare = {
    doc,
    offline: () => sockets[0].onclose({}),
    others(at, ins) {
      doc.core.doc.insert("ben", at, ins);
      doc.core.updates.push(["change", { changes: [{ at, del: 0, ins }], origin: "remote" }]);
      doc.flush();
    },
  };`;

let browser: Browser;
let script: string;
before(async () => {
  browser = await launch();
  const resolveDir = fileURLToPath(new URL(".", import.meta.url));
  const { outputFiles } = await build({
    stdin: { contents: PAGE, resolveDir },
    bundle: true,
    write: false,
    format: "iife",
    conditions: ["@inklog/source"],
  });
  script = outputFiles[0]!.text;
});
after(() => browser.close());

class Area {
  private constructor(
    readonly page: Page,
    private readonly _input: CDPSession,
  ) {}

  static async open(): Promise<Area> {
    const page = await browser.newPage();
    await page.setContent('<textarea rows="4" cols="60" style="font: 20px monospace"></textarea>');
    await page.addScriptTag({ content: script });
    await page.waitForFunction(() => "bare" in globalThis);
    await page.focus("textarea");
    return new Area(page, await page.context().newCDPSession(page));
  }

  /** One that can be written in, with a text. */
  static async with(text: string): Promise<Area> {
    const area = await Area.open();
    await area.page.evaluate((text) => {
      const { bare } = globalThis as unknown as { bare: Bare };
      bare.offline();
      bare.doc.insert(0, text);
    }, text);
    await area.shows(text);
    return area;
  }

  text(): Promise<string> {
    return this.page.evaluate(() => (globalThis as unknown as { bare: Bare }).bare.doc.text);
  }

  /** Both the document and the area. */
  async shows(text: string): Promise<void> {
    assert.deepEqual([await this.page.inputValue("textarea"), await this.text()], [text, text]);
  }

  select(from: number, to = from): Promise<void> {
    return this.page.evaluate(([from, to]) => document.querySelector("textarea")!.setSelectionRange(from!, to!), [from, to]);
  }

  set(what: "readOnly" | "disabled", is: boolean): Promise<void> {
    return this.page.evaluate(([what, is]) => void (document.querySelector("textarea")![what as "readOnly"] = is as boolean), [what, is] as const);
  }

  others(at: number, text: string): Promise<void> {
    return this.page.evaluate(([at, text]) => (globalThis as unknown as { bare: Bare }).bare.others(at as number, text as string), [at, text] as const);
  }

  compose(text: string): Promise<unknown> {
    return this._input.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
  }

  commit(text: string): Promise<unknown> {
    return this._input.send("Input.insertText", { text });
  }

  /** The middle of a character of the first line. */
  async place(at: number): Promise<[x: number, y: number]> {
    const box = (await this.page.locator("textarea").boundingBox())!;
    const width = await this.page.evaluate(() => {
      const context = document.createElement("canvas").getContext("2d")!;
      context.font = getComputedStyle(document.querySelector("textarea")!).font;
      return context.measureText("x".repeat(100)).width / 100;
    });
    return [box.x + 3 + (at + 0.5) * width, box.y + 14];
  }
}

test("what another types into text that is dragged stays", async () => {
  for (const [theirs, wanted] of [[6, "one XXthree ftwo our"], [4, "one XXthree ftwo our"], [10, "one thXXree ftwo our"]] as const) {
    const area = await Area.with("one two three four");
    const { mouse } = area.page;
    await area.select(4, 8);
    await mouse.move(...(await area.place(5)));
    await mouse.down();
    await mouse.move(...(await area.place(7)), { steps: 4 });
    await area.others(theirs, "XX");
    const [x, y] = await area.place(15);
    await mouse.move(x - 5, y, { steps: 8 });
    await mouse.up();
    await area.page.waitForFunction(() => !document.querySelector("textarea")!.value.startsWith("one two"));
    await area.shows(wanted);
    await area.page.keyboard.press("Control+z");
    assert.equal((await area.text()).replace("XX", ""), "one two three four");
  }
});

test("a word that is composed for seconds stays whole, with what others type at its edges, and is one step of undo", async () => {
  const area = await Area.with("[]");
  await area.select(1);
  await area.compose("に");
  for (const word of ["にh", "にほ", "にほん"]) {
    const length = await area.page.evaluate(() => (globalThis as unknown as { bare: Bare }).bare.doc.length);
    await area.others(1, "a");
    await area.others(length, "z");
    await area.page.waitForTimeout(1_000);
    await area.compose(word);
    assert.equal(await area.page.inputValue("textarea"), `[${word}]`);
  }
  await area.commit("日本");
  const text = await area.text();
  assert.match(text, /日本/);
  assert.equal(text.replace("日本", ""), "[aaazzz]");
  await area.shows(text);
  await area.page.keyboard.press("Control+z");
  await area.shows("[aaazzz]");
  await area.page.keyboard.press("Control+z");
  await area.shows("aaazzz");
});

test("nothing is typed before there is a document, nor undone where the area is read-only, nor either once it is closed", async () => {
  const area = await Area.open();
  const { keyboard } = area.page;
  await keyboard.type("too soon");
  await area.compose("に");
  await area.commit("日本");
  await area.shows("");
  await area.page.evaluate(() => (globalThis as unknown as { bare: Bare }).bare.offline());
  await keyboard.type("typed");
  await area.shows("typed");
  for (const what of ["readOnly", "disabled"] as const) {
    await area.set(what, true);
    await keyboard.press("Control+z");
    await area.shows("typed");
    await area.set(what, false);
    await area.page.focus("textarea");
  }
  await keyboard.press("Control+z");
  await area.shows("");
  await keyboard.press("Control+Shift+z");
  await area.shows("typed");
  await area.page.evaluate(() => void (globalThis as unknown as { bare: Bare }).bare.doc.close());
  await keyboard.type("too late");
  await keyboard.press("Control+z");
  await area.compose("に");
  await area.shows("typed");
});
