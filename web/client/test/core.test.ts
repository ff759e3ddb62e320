// What of the client's rules is no story of tests/stories, each with the reason.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc, wireOp } from "../src/crdt/index.js";
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
