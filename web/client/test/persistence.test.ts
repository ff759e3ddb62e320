// What of a document is on a device: when it is read and written, and what becomes of what other tabs left.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Storage } from "../src/index.js";
import { TextDoc } from "../src/crdt/index.js";
import { settle } from "./sim/world.js";
import { moody, room } from "./tabs.js";

const OFFLINE = class {
  constructor() {
    throw new Error("offline");
  }
} as never;
const HERE = "ws://sim/dev";

const event = (agent: string, text: string) => ({ agent, after: 0, ops: [{ type: "insert" as const, id: `${agent}-0`, text, left: null }] });

/** What a tab left as agent `me~left`; a chain alone says that it wrote once. */
function left(records: Map<string, unknown>, { base, recent, unsent, log }: { base?: string; recent?: string; unsent?: string; log?: string }): void {
  const own = (name: string) => `d/me~left/${name}`;
  records.set("d/~/me~left", { end: 0, saved: 0, server: HERE, log });
  if (base) {
    const doc = new TextDoc();
    doc.apply(event("bob", base));
    records.set(own("base"), { state: doc.encode(), cursor: undefined, at: 1 });
  }
  if (recent) records.set(own("t1"), [event("carol", recent)]);
  if (unsent) records.set(own("e0000000000000000"), { after: 0, end: unsent.length, ops: event("me~left", unsent).ops, sent: false, over: [] });
}

test("a document is ready without a server if anything of it is kept, and not before", async () => {
  for (const [kept, isReady] of [[{}, false], [{ base: "base" }, true], [{ recent: "recent" }, true], [{ unsent: "unsent" }, true]] as const) {
    const { device, open, world } = room();
    left(device.records, kept);
    device.records.set("d/~/me~other", { end: 0, saved: 0, server: HERE, log: undefined });
    const { doc } = open({ WebSocket: OFFLINE });
    let text: string | null = null;
    void doc.ready.then(() => (text = doc.text));
    await world.runUntil(1_000);
    assert.equal(text, isReady ? Object.values(kept)[0] : null);
  }
});

test("what others who signed in here have kept is not shown, nor taken for this user's right", async () => {
  const { device, open, until, world } = room();
  left(device.records, { base: "mine" });
  const mine = [...device.records];
  device.records.clear();
  for (const [key, value] of mine) device.records.set(key.replace("me~left", "you~left"), value);
  const access = (server: string, user: string, access: string) => device.records.set(`d/~access/${server}`, { user, access });
  access(HERE, "you", "read");
  access(`${HERE}2`, "me", "manage");
  const { doc } = open({ WebSocket: OFFLINE });
  await world.runUntil(1_000);
  assert.deepEqual([doc.text, doc.user, doc.access, doc.readOnly], ["", "me", null, false]);
  access(HERE, "me", "read");
  const again = open({ WebSocket: OFFLINE });
  await until(() => again.doc.access !== null);
  assert.deepEqual([again.doc.access, again.doc.readOnly], ["read", true]);
  // On another server, the right may be another.
  device.records.delete(`d/~access/${HERE}`);
  const elsewhere = open({ WebSocket: OFFLINE });
  await world.runUntil(world.now + 1_000);
  assert.equal(elsewhere.doc.access, null);
});

test("a page that is left writes at once, though an earlier write is under way", async () => {
  const { device, open, until } = room();
  const written: string[][] = [];
  const slow: Storage = {
    ...device.storage({ dead: false }),
    write: (changes) => {
      written.push(changes.map(([key]) => key));
      return new Promise(() => {});
    },
  };
  const { doc, page } = open({ storage: slow, WebSocket: OFFLINE });
  // Before there is a store, there is nothing to be written to.
  page.dispatchEvent(new Event("pagehide"));
  await until(() => doc.storage.kind === "device");
  doc.insert(0, "one ");
  await until(() => written.length === 1);
  doc.insert(4, "two ");
  await settle();
  assert.equal(written.length, 1);
  page.dispatchEvent(new Event("pagehide"));
  await settle();
  assert.equal(written.length, 2);
  assert.ok(written[1]!.some((key) => /\/e0+$/.test(key)));
});

test("what is closed leaves a base and its agent to whoever comes next", async () => {
  const { device, open, until } = room();
  const { doc } = open();
  await until(() => doc.status === "online");
  doc.insert(0, "saved");
  await until(() => doc.save.allSaved);
  let isClosed = false;
  void doc.close().then(() => (isClosed = true));
  await until(() => isClosed);
  const keys = [...device.records.keys()].filter((key) => key.startsWith(`d/${doc.agent}/`));
  assert.deepEqual(keys, [`d/${doc.agent}/base`]);
  // The tab is still there, and holds nothing.
  const next = open({ WebSocket: OFFLINE });
  await until(() => next.doc.text === "saved");
  assert.equal(next.doc.agent, doc.agent);
});

