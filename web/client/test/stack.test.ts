// Against the real local stack, over real sockets.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { type InklogDocument, type OpenOptions, openDocument } from "../src/index.js";
import { presenceOf } from "../src/presence.js";
import { undoOf } from "../src/undo.js";
import { slowLine } from "./slow.js";
import { Stack } from "./stack.js";

let stack: Stack;
before(async () => {
  stack = await Stack.start("--memory", "--port", "0");
});
after(() => stack.kill());

let documents = 0;
const newDocId = () => `client-test-${++documents}`;

function open(docId: string, user: string, options: Partial<OpenOptions> = {}): InklogDocument {
  return openDocument({ url: stack.url, docId, user, storage: null, WebSocket, ...options });
}

/** Waits for a fact, which an event of the document may bring about. */
function until(doc: InklogDocument, holds: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const names = ["change", "save", "status", "presence"] as const;
    const patience = setTimeout(() => finish(() => reject(new Error(`${doc.user} waited in vain; its text is ${doc.text}`))), 20_000);
    const stop = names.map((name) => doc.on(name, () => holds() && finish(resolve)));
    const finish = (end: () => void) => {
      clearTimeout(patience);
      for (const one of stop) one();
      end();
    };
    if (holds()) finish(resolve);
  });
}

/** Both have everything of each other. */
async function agree(a: InklogDocument, b: InklogDocument): Promise<void> {
  const agreed = () => a.save.allSaved && b.save.allSaved && a.text === b.text;
  while (!agreed()) await Promise.race([until(a, agreed), until(b, agreed)]);
}

test("two type at once, and both have both", async () => {
  const docId = newDocId();
  const [alice, bob] = [open(docId, "alice"), open(docId, "bob")];
  await Promise.all([alice.synced, bob.synced]);
  const undoStack = undoOf(alice);
  presenceOf(bob);
  for (let i = 0; i < 100; i++) {
    alice.insert(alice.length, `a${i} `);
    bob.insert(0, `b${i} `);
    if (i % 10 === 0) await until(alice, () => alice.save.sent > 0 || alice.save.allSaved);
  }
  await agree(alice, bob);
  for (let i = 0; i < 100; i++) for (const word of [`a${i} `, `b${i} `]) assert.equal(alice.text.split(word).length, 2, word);
  undoStack.undo();
  await agree(alice, bob);
  assert.ok(!bob.text.includes("a99") && bob.text.includes("b99"));
  presenceOf(alice).set({ name: "Alice", cursor: null });
  await until(bob, () => presenceOf(bob).others.has(alice.agent));
  assert.deepEqual(presenceOf(bob).others.get(alice.agent), { agent: alice.agent, user: "alice", state: { name: "Alice", cursor: null } });
  await alice.close();
  await until(bob, () => presenceOf(bob).others.size === 0);
  await bob.close();
});

test("the server takes a presence state of just the size that the client lets through", async () => {
  const docId = newDocId();
  const [alice, bob] = [open(docId, "alice"), open(docId, "bob")];
  await Promise.all([alice.synced, bob.synced]);
  const [shown, seen] = [presenceOf<{ name: string }>(alice), presenceOf<{ name: string }>(bob)];
  const seenName = () => seen.others.get(alice.agent)?.state.name;
  const room = 4096 - '{"name":""}'.length;
  for (const mixed of ["x", 'é…😀"\\\n\u0001\ud83d']) {
    const each = Buffer.byteLength(JSON.stringify(mixed.toWellFormed())) - 2;
    const name = mixed.repeat(Math.floor(room / each)) + "x".repeat(room % each);
    shown.set({ name });
    await until(bob, () => seenName() === name.toWellFormed());
    assert.throws(() => shown.set({ name: name + "x" }), RangeError);
  }
  await Promise.all([alice.close(), bob.close()]);
});

test("who was offline comes back, and a paste of 1 MB arrives", async () => {
  const docId = newDocId();
  const sockets: WebSocket[] = [];
  class Counted extends WebSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
    }
  }
  const [alice, bob] = [open(docId, "alice", { WebSocket: Counted }), open(docId, "bob")];
  await Promise.all([alice.synced, bob.synced]);
  sockets[0]!.terminate();
  await until(alice, () => alice.status === "offline");
  alice.insert(0, "typed offline ");
  bob.insert(0, "x".repeat(1_000_000));
  await agree(alice, bob);
  assert.equal(alice.length, 1_000_014);
  // Who comes later gets it all in one.
  const carol = open(docId, "carol");
  await carol.synced;
  assert.equal(carol.text, alice.text);
  await Promise.all([alice.close(), bob.close(), carol.close()]);
});

