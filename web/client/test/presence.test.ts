// Who is here, and what they show.

import assert from "node:assert/strict";
import { test } from "node:test";
import { InklogDocument } from "../src/index.js";
import { presenceOf } from "../src/presence.js";
import { newOutbox } from "../src/sync/outbox.js";
import { Network, envOf } from "./sim/network.js";
import { Server } from "./sim/server.js";
import { World, settle } from "./sim/world.js";

/** A document that reaches no server, at a time of one's own. */
function alone() {
  const world = new World(1);
  const doc = new InklogDocument({ url: "ws://x", docId: "d", user: "me", storage: null }, envOf(world, { dead: true }));
  return { world, doc };
}

/** As if it were connected; `sends` gives what the server gets. */
function shower() {
  const { world, doc } = alone();
  doc.core.visible = false;
  doc.core.connected(0);
  doc.core.connection!.synced = true;
  const sent: any[] = [];
  doc.send = (message) => void sent.push(message);
  const sends = () => {
    doc.flush();
    return sent.splice(0).filter(({ action }) => action === "PRESENCE").map(({ agent, state }) => [agent, state]);
  };
  return { world, doc, presence: presenceOf(doc), sends };
}

test("presence goes out on change only, five times a second at most, and is renewed", () => {
  const { world, doc, presence, sends } = shower();
  assert.equal(presenceOf(doc), presence);
  const sent: number[] = [];
  for (; world.now < 100_000; world.now += 10) {
    if (world.now < 2_000) presence.set({ at: world.now });
    if (sends().length) sent.push(world.now);
  }
  assert.equal(sent.filter((at) => at < 2_000).length, 10);
  assert.deepEqual(sent.slice(10), [2_000, 42_000, 82_000]);
  presence.set(null);
  assert.deepEqual(sends(), [[doc.agent, null]]);
  world.now = 200_000;
  assert.deepEqual(sends(), []);
});

test("a new connection is told what is shown; under a new agent, the old one's presence is taken away", () => {
  const { world, doc, presence, sends } = shower();
  const { agent } = doc;
  presence.set({ x: 1 });
  assert.deepEqual(sends(), [[agent, { x: 1 }]]);
  world.now = 1_000;
  assert.deepEqual(sends(), []);
  doc.core.connected(1_000);
  doc.core.connection!.synced = true;
  assert.deepEqual(sends(), [[agent, { x: 1 }]]);
  doc.core.outboxes = [newOutbox("new")];
  world.now = 2_000;
  assert.deepEqual(sends(), [[agent, null], ["new", { x: 1 }]]);
});

test("others lapse when they are not heard of, also those who came before they were asked for", () => {
  const { world, doc } = alone();
  doc.core.visible = false;
  doc.core.connected(0);
  const shows = (state: object | null) => doc.core.received(JSON.stringify({ action: "REMOTE_PRESENCE", agent: "bob~1", state }), world.now);
  shows({ x: 1 });
  const presence = presenceOf(doc);
  assert.deepEqual([...presence.others.values()], [{ agent: "bob~1", user: "bob", state: { x: 1 } }]);
  const seen: number[] = [];
  doc.on("presence", ({ size }) => seen.push(size));
  for (const now of [74_999, 75_000]) {
    world.now = now;
    doc.flush();
    assert.equal(presence.others.size, now < 75_000 ? 1 : 0);
  }
  shows({ x: 2 });
  doc.flush();
  shows(null);
  doc.flush();
  assert.deepEqual(seen, [1, 0, 1, 0]);
});

test("a state is at most 4,096 bytes of JSON, as the server counts them: one more throws, and the last one stays", () => {
  const { world, presence, sends } = shower();
  const framed = (json: string) => Buffer.byteLength(json) - Buffer.byteLength('{"name":""}');
  // What JSON writes as it is, in 1 to 4 bytes, and what it escapes, in 2 and 6; half a pair is sent as three bytes.
  for (const char of ["x", "é", "…", "😀", '"', "\\", "\n", "\u0001", "\ud83d"]) {
    const each = char === "\ud83d" ? 3 : framed(JSON.stringify({ name: char }));
    const room = 4096 - Buffer.byteLength('{"name":""}');
    const fits = char.repeat(Math.floor(room / each)) + "x".repeat(room % each);
    presence.set({ name: fits });
    world.now += 200;
    const [[, state]] = sends() as [[string, any]];
    assert.equal(Buffer.byteLength(JSON.stringify(state)), 4096, JSON.stringify(char));
    assert.equal(state.name, fits.toWellFormed());
    assert.throws(() => presence.set({ name: fits + "x" }), new RangeError("a presence state has at most 4096 bytes of JSON, this one has 4097"));
    world.now += 200;
    assert.deepEqual(sends(), [], "the last one stays");
  }
});

test("what is no JSON object is refused, and the last one stays", () => {
  const { world, presence, sends } = shower();
  presence.set({ x: 1 });
  assert.equal(sends().length, 1);
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const odd = [undefined, "a", 7, true, [], [{}], () => {}, Symbol("a"), 7n, { at: 7n }, new Date(0), new Map([["a", 1]]), new Set(), circle, { toJSON: () => "a" }, { toJSON() {} }];
  for (const state of odd) {
    assert.throws(() => presence.set(state as any), TypeError, String(state?.constructor?.name));
    world.now += 200;
    assert.deepEqual(sends(), []);
  }
  assert.throws(() => presence.set(undefined as any), { message: "a presence state must be a JSON object or null, not Undefined" });
  for (const state of [{}, Object.assign(Object.create(null), { bare: true }), new (class Me { name = "Ada"; })(), { cut: "\ud83d", path: "C:\\ud83d" }]) {
    presence.set(state);
    world.now += 200;
    assert.deepEqual(sends().map(([, shown]) => shown), [JSON.parse(JSON.stringify(state), (_, value) => value.toWellFormed?.() ?? value)]);
  }
});

test("of a crowd's messages many are told at once, and each within a fraction of a second", () => {
  const { world, doc } = alone();
  doc.core.connected(0);
  const presence = presenceOf(doc);
  let told = 0;
  doc.on("presence", () => told++);
  const shows = (who: number, state: object | null) => {
    doc.core.received(JSON.stringify({ action: "REMOTE_PRESENCE", agent: `u${who}~1`, state }), world.now);
    doc.flush();
  };
  // A few: each at once.
  for (let who = 0; who < 10; who++) shows(who, { at: 0 });
  assert.deepEqual([presence.others.size, told], [10, 10]);
  for (let who = 10; who < 1_000; who++) shows(who, { at: 0 });
  told = 0;
  // A message a millisecond.
  for (let i = 0; i < 5_000; i++, world.now++) shows(i % 1_000, { at: 1 + i });
  assert.ok(told >= 50 && told <= 101, `${told} times in five seconds`);
  world.now += 50;
  doc.flush();
  assert.deepEqual([...presence.others.values()].map(({ state }) => state), Array.from({ length: 1_000 }, (_, who) => ({ at: 4_001 + who })));
  shows(7, null);
  world.now += 50;
  doc.flush();
  assert.equal(presence.others.has("u7~1"), false);
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
