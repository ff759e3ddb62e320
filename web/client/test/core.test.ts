// What of the client's rules is no story of tests/stories, each with the reason.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc, type WireEvent, wireOp } from "../src/crdt/index.js";
import { accessKey } from "../src/sync/access.js";
import type { StoredAgent } from "../src/sync/keeper.js";
import { Alice, DummyServer, bob, remote } from "./dummy.js";

/** Bob's second event has come, and his first does not. */
function gapped() {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.hears(remote(bob("one ", "two ").slice(1)));
  const next = () => {
    const syncs = alice.frames().map((frame) => JSON.parse(frame)).filter(({ action }) => action !== "PING");
    assert.equal(syncs.length, 1);
    // The server does not have it either.
    alice.hears(...server.take(JSON.stringify(syncs[0])));
    return syncs[0];
  };
  return { server, alice, next };
}

// A rate over half an hour, in which a thousand frames come and go.
test("an event that can never be applied costs two syncs a minute at most, also while others type, and each has a cursor", () => {
  for (const isBusy of [false, true]) {
    const { server, alice, next } = gapped();
    const carol = new TextDoc();
    const counts = new Map<number, number>();
    for (let minute = 0; minute < 30; ) {
      const sync = next();
      minute = Math.floor(alice.now / 60_000);
      counts.set(minute, (counts.get(minute) ?? 0) + 1);
      if (minute >= 10) assert.ok(sync.cursor !== undefined);
      // Carol types every five seconds; now and then something comes that cannot be placed either.
      while (!alice.core.frames.length) {
        const due = alice.core.deadline();
        alice.now = isBusy ? Math.min(due, alice.now + 5_000) : due;
        if (isBusy && alice.now < due) {
          const event = { agent: "carol", after: carol.version.get("carol") ?? 0, ops: [wireOp("carol", carol.insert("carol", carol.length, "c"))] };
          server.log.push(event);
          alice.hears(remote([event]));
          const agent = `eve${alice.now}`;
          if (alice.now % 3 === 0) alice.hears(remote([{ agent, after: 0, ops: [{ type: "insert", id: `${agent}-0`, text: "e", left: "nobody-5" }] }]));
        }
        alice.core.tick(alice.now);
        alice.stores();
      }
    }
    for (const [minute, count] of counts) if (minute >= 10 && minute < 30) assert.ok(count <= 2, `${count} in minute ${minute}`);
    assert.ok([...counts].some(([minute]) => minute >= 10));
  }
});

// What is looked at is what lies in the store, whose records are this client's own.
test("an event that can never be applied keeps nobody from writing a base, and stays beside it", () => {
  const { server, alice, next } = gapped();
  next();
  alice.types("typed");
  for (let i = 0; i < 60; i++) {
    alice.talk(server);
    alice.waits();
  }
  const kept = [...alice.store.keys()].filter((key) => key.includes("alice"));
  assert.deepEqual(kept.map((key) => key.replace(/^.*\/(\w)[^/]*$/, "$1")).sort(), ["a", "b", "t"]);
  alice.crashes();
  assert.equal(alice.core.doc.toString(), "typed");
  assert.equal(alice.core.doc.waitingCount, 1);
});

// A million characters, of several kinds: where they are cut is each client's own business, as long as a frame takes them.
test("a paste of a million characters goes in frames of less than 32 KB", () => {
  for (const unit of ["x", "\u0001", '"\\\n', "😀é "]) {
    const server = new DummyServer();
    const alice = Alice.joined(server);
    alice.types(unit.repeat(1_000_000 / unit.length));
    alice.types("in the middle", 7 * unit.length);
    while (alice.core.pending.all) {
      const [frame] = alice.frames();
      assert.ok(Buffer.byteLength(frame!) <= 32_000, `${Buffer.byteLength(frame!)}`);
      const [ack] = server.take(frame!);
      alice.hears(ack!);
    }
    const copy = new TextDoc();
    for (const event of server.log) copy.apply(event);
    assert.equal(copy.toString(), alice.core.doc.toString());
  }
});

