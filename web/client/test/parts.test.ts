// Presence, the connection and the store, each for itself.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { InklogDocument, type InklogError, type WebSocketLike } from "../src/index.js";
import { newLink } from "../src/link.js";
import { presenceOf } from "../src/presence.js";
import { browserStorage } from "../src/storage.js";
import { newLane } from "../src/sync/outbox.js";
import { Device } from "./sim/device.js";
import { Network, envOf } from "./sim/network.js";
import { Server } from "./sim/server.js";
import { World, settle } from "./sim/world.js";

/** A document that reaches no server, at a time of one's own. */
function alone() {
  const world = new World(1);
  const doc = new InklogDocument({ url: "ws://x", docId: "d", user: "me", storage: null }, envOf(world, { dead: true }));
  return { world, doc };
}

// --- Presence

/** As if it were connected; `sends` gives what the server gets. */
function shower() {
  const { world, doc } = alone();
  doc.core.visible = false;
  doc.core.connected(0);
  doc.core.connection!.synced = true;
  const sent: any[] = [];
  doc.send = (frame) => void sent.push(JSON.parse(frame));
  const sends = () => {
    doc.flush();
    return sent.splice(0).filter(({ action }) => action === "PRESENCE").map(({ agent, state }) => [agent, state]);
  };
  return { world, doc, lane: presenceOf(doc), sends };
}

test("presence goes out on change only, five times a second at most, and is renewed", () => {
  const { world, doc, lane, sends } = shower();
  assert.equal(presenceOf(doc), lane);
  const sent: number[] = [];
  for (; world.now < 100_000; world.now += 10) {
    if (world.now < 2_000) lane.set({ at: world.now });
    if (sends().length) sent.push(world.now);
  }
  assert.equal(sent.filter((at) => at < 2_000).length, 10);
  assert.deepEqual(sent.slice(10), [2_000, 42_000, 82_000]);
  lane.set(null);
  assert.deepEqual(sends(), [[doc.agent, null]]);
  world.now = 200_000;
  assert.deepEqual(sends(), []);
});

test("a new connection is told what is shown; under a new agent, the old one's presence is taken away", () => {
  const { world, doc, lane, sends } = shower();
  const { agent } = doc;
  lane.set({ x: 1 });
  assert.deepEqual(sends(), [[agent, { x: 1 }]]);
  world.now = 1_000;
  assert.deepEqual(sends(), []);
  doc.core.connected(1_000);
  doc.core.connection!.synced = true;
  assert.deepEqual(sends(), [[agent, { x: 1 }]]);
  doc.core.lanes = [newLane("new")];
  world.now = 2_000;
  assert.deepEqual(sends(), [[agent, null], ["new", { x: 1 }]]);
});

test("others lapse when they are not heard of, also those who came before they were asked for", () => {
  const { world, doc } = alone();
  doc.core.visible = false;
  doc.core.connected(0);
  const shows = (state: object | null) => doc.core.received(JSON.stringify({ action: "REMOTE_PRESENCE", agent: "bob~1", state }), world.now);
  shows({ x: 1 });
  const lane = presenceOf(doc);
  assert.deepEqual([...lane.others.values()], [{ agent: "bob~1", user: "bob", state: { x: 1 } }]);
  const seen: number[] = [];
  doc.on("presence", ({ size }) => seen.push(size));
  for (const now of [74_999, 75_000]) {
    world.now = now;
    doc.flush();
    assert.equal(lane.others.size, now < 75_000 ? 1 : 0);
  }
  shows({ x: 2 });
  doc.flush();
  shows(null);
  doc.flush();
  assert.deepEqual(seen, [1, 0, 1, 0]);
});

test("a state is at most 4,096 bytes of JSON, as the server counts them: one more throws, and the last one stays", () => {
  const { world, lane, sends } = shower();
  const framed = (json: string) => Buffer.byteLength(json) - Buffer.byteLength('{"name":""}');
  // What JSON writes as it is, in 1 to 4 bytes, and what it escapes, in 2 and 6; half a pair is sent as three bytes.
  for (const char of ["x", "é", "…", "😀", '"', "\\", "\n", "\u0001", "\ud83d"]) {
    const each = char === "\ud83d" ? 3 : framed(JSON.stringify({ name: char }));
    const room = 4096 - Buffer.byteLength('{"name":""}');
    const fits = char.repeat(Math.floor(room / each)) + "x".repeat(room % each);
    lane.set({ name: fits });
    world.now += 200;
    const [[, state]] = sends() as [[string, any]];
    assert.equal(Buffer.byteLength(JSON.stringify(state)), 4096, JSON.stringify(char));
    assert.equal(state.name, fits.toWellFormed());
    assert.throws(() => lane.set({ name: fits + "x" }), new RangeError("a presence state has at most 4096 bytes of JSON, this one has 4097"));
    world.now += 200;
    assert.deepEqual(sends(), [], "the last one stays");
  }
});

