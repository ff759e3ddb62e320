// Undo, presence, the connection and the store, each for itself.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { InklogDocument, type WebSocketLike } from "../src/index.js";
import { History } from "../src/history.js";
import { Link } from "../src/link.js";
import { PresenceLane } from "../src/presence.js";
import { browserStorage } from "../src/storage.js";
import { Core } from "../src/sync/core.js";
import { Device } from "./sim/device.js";
import { Network, envOf } from "./sim/network.js";
import { Random } from "./sim/random.js";
import { Server } from "./sim/server.js";
import { World, settle } from "./sim/world.js";

// --- Undo

function writer() {
  const core = new Core("d", () => "me", new Random(1).next);
  const history = new History(core, 500);
  let now = 0;
  const { undoable, redoable } = history;
  return {
    core,
    text: () => core.doc.toString(),
    types: (at: number, text: string, after = 1_000) => void history.insert(at, text, (now += after)),
    deletes: (at: number, len: number, after = 1_000) => history.delete(at, len, (now += after)),
    undo: () => history.take(undoable, redoable, []),
    redo: () => history.take(redoable, undoable, []),
    bob: (at: number, text: string) => void core.doc.insert("bob", at, text),
    bobDeletes: (at: number, len: number) => void core.doc.delete("bob", at, len),
    steps: () => [undoable.length, redoable.length],
  };
}

test("undo takes back one's own typing only, whatever was typed into it", () => {
  const me = writer();
  me.types(0, "mine");
  me.bob(2, "BOB");
  assert.equal(me.text(), "miBOBne");
  me.undo();
  assert.equal(me.text(), "BOB");
  me.redo();
  assert.equal([...me.text()].sort().join(""), [..."mineBOB"].sort().join(""));
  me.undo();
  assert.equal(me.text(), "BOB");
});

test("what was deleted comes back in its place, around what others wrote there", () => {
  const me = writer();
  me.bob(0, "abcdef");
  me.deletes(1, 4);
  assert.equal(me.text(), "af");
  me.undo();
  assert.equal(me.text(), "abcdef");
  me.redo();
  assert.equal(me.text(), "af");
  me.undo();
  assert.equal(me.text(), "abcdef");
});

test("deleting forwards and backwards in one step comes back in order", () => {
  for (const places of [[1, 1, 1], [3, 2, 1], [2, 1, 1]]) {
    const me = writer();
    me.types(0, "abcde");
    for (const [i, at] of places.entries()) me.deletes(at, 1, i ? 100 : 1_000);
    assert.equal(me.text(), "ae");
    me.undo();
    assert.equal(me.text(), "abcde");
  }
});

test("edits close in time are one step; what was undone can be redone until something else is typed", () => {
  const me = writer();
  me.types(0, "a");
  me.types(1, "b", 400);
  me.types(2, "c", 501);
  assert.deepEqual(me.steps(), [2, 0]);
  me.undo();
  assert.equal(me.text(), "ab");
  me.undo();
  assert.equal(me.text(), "");
  me.redo();
  assert.equal(me.text(), "ab");
  me.types(2, "!");
  assert.deepEqual(me.steps(), [2, 0]);
});

test("typing that was deleted and brought back is taken back all the same", () => {
  const me = writer();
  me.types(0, "hello 😀");
  me.deletes(2, 6);
  me.undo();
  assert.equal(me.text(), "hello 😀");
  me.undo();
  assert.equal(me.text(), "");
  me.redo();
  me.redo();
  assert.equal(me.text(), "he");
});

test("random undo and redo all the way down and up again", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const me = writer();
    const texts = [""];
    for (let i = 0; i < 12; i++) {
      const { length } = me.text();
      if (length && random.chance(0.4)) me.deletes(random.below(length), 1);
      else me.types(random.below(length + 1), "abcdefgh".slice(0, 1 + random.below(4)));
      texts.push(me.text());
    }
    for (const round of [1, 2]) {
      for (let i = 12; i-- > 0; ) {
        me.undo();
        assert.equal(me.text(), texts[i], `seed ${seed}, round ${round}`);
      }
      for (let i = 1; i <= 12; i++) {
        me.redo();
        assert.equal(me.text(), texts[i], `seed ${seed}, round ${round}`);
      }
    }
  }
});

// --- Presence

test("presence goes out on change only, five times a second at most, and is renewed", () => {
  const lane = new PresenceLane();
  const sent: number[] = [];
  for (let now = 0; now < 100_000; now += 10) {
    if (now < 2_000) lane.set({ at: now });
    if (lane.due("me", now).length) sent.push(now);
  }
  assert.equal(sent.filter((at) => at < 2_000).length, 10);
  assert.deepEqual(sent.slice(10), [2_000, 42_000, 82_000]);
  lane.set(null);
  assert.deepEqual(lane.due("me", 100_000), [["me", "null"]]);
  assert.deepEqual(lane.due("me", 200_000), []);
});

test("under a new agent, the old one's presence is taken away", () => {
  const lane = new PresenceLane();
  lane.set({ x: 1 });
  lane.due("old", 0);
  assert.deepEqual(lane.due("new", 1_000), [["old", "null"], ["new", '{"x":1}']]);
});