test("what a tab that dies has not sent is sent by another, each time", async () => {
  const { device, open, until, server } = room();
  const { doc } = open();
  await until(() => doc.status === "online");
  for (const word of ["one ", "two "]) {
    const other = open();
    await until(() => other.doc.status === "online");
    other.tab.offline = true;
    other.page.dispatchEvent(new Event("offline"));
    other.doc.insert(other.doc.length, word);
    await until(() => [...device.records.keys()].some((key) => key.startsWith(`d/${other.doc.agent}/e`)));
    device.kill(other.tab);
    await until(() => doc.text.endsWith(word) && doc.save.allSaved);
    // Whoever opens the document next may go on with its agent.
    let lock: unknown;
    void device.storage({ dead: false }).lock(`d/${other.doc.agent}/`).then((free) => (lock = free));
    await until(() => lock !== undefined);
    assert.notEqual(lock, null);
  }
  assert.equal(server.whole().toString(), "one two ");
});

test("of another log's copies, only those stay in which something waits to be sent", async () => {
  for (const unsent of [undefined, "unsent"]) {
    const { device, open, until, world } = room();
    const { doc } = open();
    await until(() => doc.status === "online");
    doc.insert(0, "here");
    await until(() => doc.save.allSaved);
    // Another tab leaves this, which is of a log of before.
    left(device.records, { base: "there", unsent, log: "log-0" });
    doc.insert(0, "still ");
    // It is looked for after each sync.
    await world.runUntil(world.now + 120_000);
    assert.equal([...device.records.keys()].filter((key) => key.includes("me~left")).length, unsent ? 3 : 0);
    assert.equal(doc.text, "still here");
  }
});

test("forks are this server's, oldest first, and are discarded one by one", async () => {
  const { device, open, until, world } = room();
  for (const [id, at, server] of [["b", 2, HERE], ["a", 1, HERE], ["c", 3, HERE], ["there", 0, "ws://other/dev"]] as const) {
    device.records.set(`d/~fork/${id}`, { id, text: `text ${id}`, at, server, log: undefined });
  }
  const { doc } = open({ WebSocket: OFFLINE });
  let told = 0;
  doc.on("forked", () => void told++);
  await until(() => doc.forks.length > 0);
  assert.deepEqual(doc.forks, [{ id: "a", text: "text a", at: 1 }, { id: "b", text: "text b", at: 2 }, { id: "c", text: "text c", at: 3 }]);
  assert.equal(told, 1);
  doc.discardFork("unknown");
  doc.discardFork("there");
  assert.equal(told, 1);
  doc.discardFork("b");
  assert.deepEqual([doc.forks.map(({ id }) => id), told], [["a", "c"], 2]);
  await world.runUntil(world.now + 1_000);
  assert.deepEqual([...device.records.keys()].sort(), ["d/~fork/a", "d/~fork/c", "d/~fork/there"]);
});

test("forks that a store has, and those that came while it failed, are there together once it works again", async () => {
  const { device, open, until, world } = room();
  const tab = { dead: false };
  const { mood, storage } = moody(device.storage(tab));
  for (const id of ["a", "b"]) device.records.set(`d/~fork/${id}`, { id, text: `text ${id}`, at: 0, server: HERE, log: undefined });
  const { doc } = open({ storage, WebSocket: OFFLINE });
  await until(() => doc.storage.kind === "device");
  mood.write = "fails";
  doc.insert(0, "x");
  await until(() => doc.storage.kind === "memory");
  doc["core"].putAside!("text c", undefined);
  delete mood.write;
  await until(() => doc.storage.kind === "device");
  await world.runUntil(world.now + 1_000);
  const texts = ["text a", "text b", "text c"];
  assert.deepEqual(doc.forks.map(({ text }) => text), texts);
  device.kill(tab);
  const later = open({ WebSocket: OFFLINE });
  await until(() => later.doc.forks.length > 0);
  assert.deepEqual(later.doc.forks.map(({ text }) => text), texts);
});

test("a tab that is alive keeps its agent, and what it has not sent", async () => {
  const { open, until, server, world } = room();
  const first = open({ WebSocket: OFFLINE });
  first.doc.insert(0, "mine");
  await world.runUntil(1_000);
  const second = open();
  await until(() => second.doc.status === "online");
  await world.runUntil(world.now + 120_000);
  assert.notEqual(second.doc.agent, first.doc.agent);
  assert.equal(server.whole().toString(), "");
});

