// What a user may do: told before anything is typed, kept on the device, and followed while it changes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Access, InklogDocument, type InklogError, type OpenOptions, ReadOnlyError, forgetDocument } from "../src/index.js";
import { presenceOf } from "../src/presence.js";
import { undoOf } from "../src/undo.js";
import { Device } from "./sim/device.js";
import { Gate } from "./sim/gate.js";
import { Network, envOf } from "./sim/network.js";
import { Server } from "./sim/server.js";
import { Session } from "./sim/session.js";
import { World } from "./sim/world.js";

const MINUTE = 60_000;

/** A server that demands tokens, and an application that signs its users in. */
function room() {
  const world = new World(7);
  const server = new Server(world);
  const network = new Network(world, server);
  const gate = (server.gate = new Gate(world));
  const devices = new Map<string, Device>();
  /** `user` is signed in. The document is not told who that is. */
  const open = (user: string, { device: name = user, ...options }: Partial<OpenOptions> & { device?: string } = {}) => {
    const device = devices.get(name) ?? new Device(world);
    devices.set(name, device);
    const tab = { dead: false, offline: false };
    const page = new EventTarget();
    const signedIn = { user, isIn: true };
    const token = () => (signedIn.isIn ? gate.sign(signedIn.user) : null);
    const doc = new InklogDocument({ url: "ws://sim/dev", docId: "d", storage: device.storage(tab), WebSocket: network.socketOf(tab), token, ...options }, envOf(world, tab, page));
    const errors: InklogError[] = [];
    doc.on("error", (error) => errors.push(error));
    const told: [Access, boolean][] = [];
    doc.on("access", (access) => told.push([access, doc.readOnly]));
    const close = async () => {
      let isClosed = false;
      void doc.close().then(() => (isClosed = true));
      while (!isClosed) await world.runUntil(world.now + 100);
      device.kill(tab);
    };
    const goes = (offline: boolean) => {
      tab.offline = offline;
      page.dispatchEvent(new Event(offline ? "offline" : "online"));
    };
    return { doc, tab, page, errors, told, signedIn, close, goes };
  };
  const until = async (holds: () => boolean, ms = 10 * MINUTE) => {
    for (const end = world.now + ms; !holds(); ) {
      if (world.now > end) assert.fail(`waited in vain for ${holds}`);
      await world.runUntil(world.now + 50);
    }
  };
  const passes = (ms: number) => world.runUntil(world.now + ms);
  /** From now on: new tokens say so, the old ones are void, and their connections end. */
  const change = async (user: string, right: "read" | "write" | "manage" | null) => {
    gate.allow(user, right);
    gate.revoke(user);
    network.expel(user);
    // Tokens of the second of the revocation are void.
    await passes(1_500);
  };
  return { world, server, network, gate, devices, open, until, passes, change };
}

const isReadOnly = (doc: InklogDocument) => {
  const before = doc.text;
  const history = undoOf(doc);
  assert.equal(doc.readOnly, true);
  assert.throws(() => doc.insert(0, "no"), ReadOnlyError);
  assert.throws(() => doc.delete(0, 1), ReadOnlyError);
  assert.deepEqual([history.canUndo, history.canRedo, history.undo(), history.redo()], [false, false, false, false]);
  assert.equal(doc.text, before);
};

// --- Before anything is typed

test("with a token, nothing can be typed before it is known what may be; without one, as ever", async () => {
  const { open, until, gate } = room();
  gate.allow("ada", "write");
  const { doc, told } = open("ada");
  assert.equal(doc.access, null);
  isReadOnly(doc);
  assert.throws(() => doc.insert(0, "no"), /not known yet/);
  await until(() => doc.status === "online");
  assert.deepEqual([doc.access, doc.readOnly, doc.user], ["write", false, "ada"]);
  assert.match(doc.agent, /^ada~/);
  doc.insert(0, "typed");
  await until(() => doc.save.allSaved);
  assert.deepEqual(told.at(-1), ["write", false]);
  const open2 = room();
  open2.server.gate = null;
  const plain = open2.open("ada", { token: undefined as any, user: "ada" });
  assert.deepEqual([plain.doc.access, plain.doc.readOnly], [null, false]);
  plain.doc.insert(0, "typed");
  await open2.until(() => plain.doc.save.allSaved);
  assert.deepEqual([plain.doc.access, plain.doc.readOnly], ["manage", false]);
});

