// Chromium, and what a person does and sees in a window of the editor.
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
/** Where screenshots go; none are taken without. */
export const SHOTS = process.env["INKLOG_SHOTS"];

const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const launch = (...args: string[]): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...ARGS, ...args] });

/** A browser of somebody's own: nothing is shared with another. */
export async function person(browser: Browser, name: string, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1180, height: 780 }, colorScheme: "light", ...options });
  await context.addInitScript((name) => {
    localStorage.getItem("inklog.me") ?? localStorage.setItem("inklog.me", JSON.stringify(name));
  }, { name, color: COLORS[name.charCodeAt(0) % COLORS.length] });
  return context;
}

const COLORS = ["#0a76a0", "#c2410c", "#9440d8", "#0c7a65"];

export class Window {
  constructor(readonly page: Page) {}

  static async open(context: BrowserContext, server: { url: string }, doc: string): Promise<Window> {
    const window = await Window.of(context);
    await window.page.goto(`${server.url}/d/${doc}`);
    await window.ready();
    return window;
  }

  /** An empty one. */
  static async of(context: BrowserContext): Promise<Window> {
    const page = await context.newPage();
    const window = new Window(page);
    page.on("pageerror", (error) => window.errors.push(error.message));
    page.on("console", (message) => {
      // The browser's own words on a connection that cannot be made are no fault of the page.
      if (message.type() === "error" && !/ERR_|WebSocket|Failed to load resource/.test(message.text())) window.errors.push(message.text());
    });
    return window;
  }

  /** What went wrong in the page. */
  readonly errors: string[] = [];

  ready(): Promise<unknown> {
    return this.page.waitForSelector(".writing[data-ready]");
  }

  /** The whole text, also what is not drawn. */
  text(): Promise<string> {
    return this.page.evaluate(() => (document.querySelector(".cm-content") as any).cmTile.view.state.doc.toString());
  }

  async shows(text: string): Promise<void> {
    await this.until((wanted) => (document.querySelector(".cm-content") as any)?.cmTile.view.state.doc.toString() === wanted, text);
  }

  /** Waits for something to be so. */
  async until<T>(test: (argument: T) => boolean, argument: T): Promise<void> {
    await this.page.waitForFunction(test as never, argument, { timeout: 60_000 });
  }

  /** Everything typed here is durable. */
  async saved(): Promise<void> {
    await this.page.waitForSelector('.save[data-kind="saved"][data-unsent="0"][data-sent="0"]', { timeout: 60_000 });
  }

  async note(kind: string): Promise<string> {
    await this.page.waitForSelector(`.save[data-kind="${kind}"]`, { timeout: 60_000 });
    return this.page.locator(".save-text").innerText();
  }

  /** Puts the caret there. */
  async caret(at: number): Promise<void> {
    await this.page.evaluate((at) => {
      const { view } = (document.querySelector(".cm-content") as any).cmTile;
      view.focus();
      view.dispatch({ selection: { anchor: at }, scrollIntoView: true });
    }, at);
  }

  async type(text: string, delay = 0): Promise<void> {
    await this.page.keyboard.type(text, { delay });
  }

  /** Pastes as the keyboard would, whose clipboard a test cannot fill. */
  async paste(text: string): Promise<void> {
    await this.page.evaluate((text) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", text);
      document.querySelector(".cm-content")!.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, text);
  }

  async shot(name: string): Promise<void> {
    if (!SHOTS) return;
    mkdirSync(SHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SHOTS, `${name}.png`) });
  }
}
