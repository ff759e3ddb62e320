// What the stack's own pages may do under its content security policy, and what pages of other sites may not.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launch } from "./harness/browser.js";
import { person, Stack, Window } from "./harness/index.js";

const REBOUND = "rebound.example";

let stack: Stack;
let browser: Browser;
let elsewhere: Server;

before(async () => {
  // A name whose owner lets it lead to this machine once its page is loaded.
  [stack, browser] = await Promise.all([Stack.start(), launch(`--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`)]);
  elsewhere = createServer((_, answer) => void answer.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Elsewhere</title>"));
  elsewhere.listen(0, "127.0.0.1");
  await once(elsewhere, "listening");
});

after(async () => {
  await browser?.close();
  elsewhere?.close();
  await stack?.stop();
});

/** What the policy refuses in any page of these people, as it happens. */
async function refusals(context: BrowserContext): Promise<string[]> {
  const refused: string[] = [];
  await context.exposeFunction("refused", (what: string) => refused.push(what));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, sample }) => {
      (globalThis as any).refused(`${violatedDirective}: ${blockedURI} ${sourceFile} ${sample}`);
    });
  });
  context.on("console", (message) => {
    if (/content security policy|refused to/i.test(message.text())) refused.push(message.text());
  });
  return refused;
}

test("the policy is in force, and nothing that the editor does is against it", async () => {
  const context = await person(browser, "Ada");
  const refused = await refusals(context);
  const window = await Window.open(context, stack, "policy");
  const { page } = window;
  const ben = await Window.open(await person(browser, "Ben"), stack, "policy");
  await ben.caret(0);
  await ben.type("Ben was here. ");
  await ben.saved();
  await window.shows("Ben was here. ");
  await window.caret(0);
  await window.type("Typed. ");
  await window.paste("Pasted.\n".repeat(100));
  await window.saved();
  // CodeMirror's own rules apply, and the page's after them.
  const styles = await page.evaluate(() => ({
    scroller: getComputedStyle(document.querySelector(".cm-scroller")!).display,
    content: getComputedStyle(document.querySelector(".cm-content")!).whiteSpace,
    elements: document.querySelectorAll("style").length,
  }));
  assert.deepEqual(styles, { scroller: "flex", content: "break-spaces", elements: 0 });
  for (let i = 0; i < 3; i++) await page.getByRole("button", { name: /^Theme/ }).click();
  await page.keyboard.press("Control+f");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Pipeline" }).click();
  await window.caret(0);
  await window.type("Watched. ");
  await page.locator(".event").first().waitFor();
  await page.getByRole("button", { name: "History" }).click();
  await page.getByRole("slider", { name: "Event" }).waitFor();
  await page.keyboard.press("Escape");
  await page.pdf();
  await page.emulateMedia({ media: "print" });
  await page.emulateMedia({ media: "screen" });
  await page.goto(stack.url);
  await page.getByRole("button", { name: "New document" }).waitFor();
  await page.goto(`${stack.url}/nowhere`);
  const title = page.locator("h1");
  assert.equal(await title.evaluate((h1) => getComputedStyle(h1).fontWeight), "500", "also the page of errors has its style");
  assert.deepEqual(refused.splice(0), []);
  assert.deepEqual(window.errors, []);

  // What somebody may have got into a page does not run: else all of the above would show nothing.
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'run'";
    document.body.append(script);
    document.body.setAttribute("style", "display: none");
    document.body.append(Object.assign(document.createElement("style"), { textContent: "h1 { display: none }" }));
  });
  assert.notEqual(await page.title(), "run");
  assert.ok(await title.isVisible());
  await page.waitForFunction(() => true);
  assert.ok(refused.some((what) => what.startsWith("script-src-elem")) && refused.some((what) => what.startsWith("style-src-attr")) && refused.some((what) => what.startsWith("style-src-elem")), refused.join("\n"));
});