test("what is no JSON object is refused, and the last one stays", () => {
  const { world, lane, sends } = shower();
  lane.set({ x: 1 });
  assert.equal(sends().length, 1);
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const odd = [undefined, "a", 7, true, [], [{}], () => {}, Symbol("a"), 7n, { at: 7n }, new Date(0), new Map([["a", 1]]), new Set(), circle, { toJSON: () => "a" }, { toJSON() {} }];
  for (const state of odd) {
    assert.throws(() => lane.set(state as any), TypeError, String(state?.constructor?.name));
    world.now += 200;
    assert.deepEqual(sends(), []);
  }
  assert.throws(() => lane.set(undefined as any), { message: "a presence state must be a JSON object or null, not Undefined" });
  for (const state of [{}, Object.assign(Object.create(null), { bare: true }), new (class Me { name = "Ada"; })(), { cut: "\ud83d", path: "C:\\ud83d" }]) {
    lane.set(state);
    world.now += 200;
    assert.deepEqual(sends().map(([, shown]) => shown), [JSON.parse(JSON.stringify(state), (_, value) => value.toWellFormed?.() ?? value)]);
  }
});

test("of a crowd's messages many are told at once, and each within a fraction of a second", () => {
  const { world, doc } = alone();
  doc.core.connected(0);
  const lane = presenceOf(doc);
  let told = 0;
  doc.on("presence", () => told++);
  const shows = (who: number, state: object | null) => {
    doc.core.received(JSON.stringify({ action: "REMOTE_PRESENCE", agent: `u${who}~1`, state }), world.now);
    doc.flush();
  };
  // A few: each at once.
  for (let who = 0; who < 10; who++) shows(who, { at: 0 });
  assert.deepEqual([lane.others.size, told], [10, 10]);
  for (let who = 10; who < 1_000; who++) shows(who, { at: 0 });
  told = 0;
  // A message a millisecond.
  for (let i = 0; i < 5_000; i++, world.now++) shows(i % 1_000, { at: 1 + i });
  assert.ok(told >= 50 && told <= 101, `${told} times in five seconds`);
  world.now += 50;
  doc.flush();
  assert.deepEqual([...lane.others.values()].map(({ state }) => state), Array.from({ length: 1_000 }, (_, who) => ({ at: 4_001 + who })));
  shows(7, null);
  world.now += 50;
  doc.flush();
  assert.equal(lane.others.has("u7~1"), false);
});

test("a closed document knows nobody, whenever it is asked", async () => {
  const { world, doc } = alone();
  doc.core.connected(0);
  const shows = () => doc.core.received(JSON.stringify({ action: "REMOTE_PRESENCE", agent: "bob~1", state: {} }), world.now);
  shows();
  const seen: number[] = [];
  doc.on("presence", ({ size }) => seen.push(size));
  assert.equal(presenceOf(doc).others.size, 1);
  await doc.close();
  assert.equal(presenceOf(doc).others.size, 0);
  assert.deepEqual(seen, [1, 0]);
  presenceOf(doc).set({ x: 1 });
  const other = alone().doc;
  other.core.connected(0);
  other.core.received(JSON.stringify({ action: "REMOTE_PRESENCE", agent: "bob~1", state: {} }), 0);
  await other.close();
  assert.equal(presenceOf(other).others.size, 0);
});

// --- The connection

interface FakeSocket extends WebSocketLike {
  url: string;
}

function link(random = () => 1, token?: () => string) {
  const world = new World(1);
  const sockets: FakeSocket[] = [];
  const problems: (InklogError | null)[] = [];
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
  const env = { ...envOf(world, { dead: false }), Math: { random } };
  const options = { url: "ws://x/dev", docId: "d", WebSocket: Socket, ...(token && { token }) };
  const link = newLink(options, env, { connected() {}, received() {}, disconnected() {} }, () => {}, (problem) => void problems.push(problem));
  /** Time goes to what is due. */
  const next = async () => {
    const waited = Math.max(0, link.deadline - world.now);
    world.now += waited;
    link.tick(world.now);
    await settle();
    return waited;
  };
  return { link, sockets, next, world, problems };
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
  one.status = "online";
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
  one.again();
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
  await settle();
  while (!doc.save.allSaved) await world.step();
  assert.equal(server.whole().toString(), "kept in memory");
  assert.deepEqual(errors, ["storage: this device cannot store edits (the disk is full): do not close the page before everything is saved"]);
});

test("names that the server would refuse are refused at once", () => {
  const open = (names: object) => new InklogDocument({ url: "ws://x", docId: "d", ...names }, envOf(new World(1), { dead: true }));
  assert.throws(() => open({ docId: "a/b" }), /docId must be 1 to 128/);
  assert.throws(() => open({ user: "Alice Smith" }), /user must be 1 to 40/);
});

test("of one's own presence nothing is shown, not even an earlier connection's", async () => {
  const world = new World(5);
  const server = new Server(world);
  const network = new Network(world, server);
  const [alice, bob] = ["alice", "bob"].map((user) => {
    const tab = { dead: false, offline: false };
    const options = { url: "ws://x", docId: "d", user, storage: null, WebSocket: network.socketOf(tab) };
    const doc = new InklogDocument(options, envOf(world, tab));
    presenceOf(doc).set({ user });
    return doc;
  }) as [InklogDocument, InklogDocument];
  await settle();
  await world.runUntil(10_000);
  assert.deepEqual([...presenceOf(bob).others.keys()], [alice.agent]);
  network.cut();
  await world.runUntil(20_000);
  assert.deepEqual([...presenceOf(alice).others.keys()], [bob.agent]);
  await alice.close();
  await world.runUntil(21_000);
  assert.deepEqual([...presenceOf(bob).others.keys()], []);
});