test("who may only read sees everything, changes nothing, and is seen", async () => {
  const { open, until, gate, passes } = room();
  gate.allow("ada", "write");
  gate.allow("ben", "read");
  const [ada, ben] = [open("ada"), open("ben")];
  await until(() => ada.doc.status === "online");
  await until(() => ben.doc.status === "online");
  ada.doc.insert(0, "text");
  await until(() => ben.doc.text === "text");
  assert.equal(ben.doc.access, "read");
  assert.throws(() => ben.doc.insert(0, "no"), /you can read this document, but not change it/);
  isReadOnly(ben.doc);
  assert.deepEqual([ben.doc.status, ben.doc.problem, ben.doc.save.allSaved], ["online", null, true]);
  presenceOf(ben.doc).set({ name: "Somebody else" });
  await until(() => presenceOf(ada.doc).others.size > 0);
  const [one] = presenceOf(ada.doc).others.values();
  assert.deepEqual([one!.user, one!.name, one!.state], ["ben", "ben's name", { name: "Somebody else" }]);
  await passes(MINUTE);
  assert.deepEqual(ben.errors, []);
});

test("what may only be read is so offline, too, from the first moment on; and what may be written can be", async () => {
  const { open, until, gate } = room();
  for (const right of ["read", "write"] as const) {
    gate.allow("ada", right);
    const before = open("ada");
    await until(() => before.doc.status === "online");
    await before.close();
    const later = open("ada");
    later.goes(true);
    await until(() => later.doc.storage.kind === "device");
    assert.deepEqual([later.doc.access, later.doc.user], [right, "ada"]);
    if (right === "read") isReadOnly(later.doc);
    else later.doc.insert(0, "offline");
    later.goes(false);
    await until(() => later.doc.status === "online" && later.doc.save.allSaved);
    await later.close();
  }
});

test("what another user may do says nothing", async () => {
  const { open, until, gate, passes } = room();
  gate.allow("ada", "write");
  const ada = open("ada", { device: "shared", user: "ada" });
  await until(() => ada.doc.status === "online");
  await ada.close();
  const ben = open("ben", { device: "shared", user: "ben" });
  ben.goes(true);
  await until(() => ben.doc.storage.kind === "device");
  await passes(1_000);
  assert.deepEqual([ben.doc.access, ben.doc.readOnly], [null, true]);
});

test("what is kept of a user's right goes with the document", async () => {
  const { open, gate, devices, until } = room();
  gate.allow("ada", "write");
  const ada = open("ada");
  await until(() => ada.doc.status === "online");
  await ada.close();
  const { records } = devices.get("ada")!;
  assert.ok(records.size > 0);
  let forgotten: unknown;
  void forgetDocument({ url: "ws://sim/dev", docId: "d", storage: devices.get("ada")!.storage({ dead: false }) }).then((is) => (forgotten = is));
  await until(() => !!forgotten);
  assert.deepEqual([forgotten, [...records.keys()]], [{ forgotten: true, unsent: 0 }, []]);
});

// --- A right that is lost, and comes back

