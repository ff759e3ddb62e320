// What the first visit costs.
import assert from "node:assert/strict";
import { get } from "node:http";
import { test } from "node:test";
import { person, world } from "./harness/index.js";

const at = world();

/** Bytes of script of a first visit, as they come over the line, whatever the page fetches ahead among them. */
const SCRIPT_BYTES_MAX = 150_000;

/** The bytes of the answer, as they come. */
const sizeOf = (url: string, encoding: string) =>
  new Promise<number>((resolve, reject) => {
    get(url, { headers: { "accept-encoding": encoding } }, async (answer) => {
      let bytes = 0;
      for await (const chunk of answer) bytes += chunk.length;
      if (answer.headers["content-encoding"] === encoding) resolve(bytes);
      else reject(new Error(`${url}: ${answer.statusCode} ${answer.headers["content-encoding"]}`));
    }).on("error", reject);
  });

test("the script of the first visit is small", async (t) => {
  const context = await person(at.browser, "Ada");
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  const scripts = new Map<string, { url: string; bytes: number }>();
  network.on("Network.responseReceived", ({ requestId, type, response }) => {
    if (type === "Script") scripts.set(requestId, { url: response.url, bytes: 0 });
  });
  network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const script = scripts.get(requestId);
    if (script) script.bytes = encodedDataLength;
  });
  await page.goto(`${at.stack.url}/d/first-visit`);
  await page.waitForSelector(".writing[data-ready]");
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  const here = [...scripts.values()];
  const bytes = here.reduce((sum, script) => sum + script.bytes, 0);
  t.diagnostic(`${bytes} bytes of script in ${here.length} files`);
  assert.ok(bytes > 50_000, "the scripts were counted");
  assert.ok(bytes <= SCRIPT_BYTES_MAX, `${bytes} bytes`);
  // A browser that is not on the machine itself, without TLS, asks for gzip at best. What the page starts with:
  const first = await page.evaluate(() => [...document.scripts].map(({ src }) => src));
  assert.equal(first.length, 2);
  for (const encoding of ["br", "gzip"]) {
    const sizes = await Promise.all(first.map((url) => sizeOf(url, encoding)));
    const sum = sizes.reduce((sum, size) => sum + size, 0);
    t.diagnostic(`${sum} bytes of it by ${encoding} to start with`);
    assert.ok(sum <= SCRIPT_BYTES_MAX, `${sum} bytes by ${encoding}`);
  }
  await context.close();
});
