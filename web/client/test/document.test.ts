// A document as an application holds it: where it keeps what is typed, what keeps it from its server, what it puts aside.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { type Fork, type OpenOptions, forgetDocument } from "../src/index.js";
import { leastChange } from "../src/restore.js";
import { inTime } from "../src/storage.js";
import { undoOf } from "../src/undo.js";
import { Network } from "./sim/network.js";
import { Random } from "./sim/random.js";
import { Server } from "./sim/server.js";
import { settle } from "./sim/world.js";
import { moody, room } from "./tabs.js";

const asks = (page: EventTarget): boolean => !page.dispatchEvent(new Event("beforeunload", { cancelable: true }));

// --- Where it is kept

test("where text is kept can be read, by who comes later, too", async () => {
  const { open, until } = room();
  const { doc } = open();
  assert.deepEqual(doc.storage, { kind: "opening", reason: null });
  await until(() => doc.storage.kind === "device");
  const memory = open({ storage: null });
  await settle();
  assert.equal(memory.doc.storage.kind, "memory");
  assert.match(memory.doc.storage.reason!, /turned storage off/);
});

for (const call of ["read", "lock"] as const) {
  test(`a store whose ${call} never answers is waited for for seconds, then memory has it, and later the store`, async () => {
    const { open, until, device, world } = room();
    const { mood, storage } = moody(device.storage({ dead: false }));
    // A record to be locked.
    const first = open();
    first.doc.insert(0, "before ");
    await until(() => first.doc.save.allSaved);
    await first.close();
    mood[call] = "hangs";
    const { doc, errors, page } = open({ storage });
    doc.insert(0, "typed ");
    assert.equal(asks(page), true);
    const openedAt = world.now;
    await until(() => doc.storage.kind === "memory");
    assert.ok(world.now - openedAt <= 12_000);
    await until(() => doc.save.allSaved);
    assert.equal(asks(page), false);
    assert.deepEqual(errors.map(({ code }) => code), ["storage"]);
    assert.match(doc.storage.reason!, /does not answer/);
    delete mood[call];
    await until(() => doc.storage.kind === "device");
    doc.insert(0, "kept ");
    await until(() => doc.save.allSaved);
    await until(() => [...device.records.keys()].some((key) => key.endsWith("/base")));
    assert.equal(doc.text, "kept typed before ");
  });
}

for (const how of ["fails", "hangs"] as const) {
  test(`a write that ${how}: what is typed after it, offline, is kept once the store works again`, async () => {
    const { open, until, device, server, world } = room();
    const tab = { dead: false };
    const { mood, storage } = moody(device.storage(tab));
    const { doc, tab: own, page } = open({ storage });
    await until(() => doc.status === "online");
    doc.insert(0, "saved ");
    await until(() => doc.save.allSaved);
    own.offline = true;
    page.dispatchEvent(new Event("offline"));
    mood.write = how;
    doc.insert(0, "one ");
    await until(() => doc.storage.kind === "memory");
    assert.equal(asks(page), true);
    doc.insert(0, "two ");
    delete mood.write;
    // Whatever was there is gone, too: somebody deleted the database.
    device.records.clear();
    await until(() => doc.storage.kind === "device");
    doc.insert(0, "three ");
    await world.runUntil(world.now + 1_000);
    assert.equal(asks(page), false);
    // The tab dies offline; another shows all of it, and sends it.
    device.kill(tab);
    own.dead = true;
    const later = open();
    await until(() => later.doc.text === "three two one saved ");
    await until(() => later.doc.save.allSaved);
    assert.equal(server.whole().toString(), "three two one saved ");
  });
}

test("a page that was frozen does not take its store for a broken one", async () => {
  const clock = { now: 0, due: [] as (() => void)[], cleared: [] as number[] };
  const env = { performance: { now: () => clock.now }, setTimeout: (run: () => void) => clock.due.push(run), clearTimeout: (timer: number) => clock.cleared.push(timer) };
  let answer!: (value: string) => void;
  const waits = inTime(env, 1_000, new Promise<string>((resolve) => (answer = resolve)));
  clock.now = 600_000;
  clock.due.shift()!();
  assert.equal(clock.due.length, 1);
  answer("kept");
  assert.equal(await waits, "kept");
  await settle();
  assert.deepEqual(clock.cleared, [1]);
  const fails = inTime(env, 1_000, new Promise(() => {}));
  clock.now += 1_000;
  clock.due.at(-1)!();
  await assert.rejects(fails, /does not answer/);
});