// Records of an earlier version of this client.
test("what a device kept when it knew only one server opens, and is sent", () => {
  const server = new DummyServer();
  server.log = bob("text ");
  const alice = Alice.joined(server);
  alice.types("typed ");
  for (const [key, value] of alice.store) if (key.startsWith("d/~/")) alice.store.set(key, value.end);
  const { agent } = alice.core.own;
  alice.crashes();
  assert.equal(alice.core.doc.toString(), "text typed ");
  assert.equal(alice.core.own.agent, agent);
  alice.types("on");
  alice.talk(server);
  assert.equal(server.base().toString(), "text typed on");
});

// A record that is damaged by hand.
test("a stored text that cannot be read costs nothing that was typed", () => {
  const server = new DummyServer();
  server.log = bob("text ");
  const alice = Alice.joined(server);
  alice.types("typed ");
  for (const [key, value] of alice.store) if (key.endsWith("/base")) value.state = new Uint8Array([7, 7, 7]);
  alice.crashes();
  alice.talk(server);
  assert.equal(alice.core.doc.toString(), "text typed ");
  assert.equal(server.base().toString(), "text typed ");
});

// Two tabs over one store: only a browser has them.
test("a tab shows what another, which is still open, has saved, without a server", () => {
  const server = new DummyServer();
  const first = Alice.joined(server);
  for (let i = 0; i < 40; i++) {
    first.types(`word${i} `);
    first.talk(server);
  }
  first.hears(remote(bob("bob ")));
  first.core.disconnected();
  first.types("unsaved");
  const second = new Alice(9);
  second.core.load(first.sessions(false));
  const text = first.core.doc.toString();
  assert.equal(second.core.doc.toString(), text.replace("unsaved", ""));
  // That all is saved is written soon, also when nothing follows.
  const third = new Alice(11);
  third.core.connected(0);
  third.talk(server);
  third.types("last");
  third.talk(server);
  assert.ok(third.waits() <= 250);
  const fourth = new Alice(13);
  fourth.core.load(third.sessions(false));
  assert.equal(fourth.core.doc.toString(), server.base().toString());
});

/** What an earlier tab of hers left that could not send, having heard this of a server. */
function left(seed: number, heard: WireEvent[], ...typed: string[]): StoredAgent[] {
  const server = new DummyServer();
  server.log = heard;
  const tab = new Alice(seed);
  tab.core.connected(0);
  tab.talk(server);
  tab.core.disconnected();
  for (const text of typed) tab.types(text);
  return tab.sessions();
}

// Tabs that close while another is open: only a browser has them.
test("what a closed tab knew, and this one does not, is asked of the log before anything is sent", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.core.adopt(left(9, bob("text "), "typed"), alice.now);
  alice.core.tick(alice.now);
  assert.equal(alice.core.doc.toString(), "text typed");
  assert.equal(alice.core.synced, false);
  const [asked, ...more] = alice.frames().map((frame) => JSON.parse(frame));
  assert.deepEqual([asked.action, asked.confirm, asked.version, more], ["SYNC_STATE", true, { bob: 5 }, []]);
  // What is known here is no reason to ask, and without a connection nobody can be asked.
  server.log = bob("text ");
  const knows = Alice.joined(server);
  knows.core.adopt(left(11, bob("text "), "typed"), knows.now);
  knows.core.tick(knows.now);
  knows.stores();
  assert.deepEqual(knows.frames().map((frame) => JSON.parse(frame).action), ["SEND_OP"]);
  const offline = new Alice();
  offline.core.adopt(left(13, bob("text "), "typed"), 0);
  assert.deepEqual([offline.core.unsaved, offline.core.frames], [5, []]);
});

// What is looked at is what lies in the store.
test("of a closed tab of which all has been sent, nothing stays in the store but where its agent ended", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.core.adopt(left(9, [], "one ", "two"), alice.now);
  alice.core.tick(alice.now);
  alice.stores();
  alice.core.tick(alice.now);
  alice.talk(server);
  assert.equal(server.base().toString(), "one two");
  assert.deepEqual([...alice.store.keys()].filter((key) => key.includes("alice~90")), ["d/~/alice~90"]);
  const { end, saved } = alice.store.get("d/~/alice~90");
  assert.deepEqual([end, saved], [7, 7]);
});