test("a state of 2 MB over a line of 100 KB a second opens with one JOIN_DOC", { timeout: 180_000 }, async () => {
  const docId = newDocId();
  const writer = open(docId, "writer");
  await writer.synced;
  // In base64, as it travels, four thirds of that.
  writer.insert(0, "0123456789abcde\n".repeat(94_000));
  while (!writer.save.allSaved) await new Promise((resolve) => writer.on("save", resolve));
  const line = await slowLine(stack.url, 100_000);
  const actions: string[] = [];
  class Counted extends WebSocket {
    override send(data: any): void {
      actions.push(JSON.parse(data).action);
      super.send(data);
    }
  }
  const started = performance.now();
  const reader = openDocument({ url: line.url, docId, user: "reader", storage: null, WebSocket: Counted });
  await reader.synced;
  assert.ok(performance.now() - started > 15_000);
  assert.equal(reader.text, writer.text);
  assert.equal(actions.filter((action) => action === "JOIN_DOC").length, 1);
  await Promise.all([reader.close(), writer.close()]);
  line.close();
});

test("the memory stack is started anew: the text is put aside, what was not saved is typed again", { timeout: 60_000 }, async () => {
  let server = await Stack.start("--memory", "--port", "0");
  const { port } = server;
  const docId = newDocId();
  const [alice, bob] = ["alice", "bob"].map((user) => open(docId, user, { url: server.url })) as [InklogDocument, InklogDocument];
  try {
    await Promise.all([alice.synced, bob.synced]);
    alice.insert(0, "acknowledged ");
    await agree(alice, bob);
    await server.kill();
    await until(alice, () => alice.status !== "online");
    alice.insert(alice.length, "offline");
    server = await Stack.start("--memory", "--port", port);
    await until(alice, () => alice.status === "online" && alice.save.allSaved);
    await until(bob, () => bob.text === "offline");
    assert.equal(alice.text, "offline");
    assert.deepEqual([alice, bob].map(({ forks }) => forks.map(({ text }) => text)), [["acknowledged offline"], ["acknowledged "]]);
    await bob.restoreFork(bob.forks[0]!.id);
    await agree(alice, bob);
    assert.deepEqual([alice.text, bob.forks], ["acknowledged ", []]);
    await Promise.all([alice.close(), bob.close()]);
  } finally {
    await server.kill();
  }
});

test("the server is killed and restarted while both type: every word arrives once", async () => {
  const data = mkdtempSync(join(tmpdir(), "inklog-client-"));
  let server = await Stack.start("--data", data, "--port", "0");
  try {
    const docId = newDocId();
    const [alice, bob] = [open(docId, "alice", { url: server.url }), open(docId, "bob", { url: server.url })];
    await Promise.all([alice.synced, bob.synced]);
    for (let i = 0; i < 60; i++) {
      alice.insert(alice.length, `a${i} `);
      bob.insert(0, `b${i} `);
      if (i === 20) {
        await until(alice, () => alice.save.sent > 0);
        await server.kill();
      }
      if (i === 40) server = await Stack.start("--data", data, "--port", server.port);
    }
    await agree(alice, bob);
    for (let i = 0; i < 60; i++) for (const word of [`a${i} `, `b${i} `]) assert.equal(bob.text.split(word).length, 2, word);
    await Promise.all([alice.close(), bob.close()]);
  } finally {
    await server.kill();
    rmSync(data, { recursive: true });
  }
});

test("the README's quick start compiles and runs", () => {
  const root = resolve(import.meta.dirname, "..");
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, code] = /```ts\n(\/\/ quick start[\s\S]*?)```/.exec(readme) ?? [];
  assert.ok(code, "the README has a quick start");
  const file = join(root, "test", `quick-start-${process.pid}.ts`);
  writeFileSync(file, code.replace("ws://127.0.0.1:8080/dev", stack.url));
  try {
    const tsc = resolve(root, "../node_modules/typescript/bin/tsc");
    const options = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--lib", "es2024,dom"];
    const resolution = ["--module", "nodenext", "--moduleResolution", "nodenext", "--customConditions", "@inklog/source", "--types", "node"];
    execFileSync(process.execPath, [tsc, ...options, ...resolution, file], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const run = ["--conditions=@inklog/source", "--import", "tsx", file];
    const said = execFileSync(process.execPath, run, { cwd: root, encoding: "utf8", timeout: 30_000 });
    assert.match(said, /Hello, world/);
    assert.match(said, /saved/);
  } finally {
    rmSync(file);
  }
});