test("a second tab, offline, shows all that the first has saved", async () => {
  const { open, until, world } = room();
  const first = open();
  await until(() => first.doc.status === "online");
  for (let i = 0; i < 20; i++) {
    first.doc.insert(first.doc.length, `word${i} `);
    await until(() => first.doc.save.allSaved);
  }
  await world.runUntil(world.now + 100);
  const second = open({ WebSocket: class { constructor() { throw new Error("offline"); } } as never });
  await until(() => second.doc.text.length > 0);
  assert.equal(second.doc.text, first.doc.text);
});

// --- What keeps it from the server

test("a token callback that throws, no WebSocket, a wrong address: one error with its cause, and a state to read", async () => {
  const cases: [Partial<OpenOptions>, RegExp, string][] = [
    [{ token: () => Promise.reject(new Error("the session is over")) }, /token callback failed: the session is over/, "token"],
    [{ token: () => { throw new Error("no user"); } }, /token callback failed: no user/, "token"],
    [{ token: () => new Promise(() => {}) }, /token callback takes too long/, "token"],
    [{ WebSocket: class { constructor(url: string) { throw new SyntaxError(`bad ${url}`); } } as never }, /is no address/, "bad_url"],
    [{ url: "ws://sim/nowhere", WebSocket: refusing(undefined) }, /cannot reach ws:\/\/sim\/nowhere: /, "unreachable"],
    [{ WebSocket: refusing("Unexpected server response: 404") }, /cannot reach .* \(Unexpected server response: 404\)/, "unreachable"],
    [{ WebSocket: refusing("Unexpected server response: 401") }, /refuses access/, "unauthorized"],
    [{ WebSocket: refusing("Unexpected server response: 403") }, /refuses access/, "forbidden"],
  ];
  for (const [options, message, code] of cases) {
    const { open, world } = room();
    const { doc, errors } = open(options);
    const problems: unknown[] = [];
    doc.on("problem", (problem) => problems.push(problem?.code));
    await world.runUntil(120_000);
    assert.deepEqual(errors.map(({ code }) => code), [code]);
    assert.match(errors[0]!.message, message);
    assert.equal(errors[0]!.retry, code !== "bad_url");
    assert.deepEqual([doc.problem?.code, problems], [code, [code]]);
    const isRefused = code === "unauthorized" || code === "forbidden";
    assert.ok((isRefused ? ["refused"] : ["offline", "connecting"]).includes(doc.status));
  }
  const { open, world } = room();
  const own = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  Object.defineProperty(globalThis, "WebSocket", { value: undefined, configurable: true });
  try {
    const { doc } = open({ WebSocket: undefined as never });
    await world.runUntil(1_000);
    assert.deepEqual([doc.problem?.code, doc.problem?.retry], ["no_websocket", false]);
    assert.match(doc.problem!.message, /pass one as the option WebSocket/);
  } finally {
    if (own) Object.defineProperty(globalThis, "WebSocket", own);
  }
});

/** A socket that fails at once, with these words where the platform has any. */
function refusing(message: string | undefined) {
  return class {
    onopen = null;
    onmessage = null;
    onclose: ((event: object) => void) | null = null;
    onerror: ((event: object) => void) | null = null;
    constructor() {
      queueMicrotask(() => {
        this.onerror?.({ message });
        this.onclose?.({});
      });
    }
    send() {}
    close() {}
  } as never;
}

test("a problem that is over is none, and a network that fails now and then is none", async () => {
  const { open, until, network, world } = room();
  let isBroken = true;
  const token = () => { if (isBroken) throw new Error("not yet"); return "t"; };
  const { doc, errors } = open({ token });
  await until(() => doc.problem !== null);
  isBroken = false;
  await until(() => doc.status === "online");
  assert.equal(doc.problem, null);
  network.cut();
  await until(() => doc.status !== "online");
  await world.runUntil(world.now + 60_000);
  assert.deepEqual([doc.problem, errors.length], [null, 1]);
});