// Whose a change is: the stories know only what a document shows.
test("what the server sends is told as others' doing, what is typed here as one's own", () => {
  const server = new DummyServer();
  server.log = bob("text ");
  const alice = new Alice();
  alice.core.connected(0);
  alice.talk(server);
  alice.core.change("local", (changes) => alice.core.edit(0, 0, "mine ", changes));
  alice.hears(remote(bob("text ", "more ").slice(1)));
  alice.hears(remote(bob("text ")));
  const changes = alice.updates().flatMap(([name, value]) => (name === "change" ? [[value.origin, value.changes.map(({ ins }) => ins)]] : []));
  assert.deepEqual(changes, [["remote", ["text "]], ["local", ["mine "]], ["remote", ["more "]]]);
});

// Two agents of hers: only a browser has them.
test("an event that was typed on another agent's unsent one is sent after it", () => {
  const server = new DummyServer();
  server.log = bob("text ");
  const alice = Alice.joined(server);
  const first = () => left(9, bob("text "), "first ");
  const tab = Alice.joined(server, 11);
  tab.core.disconnected();
  tab.core.adopt(first(), 0);
  tab.types("on it");
  tab.types("and elsewhere ", 0);
  const second = tab.sessions();
  // The one that comes last is the one whose turn would be first.
  alice.core.adopt([...first(), ...second], alice.now);
  assert.equal(alice.core.outboxes[0]!.agent, second[0]!.agent);
  alice.core.tick(alice.now);
  alice.stores();
  alice.core.tick(alice.now);
  const sent = alice.frames().map((frame) => JSON.parse(frame)).filter(({ action }) => action === "SEND_OP");
  assert.deepEqual(sent.map(({ agent }) => agent), ["alice~90"]);
  assert.equal(alice.core.doc.toString(), "and elsewhere text first on it");
});

// A connection that another has replaced: how one is replaced is the link's business.
test("of what comes over a connection that was replaced, only broadcasts count", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  const [one, two, three] = bob("one ", "two ", "three ").map((event) => [event]);
  alice.types("mine ");
  alice.frames();
  alice.core.overheard(remote(one!), alice.now);
  assert.equal(alice.core.doc.toString(), "mine one ");
  alice.core.overheard(JSON.stringify({ action: "OP_ACK", agent: alice.core.own.agent, after: 0, end: 5 }), alice.now);
  alice.core.overheard(JSON.stringify({ action: "OP_REPLAY", events: two, part: 1, parts: 1 }), alice.now);
  alice.core.overheard("no frame", alice.now);
  assert.deepEqual([alice.core.unsaved, alice.core.doc.toString()], [5, "mine one "]);
  assert.ok(alice.updates().every(([name]) => name !== "error"));
  // A gap is asked for over the new one.
  alice.core.overheard(remote(three!), alice.now);
  assert.deepEqual(alice.frames().map((frame) => JSON.parse(frame).action), ["SYNC_STATE"]);
  alice.core.disconnected();
  alice.core.overheard(remote(two!), alice.now);
  assert.equal(alice.core.doc.toString(), "mine one ");
});

// A story's time passes in steps, at whose end the core is asked in any case.
test("what waits for an answer, or for its next try, is due then and no later", () => {
  const alice = Alice.joined(new DummyServer());
  const wait = () => alice.core.deadline() - alice.now;
  assert.equal(wait(), 2_000);
  alice.hears(JSON.stringify({ action: "OP_REPLAY", ref: 99, events: [], part: 1, parts: 1 }));
  alice.waits();
  const [sync] = alice.frames();
  assert.equal(wait(), 20_000);
  alice.types("a");
  const [frame] = alice.frames();
  assert.equal(wait(), 10_000);
  const { ref } = JSON.parse(frame!);
  alice.hears(JSON.stringify({ action: "ERROR", code: "unavailable", message: "no", retry: true, ref, retryAfterMs: 700 }));
  assert.equal(wait(), 700);
  alice.waits();
  assert.equal(JSON.parse(alice.frames()[0]!).action, "SEND_OP");
  alice.hears(JSON.stringify({ action: "ERROR", code: "unavailable", message: "no", retry: true, ref: JSON.parse(sync!).ref, retryAfterMs: 900 }));
  assert.equal(wait(), 900);
});