test("others lapse when they are not heard of, and a state over 4 KB stays here", () => {
  const lane = new PresenceLane();
  lane.received("bob~1", { x: 1 }, 0);
  assert.equal(lane.others.get("bob~1")!.user, "bob");
  assert.ok(!lane.lapse(60_000));
  assert.ok(lane.lapse(75_000));
  assert.equal(lane.others.size, 0);
  assert.ok(!lane.set({ x: "é".repeat(2_048) }));
});

// --- The connection

interface FakeSocket extends WebSocketLike {
  url: string;
}

function link(random = () => 1, token?: () => string) {
  const world = new World(1);
  const sockets: FakeSocket[] = [];
  class Socket implements FakeSocket {
    onopen = null;
    onmessage = null;
    onclose: ((event: any) => void) | null = null;
    onerror = null;
    constructor(readonly url: string) {
      sockets.push(this);
    }
    send() {}
    close() {
      this.onclose?.({});
    }
  }
  const env = { ...envOf(world, { dead: false }), random };
  const options = { url: "ws://x/dev", docId: "d", WebSocket: Socket, ...(token && { token }) };
  const link = new Link(options, env, { opened() {}, received() {}, lost() {} });
  /** Time goes to what is due. */
  const next = async () => {
    const waited = Math.max(0, link.deadline - world.now);
    world.now += waited;
    link.tick(world.now);
    await settle();
    return waited;
  };
  return { link, sockets, next, world };
}

test("after a loss it connects again, with pauses that double up to 30 s, each with full jitter", async () => {
  const { link: one, sockets, next } = link();
  await next();
  const pauses: number[] = [];
  for (let i = 0; i < 9; i++) {
    sockets.at(-1)!.onclose!({});
    assert.equal(one.status, "offline");
    pauses.push(await next());
  }
  assert.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  const { sockets: others, next: later } = link(() => 0.25);
  await later();
  others.at(-1)!.onclose!({});
  assert.equal(await later(), 125);
});

test("the token is asked for before each connection, also after a refusal", async () => {
  let asked = 0;
  const { link: one, sockets, next } = link(undefined, () => `t/${++asked}`);
  await next();
  assert.equal(sockets[0]!.url, "ws://x/dev?token=t%2F1");
  sockets[0]!.onerror!({ message: "Unexpected server response: 401" });
  sockets[0]!.onclose!({});
  assert.equal(one.status, "refused");
  await next();
  assert.equal(sockets[1]!.url, "ws://x/dev?token=t%2F2");
});

test("a connection is made anew before the gateway's two hours, and an attempt without an answer is given up", async () => {
  const { link: one, sockets, next } = link(() => 0.999);
  await next();
  assert.equal(await next(), 15_000);
  await next();
  sockets.at(-1)!.onopen!({});
  one.settled();
  const lifetime = await next();
  assert.ok(lifetime > 100 * 60_000 && lifetime < 118 * 60_000);
  assert.equal(await next(), 0);
  assert.equal(one.status, "connecting");
});

test("the network's coming back is not waited for", async () => {
  const { link: one, sockets, next } = link();
  await next();
  for (let i = 0; i < 6; i++) {
    sockets.at(-1)!.onclose!({});
    await next();
  }
  one.offline();
  assert.equal(one.status, "offline");
  one.online();
  assert.equal(await next(), 0);
});

// --- The store

/** Web Locks, as far as they are used. */
const held = new Set<string>();
Object.defineProperty(globalThis, "navigator", {
  configurable: true,
  value: {
    locks: {
      async request(name: string, _: object, run: (lock: object | null) => unknown) {
        if (held.has(name)) return run(null);
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
  while (!doc.save.allSaved) await world.step();
  assert.equal(server.whole().toString(), "kept in memory");
  assert.deepEqual(errors, ["storage: this device keeps nothing more (the disk is full): do not close before all is saved"]);
});

test("names that the server would refuse are refused at once", () => {
  const open = (names: object) => new InklogDocument({ url: "ws://x", docId: "d", ...names }, envOf(new World(1), { dead: true }));
  assert.throws(() => open({ docId: "a/b" }), /docId is 1 to 128/);
  assert.throws(() => open({ user: "Alice Smith" }), /user is 1 to 40/);
});

test("of one's own presence nothing is shown, not even an earlier connection's", async () => {
  const world = new World(5);
  const server = new Server(world);
  const network = new Network(world, server);
  const [alice, bob] = ["alice", "bob"].map((user) => {
    const tab = { dead: false, offline: false };
    const options = { url: "ws://x", docId: "d", user, storage: null, WebSocket: network.socketOf(tab), presence: { user } };
    return new InklogDocument(options, envOf(world, tab));
  }) as [InklogDocument, InklogDocument];
  await settle();
  await world.runUntil(10_000);
  assert.deepEqual([...bob.presence.keys()], [alice.agent]);
  network.cut();
  await world.runUntil(20_000);
  assert.deepEqual([...alice.presence.keys()], [bob.agent]);
  await alice.close();
  await world.runUntil(21_000);
  assert.deepEqual([...bob.presence.keys()], []);
});
