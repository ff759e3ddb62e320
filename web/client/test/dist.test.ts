// The package as it is published, whose internal names are short: it says and keeps the same as its source.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "../build.mjs";
import type { InklogDocument, WebSocketConstructor } from "../src/index.js";
import { Device } from "./sim/device.js";
import { Network, envOf } from "./sim/network.js";
import { Server } from "./sim/server.js";
import { World } from "./sim/world.js";

type Entries = typeof import("../src/index.js") & typeof import("../src/crdt/index.js") &
  typeof import("../src/presence.js") & typeof import("../src/undo.js");

const entriesOf = async (folder: string, ext: string): Promise<Entries> =>
  Object.assign({}, ...(await Promise.all(["index", "crdt/index", "presence", "undo"].map((entry) => import(`${folder}/${entry}.${ext}`)))));

/** Two write, lose the connection, undo, and open again from what they kept; gives all that could be seen. */
async function session({ InklogDocument, TextDoc, find, idsAt, mergeOps, pushOp, wireOp, knows, presenceOf, undoOf }: Entries): Promise<unknown[]> {
  const world = new World(1);
  const server = new Server(world);
  const network = new Network(world, server);
  const seen: unknown[] = [];
  const device = new Device(world);
  const open = (user: string) => {
    const tab = { dead: false, offline: false };
    const WebSocket = class extends (network.socketOf(tab) as any) {
      send(frame: string) {
        seen.push([user, frame]);
        super.send(frame);
      }
    } as unknown as WebSocketConstructor;
    const storage = device.storage(tab);
    const { write } = storage;
    storage.write = (changes) => {
      seen.push([user, structuredClone(changes)]);
      return write(changes);
    };
    const options = { url: "ws://x", docId: "d", user, storage, WebSocket };
    const doc = new InklogDocument(options, envOf(world, tab));
    for (const name of ["change", "status", "save", "presence", "undo", "agent", "error"] as const) {
      doc.on(name, (value) => seen.push([user, name, value instanceof Map ? [...value] : structuredClone(value)]));
    }
    presenceOf(doc).set({ user });
    return { doc, tab, undoStack: undoOf(doc) };
  };
  const close = async (doc: InklogDocument) => {
    let isClosed = false;
    void doc.close().then(() => (isClosed = true));
    while (!isClosed) await world.runUntil(world.now + 100);
  };
  for (let round = 0; round < 3; round++) {
    const [alice, bob] = [open("alice"), open("bob")];
    await world.runUntil(world.now + 3_000);
    alice.doc.insert(0, "hello 😀\n");
    const anchor = alice.doc.anchor(6, 1);
    bob.doc.edit([{ at: bob.doc.length, del: 0, ins: "world" }, { at: 1, del: 2, ins: "" }]);
    await world.runUntil(world.now + 2_000);
    if (round === 1) network.cut(alice.tab);
    alice.doc.delete(2, 3);
    alice.undoStack.undo();
    alice.undoStack.redo();
    seen.push(alice.doc.position(anchor), knows(alice.doc, anchor), alice.doc.ready instanceof Promise);
    await world.runUntil(world.now + 30_000);
    assert.equal(alice.doc.text, bob.doc.text);
    if (round === 1) device.kill(alice.tab);
    else await close(alice.doc);
    await close(bob.doc);
  }
  const text = new TextDoc();
  const ops = [text.insert("a", 0, "xyz"), ...text.delete("a", 1, 1)];
  text.apply({ agent: "b", after: 1, ops: [{ type: "delete", id: "b-1", target: "a-0" }] });
  const other = TextDoc.decode(text.encode());
  mergeOps(other, [{ type: "insert", id: "c-0", text: "c", left: null }], { c: 1 });
  text.mergeState(other.encode());
  pushOp(ops, "a", ops[0]!);
  seen.push(ops, ops.map((op) => wireOp("a", op)), text.toString(), text.slice(0, 1), text.length, [...text.version], text.waitingCount);
  seen.push(text.anchor(1, -1), text.position({ id: "a-1", side: 1 }), idsAt(text, 0, 2), find(text, { agent: "a", seq: 0, len: 3 }));
  return [...seen, server.whole().toString()];
}

test("what is published says and keeps the same as the source", async () => {
  const folder = mkdtempSync(join(tmpdir(), "inklog-client-"));
  try {
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    await build(folder);
    const [published, source] = [await entriesOf(pathToFileURL(folder).href, "js"), await entriesOf("../src", "ts")];
    assert.deepEqual(await session(published), await session(source));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
