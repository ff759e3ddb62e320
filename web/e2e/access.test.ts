// Access from end to end: an application of examples/ signs people in, and the stack demands its tokens.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, BrowserContext } from "playwright-core";
import { launch } from "./harness/browser.js";
import { App, type APPS, Keys } from "./harness/app.js";
import { EDITOR, person, Stack, Window } from "./harness/index.js";

let browser: Browser;
before(async () => void (browser = await launch()));
after(() => browser?.close());

for (const kind of ["node", "python"] as (keyof typeof APPS)[]) {
  test(`${kind}: who signs in opens the editor with their right; a reader reads, and a writer writes under their own name`, async (t) => {
    const { stack, app } = await together(kind, t);
    const visit = (user: string) => signedIn(stack, app, user, "notes");
    const ben = await visit("ben");
    await ben.page.getByRole("button", { name: "You are signed in as Ben." }).waitFor();
    await ben.caret(0);
    await ben.type("Written by Ben.");
    await ben.saved();

    const cyd = await visit("cyd");
    await cyd.shows("Written by Ben.");
    await cyd.page.locator(".badge", { hasText: "Read only" }).waitFor();
    // The name is the server's, whatever Ben's browser would say.
    await cyd.page.getByRole("button", { name: /^Ben/ }).waitFor();
    await cyd.page.locator(".cm-content").click();
    await cyd.type("not this");
    await cyd.paste("nor this");
    await cyd.page.keyboard.press("Control+z");
    await ben.type(" And more.");
    await ben.saved();
    await cyd.shows("Written by Ben. And more.");
    assert.equal(await stack.text("notes", "log"), "Written by Ben. And more.");
    await ben.page.getByRole("button", { name: /^Cyd/ }).waitFor();

    // Nobody has shared it with Dan. Ben does.
    const dan = await Window.of(await person(browser, "Dan"));
    await dan.page.goto(`${stack.url}/d/notes`);
    await fillIn(dan, stack, "dan");
    await dan.page.getByRole("heading", { name: "You have no access to this document" }).waitFor();
    await dan.page.locator(".no-entry").getByText("You are signed in as Dan.").waitFor();
    await ben.page.getByRole("button", { name: "Share" }).click();
    await ben.page.getByRole("radio", { name: /^Can edit/ }).check();
    await ben.page.getByRole("button", { name: "Get a link" }).click();
    const link = await ben.page.getByRole("textbox", { name: "Link" }).inputValue();
    await ben.page.keyboard.press("Escape");
    await dan.page.goto(link);
    await dan.shows("Written by Ben. And more.");
    await dan.caret(0);
    await dan.type("Dan: ");
    await dan.saved();
    await cyd.shows("Dan: Written by Ben. And more.");

    // Dan's access is revoked, and the application signs him out: what he types then is kept, and can be copied.
    await dan.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await dan.page.context().clearCookies();
    await stack.command("revoke", "--user", "dan");
    await dan.page.locator(".notice").filter({ hasText: "You are signed out" }).waitFor({ timeout: 60_000 });
    await dan.type("too late");
    await dan.page.locator(".notice").filter({ hasText: "8 characters of yours are not sent" }).waitFor();
    await dan.page.getByRole("button", { name: "Copy my text" }).click();
    await dan.page.getByText("Copied").waitFor();
    assert.equal(await dan.page.evaluate(() => navigator.clipboard.readText()), "too late");
    assert.equal(await stack.text("notes", "log"), "Dan: Written by Ben. And more.");
    for (const window of [ben, cyd, dan]) assert.deepEqual(window.errors, []);
    // No token is anywhere but in the tab's own storage.
    const passages = await (await fetch(`${stack.url}/_inklog/docs/notes/events`)).text();
    assert.doesNotMatch(passages + stack.said.join(""), /eyJ[\w-]+\.[\w-]+\./);
  });
}

test("a token that ends is replaced while somebody types; without the application, what is typed is kept and can be copied", async (t) => {
  const { stack, app } = await together("node", t, 15);
  const ada = await signedIn(stack, app, "ada", "renewed");
  await ada.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const first = await tokenOf(ada);
  await ada.caret(0);
  let typed = "";
  const another = async () => (await tokenOf(ada)) !== first;
  while (!(await another())) {
    await ada.type("On. ");
    typed += "On. ";
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.equal(await ada.page.locator(".notice").count(), 0);
    assert.ok(typed.length < 1_000, "a fresh token comes before the first one ends");
  }
  await ada.type("Still on. ");
  typed += "Still on. ";
  await ada.saved();
  assert.equal(await stack.text("renewed", "log"), typed);

  // The application forgets who is signed in: after the token, nothing is sent.
  await ada.page.context().clearCookies();
  const notice = ada.page.locator(".notice").filter({ hasText: "You are signed out" });
  await notice.waitFor({ timeout: 60_000 });
  await ada.type("And after it.");
  await ada.page.locator(".notice").filter({ hasText: "13 characters of yours are not sent, but kept on this device" }).waitFor();
  await ada.page.getByRole("button", { name: "Copy my text" }).click();
  await ada.page.getByText("Copied").waitFor();
  assert.equal(await ada.page.evaluate(() => navigator.clipboard.readText()), "And after it.");
  assert.equal(await stack.text("renewed", "log"), typed);
  await ada.page.getByRole("link", { name: "Sign in again" }).click();
  await fillIn(ada, stack, "ada");
  await ada.ready();
  await ada.saved();
  assert.equal(await stack.text("renewed", "log"), `${typed}And after it.`);
});

const tokenOf = ({ page }: Window) => page.evaluate(() => JSON.parse(sessionStorage.getItem("inklog.token")!)[0] as string);

/** An application and a stack that know each other; tokens live so many seconds. */
async function together(kind: keyof typeof APPS, t: { after(run: () => void): void }, seconds?: number): Promise<{ stack: Stack; app: App }> {
  const keys = new Keys();
  t.after(() => keys.remove());
  // The editor has the settings beside it, and the application the editor's address.
  const editor = mkdtempSync(join(tmpdir(), "inklog-editor-"));
  t.after(() => rmSync(editor, { recursive: true }));
  cpSync(EDITOR, editor, { recursive: true });
  const port = await App.freePort();
  const app = await App.start(kind, keys, `http://127.0.0.1:${port}`, seconds);
  t.after(() => app.stop());
  writeFileSync(join(editor, "config.json"), JSON.stringify(app.config));
  const stack = await Stack.start({ args: ["--auth", keys.file], editor, port });
  t.after(() => void stack.stop());
  return { stack, app };
}

async function signedIn(stack: Stack, app: App, user: string, doc: string): Promise<Window> {
  const context: BrowserContext = await person(browser, "Guest");
  const window = await Window.of(context);
  await window.page.goto(`${stack.url}/d/${doc}`);
  await window.page.waitForURL(`${app.url}/sign-in?**`);
  await fillIn(window, stack, user);
  await window.ready();
  return window;
}

async function fillIn({ page }: Window, stack: Stack, user: string): Promise<void> {
  await page.waitForURL(/\/sign-in\?/);
  await page.getByLabel("Name").fill(user);
  await page.getByLabel("Password").fill(user);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${stack.url}/**`);
}