test("a dead connection is looked for when the page comes back", async () => {
  const { open, until, network, world } = room();
  const { doc, page } = open();
  await until(() => doc.status === "online");
  await world.runUntil(world.now + 3_000);
  network.weather.lost = 1;
  page.dispatchEvent(new Event("visibilitychange"));
  const at = world.now;
  await until(() => doc.status !== "online");
  assert.ok(world.now - at <= 5_000);
  // It is gone, and nobody was refused.
  assert.deepEqual([doc.status, doc.problem], ["connecting", null]);
  network.weather.lost = 0;
  await until(() => doc.status === "online");
});

test("a page without a network connects again as soon as it has one, or comes back", async () => {
  const { open, until, network, world } = room();
  const { doc, page, tab } = open();
  await until(() => doc.status === "online");
  for (const comesBack of ["online", "pageshow"]) {
    tab.offline = true;
    page.dispatchEvent(new Event("offline"));
    assert.equal(doc.status, "offline");
    await world.runUntil(world.now + 600_000);
    // Whatever pause there is, it is over.
    await until(() => doc.status === "offline");
    tab.offline = false;
    const { attempts } = network;
    page.dispatchEvent(new Event(comesBack));
    await settle();
    assert.equal(network.attempts, attempts + 1);
    await until(() => doc.status === "online", 1_000);
  }
});

test("names that a server would refuse, and edits that are none, are refused at once", async () => {
  const { open, until } = room();
  for (const docId of [undefined, null, 7, "", ".", "..", "a/b", "x".repeat(129)]) assert.throws(() => open({ docId: docId as never }), RangeError);
  for (const user of ["", "a b", "a~b", "x".repeat(41), 3]) assert.throws(() => open({ user: user as never }), RangeError);
  assert.throws(() => open({ url: undefined as never }), RangeError);
  const { doc, close } = open({ docId: "x".repeat(128), user: "y".repeat(40) });
  await until(() => doc.status === "online");
  for (const edit of [{ at: 0, del: 0 }, { at: NaN, del: 0, ins: "x" }, { at: 0, del: undefined, ins: "x" }]) {
    assert.throws(() => doc.edit([{ at: 0, del: 0, ins: "first" }, edit as never]), TypeError);
  }
  assert.equal(doc.text, "");
  await close();
  assert.throws(() => doc.insert(0, "late"), /closed/);
  assert.equal(doc.text, "");
});

// --- What an application is told, and does

test("what is typed is unsent, then on its way, then saved", async () => {
  const { open, until } = room();
  const { doc } = open();
  assert.deepEqual(doc.save, { unsent: 0, sent: 0, allSaved: true, blocked: false });
  await until(() => doc.status === "online");
  const told: unknown[] = [];
  doc.on("save", (save) => void told.push([save.unsent, save.sent, save.allSaved]));
  doc.insert(0, "one");
  await until(() => doc.save.sent > 0);
  doc.insert(3, "two ");
  await until(() => doc.save.allSaved);
  assert.deepEqual(told, [[3, 0, false], [0, 3, false], [4, 3, false], [4, 0, false], [0, 4, false], [0, 0, true]]);
});

test("a listener hears until it is taken away, and one that fails stops nobody else", async () => {
  const { open, world } = room();
  const { doc } = open({ storage: null });
  await settle();
  const heard: string[] = [];
  const stop = doc.on("change", () => void heard.push("first"));
  doc.on("change", () => {
    throw new Error("a mistake of the application");
  });
  doc.on("change", ({ origin }) => void heard.push(origin));
  doc.insert(0, "a");
  stop();
  doc.insert(1, "b");
  assert.deepEqual(heard, ["first", "local", "local"]);
  assert.equal(doc.text, "ab");
  await assert.rejects(world.runUntil(world.now + 1), /a mistake of the application/);
});

