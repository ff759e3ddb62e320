// The bindings in a real browser while their user may not change the document: typing, pasting, cutting, dropping, undoing, an
// input method's word; and what reading needs. The page has a server of its own, which says what the user may do.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import type { Browser, CDPSession, Page } from "playwright-core";
import { fileURLToPath } from "node:url";
import type { InklogDocument } from "@inklog/client";
import { launch } from "./harness/browser.js";

interface Bare {
  doc: InklogDocument;
  /** The next token has another right. */
  become(right: "read" | "write"): void;
}

const PAGE = `
  import { openDocument } from "@inklog/client";
  import { inklogExtension } from "@inklog/codemirror";
  import { bindTextarea } from "@inklog/client/textarea";
  import { EditorView, keymap } from "@codemirror/view";
  import { defaultKeymap } from "@codemirror/commands";
  let right = "write";
  const log = [];
  class WebSocket {
    constructor() {
      setTimeout(() => this.onopen({}));
    }
    send(frame) {
      const { action, docId, ref, cursor, agent, after, ops } = JSON.parse(frame);
      if (action === "SEND_OP") log.push({ agent, after, ops });
      const part = { part: 1, parts: 1, cursor: String(log.length), access: right };
      const ends = ops && ops.map(({ id, text, len = 1 }) => Number(id.slice(id.lastIndexOf("-") + 1)) + (text ? [...text].length : len));
      const answers = {
        SEND_OP: () => ({ action: "OP_ACK", agent, after, end: ends.at(-1) }),
        JOIN_DOC: () => cursor ? { action: "OP_REPLAY", events: log.slice(cursor), ...part } : { action: "DOC_STATE", stateId: "s", events: log, ...part },
        SYNC_STATE: () => ({ action: "OP_REPLAY", events: log.slice(cursor), ...part }),
        PING: () => ({ action: "PONG" }),
      };
      const answer = answers[action]?.();
      if (answer) setTimeout(() => this.onmessage({ data: JSON.stringify({ docId, ref, ...answer }) }));
    }
    close() {}
  }
  const doc = openDocument({ url: "ws://nowhere", docId: "d", user: "ada", storage: null, WebSocket, token: () => "t" });
  globalThis.bare = {
    doc,
    become(next) {
      right = next;
      doc.reconnect();
    },
    codemirror() {
      this.view = new EditorView({ parent: document.querySelector("#editor"), extensions: [keymap.of(defaultKeymap), inklogExtension(doc)] });
    },
    textarea() {
      bindTextarea(doc, document.querySelector("#editor").appendChild(document.createElement("textarea")));
    },
  };`;

const BODY = '<style>body { font: 20px monospace } #editor { width: 600px }</style><div id="editor"></div><input id="other">';

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
    logLevel: "error",
  });
  script = outputFiles[0]!.text;
});
after(() => browser.close());

type Kind = "codemirror" | "textarea";
const AREA: Record<Kind, string> = { codemirror: ".cm-content", textarea: "textarea" };

class Desk {
  private constructor(
    readonly page: Page,
    readonly kind: Kind,
    private readonly _input: CDPSession,
    private readonly _errors: string[],
  ) {}

  static async open(kind: Kind): Promise<Desk> {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => void (message.type() === "error" && errors.push(message.text())));
    await page.setContent(BODY);
    await page.addScriptTag({ content: script });
    await page.evaluate((kind) => (globalThis as any).bare[kind](), kind);
    const desk = new Desk(page, kind, await page.context().newCDPSession(page), errors);
    await desk.until((bare) => !bare.doc.readOnly);
    await page.focus(AREA[kind]);
    return desk;
  }

  async until(holds: (bare: Bare) => boolean): Promise<void> {
    await this.page.waitForFunction(`(${holds})(bare)`, undefined, { timeout: 10_000 });
  }

  async become(right: "read" | "write"): Promise<void> {
    await this.page.evaluate((right) => (globalThis as unknown as { bare: Bare }).bare.become(right), right);
    await this.page.waitForFunction((right) => (globalThis as unknown as { bare: Bare }).bare.doc.access === right, right, { timeout: 10_000 });
  }

  async shows(text: string): Promise<void> {
    const { kind } = this;
    const shown = await this.page.evaluate((kind) => {
      const { bare } = globalThis as any;
      return [kind === "codemirror" ? bare.view.state.doc.toString() : document.querySelector("textarea")!.value, bare.doc.text];
    }, kind);
    assert.deepEqual(shown, [text, text]);
    if (kind === "codemirror") assert.equal(await this.page.locator(".cm-line").first().textContent(), text, "what is drawn");
  }

  compose(text: string): Promise<unknown> {
    return this._input.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
  }

  commit(text: string): Promise<unknown> {
    return this._input.send("Input.insertText", { text });
  }

  async end(): Promise<void> {
    assert.deepEqual(this._errors, []);
    await this.page.close();
  }
}

for (const kind of ["codemirror", "textarea"] as const) {
  test(`${kind}: who may only read can select and copy, and nothing they do changes the text`, async () => {
    const desk = await Desk.open(kind);
    const { keyboard } = desk.page;
    await keyboard.type("written");
    await desk.shows("written");
    await desk.become("read");
    assert.equal(await desk.page.evaluate((area) => document.activeElement === document.querySelector(area), AREA[kind]), true, "it keeps the focus");
    await keyboard.type("no");
    for (const key of ["Backspace", "Delete", "Enter", "Control+z", "Control+y", "Control+Shift+z"]) await keyboard.press(key);
    await desk.shows("written");
    // Selected by keys, copied, and not cut.
    await keyboard.press("Control+a");
    await keyboard.press("Control+x");
    await keyboard.press("Control+c");
    await keyboard.press("Control+v");
    await desk.compose("に");
    await desk.commit("日本");
    await desk.shows("written");
    await desk.page.focus("#other");
    await keyboard.press("Control+v");
    assert.equal(await desk.page.inputValue("#other"), "written", "what was copied");
    // Dropped into it.
    await desk.page.locator("#other").selectText();
    const from = (await desk.page.locator("#other").boundingBox())!;
    const to = (await desk.page.locator(AREA[kind]).boundingBox())!;
    await desk.page.mouse.move(from.x + 20, from.y + from.height / 2);
    await desk.page.mouse.down();
    await desk.page.mouse.move(to.x + 60, to.y + 12, { steps: 6 });
    await desk.page.mouse.up();
    await desk.shows("written");
    // When the right is back, all goes on.
    await desk.become("write");
    await desk.page.focus(AREA[kind]);
    await keyboard.press("End");
    await keyboard.type("!");
    await desk.shows("written!");
    await keyboard.press("Control+z");
    await desk.end();
  });

  test(`${kind}: in the middle of a word that an input method composes, the right goes; what was written stays`, async () => {
    const desk = await Desk.open(kind);
    const { keyboard } = desk.page;
    await keyboard.type("a ");
    await desk.compose("に");
    await desk.compose("にほ");
    await desk.shows("a にほ");
    await desk.become("read");
    await desk.compose("にほん");
    await desk.commit("日本");
    await desk.shows("a にほ");
    await keyboard.type("no");
    await desk.shows("a にほ");
    await desk.become("write");
    await desk.page.focus(AREA[kind]);
    await keyboard.press("End");
    await desk.compose("ご");
    await desk.commit("語");
    await desk.shows("a にほ語");
    await desk.end();
  });
}