test("what an agent wrote while its store failed is not gone on from by others, who cannot know of it", async () => {
  const { device, open, until, server, world } = room();
  const { mood, storage } = moody(device.storage({ dead: false }));
  const { doc } = open({ storage });
  await until(() => doc.status === "online");
  doc.insert(0, "one ");
  await until(() => doc.save.allSaved);
  await world.runUntil(world.now + 100);
  const { agent } = doc;
  mood.write = "fails";
  doc.insert(4, "two ");
  await until(() => doc.storage.kind === "memory" && doc.save.allSaved);
  assert.notEqual(doc.agent, agent);
  await world.runUntil(world.now + 1_000);
  const other = open({ WebSocket: OFFLINE });
  await until(() => other.doc.text === "one ");
  assert.notEqual(other.doc.agent, agent);
  other.doc.insert(4, "three ");
  await world.runUntil(world.now + 1_000);
  assert.equal(server.whole().toString(), "one two ");
});

test("a store that goes on failing is tried ever less often, and works again once it does", async () => {
  const { device, open, until, world } = room();
  const tab = { dead: false };
  const { mood, storage } = moody(device.storage(tab));
  let tries = 0;
  const counted: Storage = { ...storage, read: (prefix) => (tries++, storage.read(prefix)) };
  const { doc } = open({ storage: counted, WebSocket: OFFLINE });
  await until(() => doc.storage.kind === "device");
  mood.write = "fails";
  mood.read = "fails";
  const failing = [...device.records];
  tries = 0;
  for (let minute = 0; minute < 60; minute++) {
    doc.insert(0, "x");
    await world.runUntil(world.now + 60_000);
    assert.equal(doc.storage.kind, "memory");
  }
  assert.deepEqual([...device.records], failing);
  // From two seconds to five minutes.
  assert.ok(tries > 10 && tries < 35, `${tries}`);
  mood.read = undefined;
  mood.write = undefined;
  await until(() => doc.storage.kind === "device");
  await world.runUntil(world.now + 1_000);
  device.kill(tab);
  const later = open({ WebSocket: OFFLINE });
  await until(() => later.doc.text === doc.text);
});

test("a document that is closed leaves a store that failed alone", async () => {
  for (const isTrying of [false, true]) {
    const { device, open, until, world } = room();
    const { mood, storage } = moody(device.storage({ dead: false }));
    let calls = 0;
    const counted: Storage = { ...storage, lock: (name) => (calls++, storage.lock(name)), read: (prefix) => (calls++, storage.read(prefix)) };
    const { doc } = open({ storage: counted, WebSocket: OFFLINE });
    await until(() => doc.storage.kind === "device");
    doc.insert(0, "x");
    await world.runUntil(world.now + 100);
    const { agent } = doc;
    mood.write = "fails";
    doc.insert(0, "y");
    await until(() => doc.storage.kind === "memory");
    if (isTrying) {
      calls = 0;
      await until(() => calls > 0);
    }
    let isClosed = false;
    void doc.close().then(() => (isClosed = true));
    await until(() => isClosed);
    await world.runUntil(world.now + 100);
    calls = 0;
    await world.runUntil(world.now + 3_600_000);
    assert.equal(calls, 0);
    // What it held is free, and gone on with.
    const later = open({ WebSocket: OFFLINE });
    await until(() => later.doc.text === "x");
    assert.equal(later.doc.agent, agent);
  }
});

test("an agent that is done with is free for others only once the store has what is left of it", async () => {
  const { device, open, until, world } = room();
  const { mood, storage } = moody(device.storage({ dead: false }));
  const { doc, page } = open({ storage });
  await until(() => doc.status === "online");
  const other = open();
  await until(() => other.doc.status === "online");
  other.tab.offline = true;
  other.page.dispatchEvent(new Event("offline"));
  other.doc.insert(0, "left");
  await until(() => [...device.records.keys()].some((key) => key.startsWith(`d/${other.doc.agent}/e`)));
  device.kill(other.tab);
  await until(() => doc.text === "left");
  // The write that follows from the acknowledgement takes its time, in which the document joins anew.
  doc.on("save", ({ allSaved }) => void (allSaved && (mood.write = "hangs")));
  await until(() => doc.save.allSaved);
  let joins = 0;
  doc.on("status", (status) => void (joins += Number(status === "online")));
  page.dispatchEvent(new Event("online"));
  await until(() => joins > 0, 5_000);
  await world.runUntil(world.now + 100);
  let lock: unknown;
  void device.storage({ dead: false }).lock(`d/${other.doc.agent}/`).then((free) => (lock = free));
  await until(() => lock !== undefined);
  assert.equal(lock, null);
});