test("an edit keeps to whole characters and to the text", async () => {
  const { open } = room();
  const { doc } = open({ storage: null });
  await settle();
  doc.insert(0, "a😀b");
  // Inside of the pair.
  doc.insert(2, "x");
  assert.equal(doc.text, "ax😀b");
  doc.edit([{ at: 0, del: doc.length, ins: "a😀b" }]);
  // Half of it is all of it.
  doc.delete(2, 1);
  assert.equal(doc.text, "ab");
  doc.delete(1, 100);
  doc.insert(100, "end");
  doc.insert(-5, "start ");
  assert.equal(doc.text, "start aend");
  doc.edit([{ at: -5, del: 3, ins: "" }, { at: 6, del: -6, ins: "!" }, { at: 50, del: 5, ins: "" }]);
  assert.equal(doc.text, "start !aend");
});

test("a document is closed once, and a fork that is not there is not restored", async () => {
  const { open, until } = room();
  const { doc, close } = open();
  await until(() => doc.status === "online");
  doc.insert(0, "text");
  await doc.restoreFork("unknown");
  assert.equal(doc.text, "text");
  const told: string[] = [];
  doc.on("status", (status) => void told.push(status));
  await close();
  await doc.close();
  assert.deepEqual([told, doc.status], [["closed"], "closed"]);
});

// --- What the server forgot

test("a server that forgot: the text is put aside, kept, and brought back by one call that can be undone", async () => {
  const { open, until, server } = room();
  const { doc, tab, close } = open();
  const undoStack = undoOf(doc);
  const told: (readonly Fork[])[] = [];
  doc.on("forked", (forks) => told.push(forks));
  let shadow = "";
  doc.on("change", ({ changes }) => {
    for (const { at, del, ins } of changes) shadow = shadow.slice(0, at) + ins + shadow.slice(at + del);
  });
  await until(() => doc.status === "online");
  doc.insert(0, "The first line.\nThe second line.\n");
  await until(() => doc.save.allSaved);
  server.forget(0, true);
  tab.offline = true;
  await until(() => doc.status !== "online");
  doc.insert(0, "Not sent. ");
  tab.offline = false;
  await until(() => doc.status === "online" && doc.save.allSaved);
  assert.equal(doc.text, "Not sent. ");
  assert.equal(shadow, doc.text);
  assert.equal(server.whole().toString(), "Not sent. ");
  assert.deepEqual(doc.forks.map(({ text }) => text), ["Not sent. The first line.\nThe second line.\n"]);
  assert.equal(told.length, 1);
  assert.equal(undoStack.canUndo, false);
  await close();
  // Whoever comes later can ask.
  const again = open();
  await until(() => again.doc.status === "online");
  const [fork] = again.doc.forks;
  assert.equal(again.doc.forks.length, 1);
  const undo = undoOf(again.doc);
  again.doc.insert(again.doc.length, "Mine.");
  await again.doc.restoreFork(fork!.id);
  assert.equal(again.doc.text, fork!.text);
  assert.deepEqual(again.doc.forks, []);
  undo.undo();
  assert.equal(again.doc.text, "Not sent. Mine.");
  undo.redo();
  await until(() => again.doc.save.allSaved);
  assert.equal(server.whole().toString(), fork!.text);
  await again.close();
  const last = open();
  await until(() => last.doc.status === "online");
  assert.deepEqual(last.doc.forks, []);
});

test("another server's text is neither shown nor sent here, and its unsent text waits for it", async () => {
  const { open, until, network, device, world } = room();
  const { doc, tab, close } = open();
  await until(() => doc.status === "online");
  doc.insert(0, "at the first server ");
  await until(() => doc.save.allSaved);
  tab.offline = true;
  doc.insert(0, "unsent ");
  await world.runUntil(world.now + 1_000);
  await close();
  const other = new Server(world);
  const elsewhere = new Network(world, other);
  const tabThere = { dead: false, offline: false };
  const there = open({ url: "ws://other/dev", WebSocket: elsewhere.socketOf(tabThere) });
  await until(() => there.doc.status === "online");
  assert.equal(there.doc.text, "");
  there.doc.insert(0, "at the other ");
  await until(() => there.doc.save.allSaved);
  await there.close();
  assert.equal(other.whole().toString(), "at the other ");
  const back = open({ url: "ws://sim/dev/?x=1" });
  await until(() => back.doc.save.allSaved && back.doc.status === "online");
  assert.equal(back.doc.text, "unsent at the first server ");
  void [network, device];
});