for (const [right, access] of [["read", "read"], [null, "none"]] as const) {
  test(`a right that falls to ${access} while text is unsent: it is kept, told, given out, not sent, and sent when it is back`, async () => {
    const { open, until, passes, change, gate, server } = room();
    gate.allow("ada", "write");
    const ada = open("ada");
    await until(() => ada.doc.status === "online");
    ada.doc.insert(0, "saved, ");
    await until(() => ada.doc.save.allSaved);
    ada.goes(true);
    ada.doc.insert(7, "and not");
    assert.deepEqual(ada.doc.save, { unsent: 7, sent: 0, allSaved: false, blocked: false });
    await change("ada", right);
    ada.goes(false);
    await until(() => ada.doc.access === access);
    assert.deepEqual(ada.doc.save, { unsent: 7, sent: 0, allSaved: false, blocked: true });
    assert.equal(ada.doc.problem, ada.doc.problem, "one object: who shows it takes another for news");
    assert.equal(ada.doc.problem?.code, "forbidden");
    assert.deepEqual([ada.doc.text, ada.doc.unsavedText()], ["saved, and not", ["and not"]]);
    isReadOnly(ada.doc);
    // Nothing is tried again and again.
    const { refusals } = server;
    await passes(60 * MINUTE);
    assert.ok(server.refusals - refusals <= (right ? 0 : 30), `${server.refusals - refusals} refusals`);
    // Nor after the tab was closed.
    await ada.close();
    const again = open("ada");
    await until(() => again.doc.text === "saved, and not" && again.doc.status !== "connecting");
    assert.deepEqual([again.doc.save.blocked, again.doc.access, again.doc.unsavedText()], [true, access, ["and not"]]);
    assert.equal(server.whole().toString(), "saved, ");
    gate.allow("ada", "write");
    again.doc.reconnect();
    await until(() => again.doc.save.allSaved);
    assert.equal(server.whole().toString(), "saved, and not");
    assert.deepEqual([again.doc.problem, again.doc.save.blocked, again.doc.readOnly, again.doc.unsavedText()], [null, false, false, []]);
    again.doc.insert(0, "> ");
    await until(() => again.doc.save.allSaved);
  });
}

test("what is refused for lack of a right is told as waiting, though the server said that it may be written", async () => {
  const { open, until, gate, server, passes } = room();
  gate.allow("ada", "write");
  const ada = open("ada");
  await until(() => ada.doc.status === "online");
  const refuse = gate.refuse.bind(gate);
  gate.refuse = (identity, message) => (message.action === "SEND_OP" ? ["forbidden", "not now"] : refuse(identity, message));
  ada.doc.insert(0, "held");
  await until(() => ada.doc.save.blocked);
  assert.deepEqual(ada.doc.problem, { code: "forbidden", message: "not now", retry: true });
  const { refusals } = server;
  await passes(30 * MINUTE);
  assert.ok(server.refusals - refusals < 30, `${server.refusals - refusals} tries`);
  gate.refuse = refuse;
  await until(() => ada.doc.save.allSaved);
  assert.deepEqual([ada.doc.problem, ada.doc.save.blocked, ada.errors.length], [null, false, 1]);
});

// --- Signing in and out

for (const isBrowser of [false, true]) {
  test(`signed out, ${isBrowser ? "where no reason is told" : "and told so"}, one goes on as if offline; signed in again, it is sent`, async () => {
    const { open, until, passes, change, gate, network, server } = room();
    network.isBrowser = isBrowser;
    gate.allow("ada", "write");
    const ada = open("ada");
    await until(() => ada.doc.status === "online");
    ada.signedIn.isIn = false;
    await change("ada", "write");
    // Without a token, a browser is told nothing: that may be a server that is away.
    if (isBrowser) {
      await until(() => ada.doc.problem?.code === "unreachable");
      ada.signedIn.isIn = true;
      ada.signedIn.user = "nobody";
      gate.sign = ((sign) => (user: string) => (user === "nobody" ? "expired" : sign(user)))(gate.sign.bind(gate));
    }
    await until(() => ada.doc.status === "refused");
    assert.equal(ada.doc.problem?.code, "unauthorized");
    assert.deepEqual([ada.doc.access, ada.doc.readOnly], ["write", false]);
    ada.doc.insert(0, "typed");
    assert.deepEqual(ada.doc.save, { unsent: 5, sent: 0, allSaved: false, blocked: true });
    const { attempts } = network;
    await passes(60 * MINUTE);
    assert.ok(network.attempts - attempts < (isBrowser ? 300 : 30), `${network.attempts - attempts} attempts`);
    assert.equal(ada.doc.text, "typed");
    Object.assign(ada.signedIn, { isIn: true, user: "ada" });
    ada.doc.reconnect();
    await until(() => ada.doc.save.allSaved, 5_000);
    assert.equal(server.whole().toString(), "typed");
    assert.equal(ada.doc.problem, null);
  });
}

test("who is not let in, and was never, may do nothing", async () => {
  const { open, until, gate } = room();
  // A token that nobody demanded in vain: without one, typing begins at once, as long as nobody says no.
  const ada = open("ada", { token: undefined as any, user: "ada" });
  assert.equal(ada.doc.readOnly, false);
  await until(() => ada.doc.status === "refused");
  assert.deepEqual([ada.doc.access, ada.doc.readOnly], ["none", true]);
  const ben = open("ben");
  await until(() => ben.doc.access === "none");
  assert.equal(ben.doc.problem?.code, "forbidden");
  gate.allow("ben", "write");
  ben.doc.reconnect();
  await until(() => ben.doc.access === "write");
});

