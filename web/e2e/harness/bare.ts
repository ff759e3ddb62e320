// A window with the binding alone, without the editor around it.
import { build } from "esbuild";
import type { Browser, BrowserContextOptions, CDPSession, Page } from "playwright-core";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Bare } from "../pages/bare.js";
import { SHOTS } from "./browser.js";
import type { Stack } from "./stack.js";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

let script: Promise<string> | undefined;

const bundle = () =>
  (script ??= build({
    entryPoints: [here("../pages/bare.ts")],
    absWorkingDir: here(".."),
    bundle: true,
    write: false,
    format: "iife",
    conditions: ["@inklog/source"],
    logLevel: "error",
  }).then(({ outputFiles }) => outputFiles[0]!.text));

const STYLE = "body { margin: 20px; font: 16px/1.5 sans-serif } .cm-editor { height: 300px; border: 1px solid; margin-bottom: 20px } .cm-editor .cm-content { padding: 20px 28px }";

export interface Setting extends BrowserContextOptions {
  user?: string;
  kind?: "plain" | "vim" | "readOnly" | "drawn";
  /** More CSS. */
  style?: string;
}

export class BareWindow {
  readonly errors: string[] = [];

  constructor(
    readonly page: Page,
    readonly input: CDPSession,
  ) {
    page.on("pageerror", (error) => this.errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error" && !/Failed to load resource/.test(message.text())) this.errors.push(message.text());
    });
  }

  static async open(browser: Browser, stack: Stack, doc: string, { user = "ada", kind = "plain", style = "", ...options }: Setting = {}): Promise<BareWindow> {
    const context = await browser.newContext({ viewport: { width: 800, height: 600 }, bypassCSP: true, ...options });
    const page = await context.newPage();
    const body = `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>${STYLE}${style}</style><body><script>${(await bundle()).replaceAll("</script", "<\\/script")}</script>`;
    const window = new BareWindow(page, await context.newCDPSession(page));
    // A page of the stack's own origin, with another content: scripts and styles in the page, which the stack's own have not.
    await page.goto(`${stack.url}/sw.js?user=${user}`);
    await page.setContent(body);
    await page.evaluate(([doc, kind]) => ((globalThis as any).bare as Bare).open(doc!, kind), [doc, kind]);
    if (kind === "readOnly") await window.synced(doc);
    else await window.until((bare) => !bare.view!.state.readOnly);
    return window;
  }

  async synced(doc: string): Promise<void> {
    await this.page.evaluate((doc) => ((globalThis as any).bare as Bare).documentOf(doc).synced, doc);
  }

  /** Waits for something to be so. */
  async until(test: (bare: Bare, argument: any) => boolean, argument?: unknown): Promise<void> {
    const code = `(argument) => (${test})(bare, argument)`;
    await this.page.waitForFunction(`(${code})(${JSON.stringify(argument) ?? "undefined"})`, undefined, { timeout: 30_000 });
  }

  text(): Promise<string> {
    return this.page.evaluate(() => ((globalThis as any).bare as Bare).view!.state.doc.toString());
  }

  shows(text: string): Promise<void> {
    return this.until((bare, text) => bare.view!.state.doc.toString() === text, text);
  }

  saved(doc: string): Promise<void> {
    return this.until((bare, doc) => bare.documentOf(doc).save.allSaved && bare.documentOf(doc).status === "online", doc);
  }

  /** Changes the document, past the editor. */
  async edit(doc: string, at: number, del: number, ins: string): Promise<void> {
    await this.page.evaluate(([doc, edit]) => ((globalThis as any).bare as Bare).documentOf(doc as string).edit([edit as any]), [doc, { at, del, ins }]);
  }

  async select(anchor: number, head = anchor): Promise<void> {
    await this.page.evaluate(([anchor, head]) => {
      const view = ((globalThis as any).bare as Bare).view!;
      view.focus();
      view.dispatch({ selection: { anchor: anchor!, head: head! } });
    }, [anchor, head]);
  }

  /** The middle of a character, on the screen. */
  async at(pos: number): Promise<{ x: number; y: number }> {
    return this.page.evaluate((pos) => {
      const view = ((globalThis as any).bare as Bare).view!;
      const [left, right] = [view.coordsAtPos(pos, 1)!, view.coordsAtPos(pos + 1, -1)!];
      return { x: (left.left + right.left) / 2, y: (left.top + left.bottom) / 2 };
    }, pos);
  }

  async shot(name: string): Promise<void> {
    if (SHOTS) await this.page.screenshot({ path: join(SHOTS, `${name}.png`) });
  }

  /** Takes the selection with the mouse, there, and holds it. */
  async drag(pos: number): Promise<void> {
    const { x, y } = await this.at(pos);
    await this.page.mouse.move(x, y);
    await this.page.mouse.down();
    await this.page.mouse.move(x + 4, y + 4);
    await this.page.mouse.move(x + 12, y + 12, { steps: 3 });
  }

  /** Lets it go before a character. */
  async drop(pos: number): Promise<void> {
    const { x, y } = await this.at(pos);
    await this.page.mouse.move(x - 2, y, { steps: 3 });
    await this.page.mouse.up();
  }

  /** What an input method shows while it composes. */
  async compose(text: string): Promise<void> {
    await this.input.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
  }

  /** What an input method ends with. */
  async commit(text: string): Promise<void> {
    await this.input.send("Input.insertText", { text });
  }
}