test("the least change from one text to another", () => {
  const random = new Random(4);
  const texts = ["", "a", "a\nb\n", "one\ntwo\nthree", "😀x😀", "é".repeat(50), "line\n".repeat(3_000), "y".repeat(5_000)];
  for (let i = 0; i < 60; i++) {
    const from = random.pick(texts);
    let to = random.chance(0.3) ? random.pick(texts) : from;
    for (let j = 0; j < 3; j++) {
      const at = random.below(to.length + 1);
      to = to.slice(0, at) + random.pick(["", "new", "\n", "😀"]) + to.slice(at + random.below(4));
    }
    let made = from;
    for (const { at, del, ins } of leastChange(from, to)) made = made.slice(0, at) + ins + made.slice(at + del);
    assert.equal(made, to);
  }
  assert.deepEqual(leastChange("one\ntwo\nthree\n", "one\ntw0\nthree\n"), [{ at: 6, del: 1, ins: "0" }]);
  assert.deepEqual(leastChange("same", "same"), []);
  // Quite another text is replaced, in reasonable time.
  const [a, b] = [1, 2].map((seed) => Array.from({ length: 200_000 }, (_, i) => String.fromCharCode(97 + ((i * seed * 7919) % 26))).join(""));
  const started = performance.now();
  leastChange(a!, b!);
  assert.ok(performance.now() - started < 5_000);
});

// --- Forgetting

afterEach(() => settle());

test("what is forgotten is gone from the device, unless it is open, or exists nowhere else", async () => {
  const { open, until, device, world } = room();
  const call = async (options: object = {}) => {
    let done: unknown;
    void forgetDocument({ url: "ws://sim/dev", docId: "d", storage: device.storage({ dead: false }), ...options }).then((value) => (done = value));
    while (!done) await world.runUntil(world.now + 10);
    return done;
  };
  const { doc, close } = open();
  await until(() => doc.status === "online");
  doc.insert(0, "saved");
  await until(() => doc.save.allSaved);
  await world.runUntil(world.now + 100);
  assert.deepEqual(await call(), { forgotten: false, unsent: 0 });
  await close();
  const offline = open({ WebSocket: class { constructor() { throw new Error("offline"); } } as never });
  await until(() => offline.doc.text === "saved");
  offline.doc.insert(0, "unsent");
  await world.runUntil(world.now + 1_000);
  await offline.close();
  assert.deepEqual(await call(), { forgotten: false, unsent: 6 });
  assert.deepEqual(await call({ url: "ws://other/dev", discardUnsent: true }), { forgotten: true, unsent: 0 });
  assert.ok(device.records.size > 0);
  assert.deepEqual(await call({ discardUnsent: true }), { forgotten: true, unsent: 6 });
  assert.equal(device.records.size, 0);
});

test("a text that was put aside exists nowhere else, and is forgotten only with what is unsent", async () => {
  const { device, world } = room();
  const fork = (server: string, text: string) => device.records.set(`d/~fork/${text}`, { id: text, text, at: 0, server, log: undefined });
  fork("ws://sim/dev", "here");
  fork("ws://sim/dev", "here, too");
  fork("ws://other/dev", "there");
  const forgets = async (discardUnsent: boolean) => {
    let done: unknown;
    void forgetDocument({ url: "ws://sim/dev", docId: "d", storage: device.storage({ dead: false }), discardUnsent }).then((value) => (done = value));
    while (!done) await world.runUntil(world.now + 10);
    return done;
  };
  assert.deepEqual(await forgets(false), { forgotten: false, unsent: 13 });
  assert.equal(device.records.size, 3);
  assert.deepEqual(await forgets(true), { forgotten: true, unsent: 13 });
  assert.deepEqual([...device.records.keys()], ["d/~fork/there"]);
});