// --- Who is who

test("somebody else who signs in on a device begins anew; what was not sent waits for whom it belongs to", async () => {
  const { open, until, gate, server } = room();
  gate.allow("ada", "write");
  gate.allow("ben", "write");
  const ada = open("ada", { device: "shared" });
  await until(() => ada.doc.status === "online");
  ada.doc.insert(0, "Ada's. ");
  await until(() => ada.doc.save.allSaved);
  ada.goes(true);
  ada.doc.insert(7, "Hers alone.");
  await ada.close();
  const ben = open("ben", { device: "shared" });
  ben.goes(true);
  await until(() => ben.doc.text === "Ada's. Hers alone.");
  assert.equal(ben.doc.user, "ada", "the device knows no better yet");
  ben.doc.insert(0, "Ben's. ");
  ben.goes(false);
  await until(() => ben.doc.user === "ben" && ben.doc.save.allSaved);
  assert.equal(ben.doc.text, "Ben's. Ada's. ");
  assert.deepEqual(ben.doc.forks, []);
  assert.deepEqual(server.log.map(({ agent, user }) => [agent.split("~")[0], user]), [["ada", "ada"], ["ben", "ben"]]);
  await ben.close();
  const again = open("ada", { device: "shared" });
  await until(() => again.doc.user === "ada" && again.doc.save.allSaved && again.doc.text.includes("Hers"));
  assert.equal(server.whole().toString(), "Ben's. Ada's. Hers alone.");
  assert.deepEqual(server.faulty, []);
});

test("the token's user counts, whatever the application calls them", async () => {
  const { open, until, gate } = room();
  gate.allow("u-5f3a", "write");
  const { doc } = open("u-5f3a", { user: "ada" });
  await until(() => doc.status === "online");
  doc.insert(0, "typed");
  await until(() => doc.save.allSaved);
  assert.deepEqual([doc.user, doc.agent.split("~")[0]], ["u-5f3a", "u-5f3a"]);
});

// --- Tokens that do not live long

test("while tokens live 20 s, the document stays online, nobody waits for anybody's edits, and everybody stays in sight", async () => {
  const { open, until, gate, server, world, network } = room();
  gate.lifetime = 20_000;
  gate.skew = 3_600_000;
  gate.allow("ada", "write");
  gate.allow("ben", "write");
  const [ada, ben] = [open("ada"), open("ben")];
  await until(() => ada.doc.status === "online");
  await until(() => ben.doc.status === "online");
  presenceOf(ada.doc).set({ is: "here" });
  await until(() => presenceOf(ben.doc).others.size === 1);
  const seen: number[] = [];
  ben.doc.on("presence", (others) => seen.push(others.size));
  const statuses: string[] = [];
  ada.doc.on("status", (status) => statuses.push(status));
  let typed = "";
  for (const end = world.now + 10 * MINUTE; world.now < end; ) {
    const char = String.fromCodePoint(0x4e00 + typed.length);
    typed += char;
    ada.doc.insert(ada.doc.length, char);
    await until(() => ben.doc.text === typed, 2_000);
  }
  await until(() => ada.doc.save.allSaved);
  assert.equal(server.whole().toString(), typed);
  assert.deepEqual([...new Set(seen)], [1]);
  assert.deepEqual([statuses, ada.errors, ben.errors, server.refusals], [[], [], [], 0]);
  assert.ok(network.attempts > 100, `${network.attempts} connections`);
});

test("sessions in which tokens live 20 s lose and double nothing", async () => {
  const seen: Record<string, number> = {};
  for (let seed = 1; seed <= 30; seed++) {
    const session = new Session(seed, { tokens: "short", steps: 60 });
    await session.run().catch((error) => assert.fail(`seed ${seed}: ${error.stack}`));
    seen["connections"] = (seen["connections"] ?? 0) + session.network.attempts;
  }
  console.log(`30 sessions: ${seen["connections"]} connections`);
});