/** What a page tries, and whether the stack let it: the status of each answer, as the browser got it and the page may not see it. */
async function attempts(page: Page, target: string): Promise<{ statuses: Record<string, number>; seen: Record<string, string> }> {
  const statuses: Record<string, number> = {};
  page.on("response", (response) => {
    const asked = new URL(response.url());
    if (asked.origin === target) statuses[`${response.request().method()} ${asked.pathname}${asked.search}`] = response.status();
  });
  const read = (path: string, init: RequestInit) =>
    page.evaluate(([url, init]) => fetch(url, init).then(async (answer) => (await answer.text()) || answer.type, () => "error"), [target + path, init] as const);
  const opens = (kind: "WebSocket" | "EventSource", url: string) =>
    page.evaluate(([kind, url]) => {
      const thing = new (globalThis as any)[kind](url) as EventTarget;
      return new Promise<string>((resolve) => ["open", "error"].forEach((what) => thing.addEventListener(what, () => resolve(what))));
    }, [kind, url] as const);
  const seen = {
    read: await read("/_inklog/docs?read", {}),
    "read blindly": await read("/_inklog/docs?blind", { mode: "no-cors" }),
    compact: await read("/_inklog/docs/kept/compact", { method: "POST", mode: "no-cors" }),
    post: await read("/dev/@connections/x", { method: "POST", mode: "no-cors", body: "{}" }),
    socket: await opens("WebSocket", `${target.replace("http", "ws")}/dev`),
    passages: await opens("EventSource", `${target}/_inklog/pipeline?doc=kept`),
  };
  return { statuses, seen };
}

test("pages of other sites neither read nor post nor connect", async () => {
  const window = await Window.open(await person(browser, "Ada"), stack, "kept");
  await window.caret(0);
  await window.type("Nobody else's.");
  await window.saved();
  const page = await (await browser.newContext()).newPage();
  await page.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`);
  const { statuses, seen } = await attempts(page, stack.url);
  assert.deepEqual(seen, { read: "error", "read blindly": "error", compact: "error", post: "error", socket: "error", passages: "error" });
  // Answers that were kept from the page: what counts is that nothing was done.
  for (const [asked, status] of Object.entries(statuses)) assert.equal(status, 403, asked);
  assert.deepEqual((await status("kept")).snapshot, null, "nothing was compacted");

  // In a frame, or as a script, neither.
  const framed = await page.evaluate(async (target) => {
    const frame = document.body.appendChild(Object.assign(document.createElement("iframe"), { src: `${target}/d/kept` }));
    await new Promise((resolve) => frame.addEventListener("load", resolve));
    const script = document.head.appendChild(Object.assign(document.createElement("script"), { src: `${target}/_inklog/docs` }));
    return new Promise((resolve) => {
      script.onload = () => resolve("loaded");
      script.onerror = () => resolve("error");
    });
  }, stack.url);
  assert.equal(framed, "error");
  assert.ok(page.frames().length === 2 && page.frames()[1]!.url().startsWith("chrome-error:"), "the editor cannot be framed");
});

test("a name that was made to lead here leads nowhere", async () => {
  const page = await (await browser.newContext()).newPage();
  const target = `http://${REBOUND}:${new URL(stack.url).port}`;
  const answer = await page.goto(target);
  assert.equal(answer!.status(), 403);
  const { statuses, seen } = await attempts(page, target);
  // Of its own origin, as the browser sees it: it would read whatever it got.
  assert.match(String(seen["read"]), /use --allow-origin/);
  assert.ok(Object.keys(statuses).length >= 4);
  for (const [asked, status] of Object.entries(statuses)) assert.equal(status, 403, asked);
  assert.equal(seen["socket"], "error");
  assert.equal(seen["passages"], "error");
});

async function status(doc: string): Promise<{ snapshot: unknown }> {
  return (await fetch(`${stack.url}/_inklog/docs/${doc}/status`)).json() as Promise<{ snapshot: unknown }>;
}