// What keeps text from the server is no part of a story.
test("text is held back by a right that is lacking, not by one that is not known yet", () => {
  const alice = new Alice();
  assert.equal(alice.core.held, null);
  alice.types("typed");
  assert.equal(alice.core.held, null);
  alice.core.recall({ user: "alice", access: "read" });
  const { code, message, retry } = alice.core.held!;
  assert.deepEqual([code, retry], ["forbidden", true]);
  assert.match(message, /may not change this document now.*is kept on this device/);
  assert.equal(alice.core.held, alice.core.held);
  alice.core.recall({ user: "alice", access: "write" });
  assert.equal(alice.core.held, null);
  // Nor by what the server does not like about something else.
  const typing = Alice.joined(new DummyServer());
  typing.types("typed");
  while (typing.core.frames.length < 2) typing.waits();
  const { ref } = JSON.parse(typing.frames()[1]!);
  typing.hears(JSON.stringify({ action: "ERROR", code: "bad_request", message: "no", retry: false, ref }));
  assert.equal(typing.core.held, null);
});

// Thousands of agents.
test("a request is never larger than a frame, however many agents a document has", () => {
  const server = new DummyServer();
  const names = Array.from({ length: 2_000 }, (_, i) => `somebody-with-a-name-${i}`);
  server.log = names.map((agent) => ({ agent, after: 0, ops: [{ type: "insert", id: `${agent}-0`, text: "x", left: null }] }));
  const alice = Alice.joined(server);
  // One after the other comes, and the cursor stays.
  const later = names.map((agent) => ({ agent: `${agent}.`, after: 0, ops: [{ type: "insert" as const, id: `${agent}.-0`, text: "y", left: null }] }));
  const actions: string[] = [];
  for (const events of [later.slice(0, 100), later.slice(100)]) {
    alice.hears(remote(events));
    do alice.waits();
    while (!alice.core.frames.length);
    const [frame] = alice.frames();
    assert.ok(Buffer.byteLength(frame!) <= 32_768);
    actions.push(JSON.parse(frame!).action);
    alice.hears(JSON.stringify({ action: "ERROR", code: "unavailable", message: "no", retry: true, ref: JSON.parse(frame!).ref }));
  }
  assert.deepEqual(actions, ["SYNC_STATE", "JOIN_DOC"]);
  // The server forgot all but one: a few of them are enough to know.
  server.log = server.log.slice(0, 1);
  alice.core.disconnected();
  alice.core.cursor = undefined;
  alice.core.connected(alice.now);
  for (const frame of alice.frames()) alice.hears(...server.take(frame));
  const [confirm] = alice.frames().map((frame) => JSON.parse(frame));
  assert.equal(confirm.confirm, true);
  assert.equal(Object.keys(confirm.version).length, 8);
  assert.ok(Object.values(confirm.version).every((end) => end === 1));
});

// A server that acknowledges more than was sent.
test("an acknowledgement of more than was typed means that somebody else writes under the name", () => {
  const alice = Alice.joined(new DummyServer());
  alice.types("a");
  const { ref } = JSON.parse(alice.frames()[0]!);
  alice.hears(JSON.stringify({ action: "OP_ACK", ref, agent: alice.core.own.agent, after: 0, end: 5 }));
  assert.equal(alice.core.unsaved, 0);
  do alice.waits();
  while (!alice.core.frames.length);
  assert.equal(alice.core.synced, false);
  assert.deepEqual(alice.frames().map((frame) => [JSON.parse(frame).action, JSON.parse(frame).cursor]), [["JOIN_DOC", undefined]]);
  // Until a state says what is whose, what is kept as durable is what the server had before.
  while (alice.now < 10_000) alice.waits();
  const { state } = alice.store.get(`d/${alice.core.own.agent}/base`);
  assert.equal(TextDoc.decode(state).toString(), "");
});

