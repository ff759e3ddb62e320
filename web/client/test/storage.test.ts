// The device's store, and one that fails.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { InklogDocument, type OpenOptions } from "../src/index.js";
import { browserStorage } from "../src/storage.js";
import { Device } from "./sim/device.js";
import { Network, envOf } from "./sim/network.js";
import { Server } from "./sim/server.js";
import { World, settle } from "./sim/world.js";

/** Web Locks, as far as they are used. */
const held = new Set<string>();
/** How often the browser was asked to keep what it has; it refuses. */
let persists = 0;
Object.defineProperty(globalThis, "navigator", {
  configurable: true,
  value: {
    storage: { persist: () => (persists++, Promise.reject(new Error("no"))) },
    locks: {
      async request(name: string, { ifAvailable }: { ifAvailable?: boolean }, run: (lock: object | null) => unknown) {
        if (held.has(name)) return ifAvailable ? run(null) : new Promise(() => {});
        held.add(name);
        await run({ name });
        held.delete(name);
      },
    },
  },
});
afterEach(() => held.clear());

test("IndexedDB keeps records by key, writes all or nothing, and a lock has one holder", async () => {
  const storage = await browserStorage("test");
  await storage.write([["d/b", { x: new Uint8Array([1]) }], ["d/a", 1], ["e/a", 2], ["d/c", 3]]);
  await storage.write([["d/c", undefined], ["d/a", 4]]);
  assert.deepEqual(await storage.read("d/"), [["d/a", 4], ["d/b", { x: new Uint8Array([1]) }]]);
  await assert.rejects(storage.write([["d/a", 5], ["d/b", () => {}]]));
  assert.deepEqual((await storage.read("d/a"))[0], ["d/a", 4]);
  const free = await storage.lock("one");
  assert.deepEqual([...held], ["inklog/one"]);
  assert.equal(await storage.lock("one"), null);
  free!();
  await settle();
  assert.ok(await storage.lock("one"));
});

test("a store that fails is said, and what was typed is sent none the less", async () => {
  const world = new World(5);
  const server = new Server(world);
  const network = new Network(world, server);
  const tab = { dead: false, offline: false };
  const storage = { ...new Device(world).storage(tab), write: () => Promise.reject(new Error("the disk is full")) };
  const doc = new InklogDocument({ url: "ws://x", docId: "d", user: "me", storage, WebSocket: network.socketOf(tab) }, envOf(world, tab));
  const errors: string[] = [];
  doc.on("error", ({ code, message }) => errors.push(`${code}: ${message}`));
  doc.insert(0, "kept in memory");
  await settle();
  while (!doc.save.allSaved) await world.step();
  assert.equal(server.whole().toString(), "kept in memory");
  assert.deepEqual(errors, ["storage: this device cannot store edits (the disk is full): do not close the page before everything is saved"]);
});

test("a browser is asked once to keep what is stored, when something is typed that it has to store", async () => {
  const world = new World(5);
  const network = new Network(world, new Server(world));
  const tab = { dead: false, offline: false };
  const types = (storage: OpenOptions["storage"]) => {
    persists = 0;
    const doc = new InklogDocument({ url: "ws://x", docId: "d", user: "me", WebSocket: network.socketOf(tab), ...(storage !== undefined && { storage }) }, envOf(world, tab));
    assert.equal(persists, 0);
    doc.insert(0, "a");
    doc.insert(0, "b");
    return persists;
  };
  assert.equal(types(undefined), 1);
  assert.equal(types(null), 0);
  assert.equal(types(new Device(world).storage(tab)), 0);
  await settle();
});

test("an environment without IndexedDB or Web Locks says which it lacks", async () => {
  for (const [name, value, message] of [["indexedDB", undefined, /no IndexedDB/], ["navigator", {}, /Web Locks need https/], ["navigator", undefined, /Web Locks need https/]] as const) {
    const own = Object.getOwnPropertyDescriptor(globalThis, name)!;
    Object.defineProperty(globalThis, name, { value, configurable: true });
    try {
      await assert.rejects(browserStorage("test"), message);
    } finally {
      Object.defineProperty(globalThis, name, own);
    }
  }
});

test("records are read by the whole of their prefix, and a database that another version wants is let go", async () => {
  const storage = await browserStorage("other");
  await storage.write([["d/a/1", 1], ["d/a/\u{1f600}", 2], ["d/b", 3], ["d", 4], ["c", 5]]);
  assert.deepEqual((await storage.read("d/a/")).map(([, value]) => value), [1, 2]);
  assert.deepEqual(await storage.read("nothing"), []);
  const deleting = indexedDB.deleteDatabase("other");
  await new Promise((resolve, reject) => {
    deleting.onsuccess = resolve;
    deleting.onblocked = () => reject(new Error("the database is held"));
  });
  await assert.rejects(storage.write([["d", 1]]));
  await assert.rejects(storage.read("d"));
});

test("a write that the browser gives up, and a database that it does not open, are errors", async () => {
  const storage = await browserStorage("given up");
  const { commit } = IDBTransaction.prototype;
  IDBTransaction.prototype.commit = function () {
    this.abort();
  };
  try {
    await assert.rejects(storage.write([["d", 1]]), /was aborted/);
  } finally {
    IDBTransaction.prototype.commit = commit;
  }
  assert.deepEqual(await storage.read("d"), []);
  const newer = indexedDB.open("newer", 2);
  await new Promise((resolve) => (newer.onsuccess = resolve));
  await assert.rejects(browserStorage("newer"), { name: "VersionError" });
});