// A connection on which only states do not come: four of them, after minutes.
test("so many answers may be under way, and no more: what is asked for again and again takes no room without end", () => {
  const alice = new Alice();
  alice.core.connected(0);
  const refs: number[] = [];
  while (refs.length < 4) {
    for (const { action, ref } of alice.frames().map((frame) => JSON.parse(frame))) if (action === "JOIN_DOC") refs.push(ref);
    alice.hears(JSON.stringify({ action: "PONG" }));
    if (refs.length < 4) alice.waits();
  }
  const state = (ref: number) => JSON.stringify({ action: "DOC_STATE", ref, part: 1, parts: 1, stateId: "s", cursor: "0" });
  alice.hears(state(refs[0]!));
  assert.equal(alice.core.synced, false);
  alice.hears(state(refs[1]!));
  assert.equal(alice.core.synced, true);
});

// What is looked at is what lies in the store.
test("what a user may do is written when it changes, not with every answer", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  assert.equal(alice.store.get(accessKey("d")).access, "manage");
  alice.store.delete(accessKey("d"));
  for (let i = 0; i < 5; i++) {
    alice.waits();
    alice.talk(server);
  }
  assert.ok(!alice.store.has(accessKey("d")));
});

// A server that does not say what it refuses, while nothing is under way: no story's server does.
test("a refusal of nothing in particular, when nothing is under way, is told and no more", () => {
  const alice = Alice.joined(new DummyServer());
  alice.hears(JSON.stringify({ action: "ERROR", code: "bad_json", message: "no", retry: false }));
  assert.deepEqual(alice.updates().filter(([name]) => name !== "synced"), [["error", { code: "bad_json", message: "no", retry: true }]]);
  assert.equal(alice.core.synced, true);
});

// Ten thousand events before the first state.
test("what is broadcast before the state has come is held back up to a limit, and what is beyond comes with the next sync", () => {
  const events = Array.from({ length: 10_100 }, (_, i): WireEvent => ({ agent: `a${i}`, after: 0, ops: [{ type: "insert", id: `a${i}-0`, text: "x", left: null }] }));
  const alice = new Alice();
  alice.core.connected(0);
  alice.hears(...[0, 1].map((i) => remote(events.slice(i * 5_050, (i + 1) * 5_050))));
  const [join] = alice.frames().map((frame) => JSON.parse(frame));
  alice.hears(JSON.stringify({ action: "DOC_STATE", ref: join.ref, part: 1, parts: 1, stateId: "s", cursor: "0" }));
  assert.equal(alice.core.doc.length, 10_000);
  assert.ok(alice.core.deadline() - alice.now <= 2_000);
});

// An answer that comes after another has made it worthless, as a connection that was slow brings it.
test("a replay that is not asked for any more still brings events, but says nothing of where the document stands", () => {
  const alice = Alice.joined(new DummyServer());
  const { cursor } = alice.core;
  alice.hears(JSON.stringify({ action: "OP_REPLAY", ref: 99, events: bob("text "), part: 1, parts: 1, cursor: "7" }));
  assert.deepEqual([alice.core.doc.toString(), alice.core.cursor], ["text ", cursor]);
});

// How late an answer may be: a story's time passes in steps.
test("behind a state of which parts come, an acknowledgement may be as late as they are", () => {
  const alice = Alice.joined(new DummyServer());
  alice.types("a");
  alice.frames();
  while (!alice.core.frames.length) alice.waits();
  const { action, ref } = JSON.parse(alice.frames()[0]!);
  assert.equal(action, "SYNC_STATE");
  for (const [part, at] of [[1, 4_000], [2, 9_000]]) {
    alice.now = at!;
    alice.hears(JSON.stringify({ action: "DOC_STATE", ref, part, parts: 3, stateId: "s" }));
  }
  assert.equal(alice.core.deadline(), 19_000);
});

// What is looked at is what is kept for the next base.
test("what comes twice is kept once", () => {
  const alice = Alice.joined(new DummyServer());
  for (let i = 0; i < 3; i++) alice.hears(remote(bob("text ")));
  assert.equal(alice.core.keeper.recent.length, 1);
});
