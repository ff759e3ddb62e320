// The client's rules, told as stories with a dummy server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc } from "../src/crdt/index.js";
import { Alice, DummyServer, bob, endOf, remote } from "./dummy.js";

const actions = (frames: string[]) => frames.map((frame) => JSON.parse(frame).action);

test("one event is in flight, and what is typed meanwhile is the next", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.types("a");
  const [first, ...more] = alice.frames();
  assert.equal(more.length, 0);
  alice.types("b");
  alice.types("c");
  assert.deepEqual(alice.frames(), []);
  alice.hears(...server.take(first!));
  alice.talk(server);
  assert.deepEqual(server.log.map(({ ops }) => endOf(ops.at(-1))), [1, 3]);
  assert.equal(alice.core.pending.all, 0);
});

test("nothing is sent before the server's version is known", () => {
  const alice = new Alice();
  alice.types("offline");
  alice.core.connected(0);
  assert.deepEqual(actions(alice.frames()), ["JOIN_DOC"]);
  alice.types("more");
  assert.deepEqual(alice.frames(), []);
});

test("nothing is sent before the store has it as it is sent", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.core.edit(0, 0, "a", []);
  alice.core.tick(0);
  assert.deepEqual(alice.frames(), []);
  const batch = alice.core.keeper.takeBatch(0)!;
  alice.core.tick(0);
  assert.deepEqual(alice.frames(), []);
  alice.core.keeper.stored(batch.no);
  alice.core.tick(0);
  const [sent] = alice.frames();
  const stored = batch.changes.find(([key]) => /\/e\d+$/.test(key))![1] as any;
  assert.deepEqual(JSON.parse(sent!).ops, stored.ops);
});

test("an event whose ack was lost is not sent again", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.types("a");
  server.take(alice.frames()[0]!);
  alice.types("b");
  alice.reconnects();
  alice.talk(server);
  assert.deepEqual(server.log.map(({ after }) => after), [0, 1]);
  assert.equal(alice.core.pending.all, 0);
});

test("an event that was lost is sent again unchanged, also after a crash", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.types("a");
  const [lost] = alice.frames();
  alice.types("b");
  const same = (frame: string) => ({ ...JSON.parse(frame), ref: 0 });
  for (const happens of [() => alice.reconnects(), () => alice.crashes()]) {
    happens();
    const [join, ...early] = alice.frames();
    assert.deepEqual(early, []);
    alice.hears(...server.take(join!));
    assert.deepEqual(same(alice.frames()[0]!), same(lost!));
  }
  alice.reconnects();
  alice.talk(server);
  assert.equal(server.base().toString(), "ab");
});

test("an ack that does not come is asked for again, and a connection that says nothing is given up", () => {
  const alice = Alice.joined(new DummyServer());
  alice.types("a");
  const [sent] = alice.frames();
  const again: string[] = [];
  let silent = false;
  for (let i = 0; i < 12; i++) {
    alice.waits();
    again.push(...alice.frames().filter((frame) => frame.includes("SEND_OP")));
    silent ||= alice.updates().some(([name, value]) => name === "link" && value === "again");
  }
  assert.ok(again.length > 0 && again.every((frame) => JSON.parse(frame).after === JSON.parse(sent!).after));
  assert.ok(silent);
});

test("repeats change nothing", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.types("x");
  const acks = server.take(alice.frames()[0]!);
  for (let i = 0; i < 3; i++) alice.hears(...acks, remote(bob("one ")));
  assert.equal(alice.core.doc.length, 5);
  assert.equal(alice.updates().filter(([name]) => name === "change").length, 1);
});

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

test("a gap leads to a sync at once, then with pauses that grow, and only once without the cursor", () => {
  const { server, alice, next } = gapped();
  const cursors: boolean[] = [];
  for (let i = 0; i < 9; i++) {
    cursors.push(next().cursor !== undefined);
    assert.equal(alice.core.gap, i > 3);
    while (!alice.core.frames.length) alice.waits();
  }
  assert.deepEqual(cursors, [true, true, true, true, false, true, true, true, true]);
  server.log = bob("one ", "two ");
  alice.talk(server);
  assert.equal(alice.core.doc.toString(), "one two ");
  assert.equal(alice.core.gap, false);
});

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
          const event = { agent: "carol", after: carol.version.get("carol") ?? 0, ops: [carol.insert("carol", carol.length, "c")] };
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

test("an event that can never be applied keeps nobody from writing a base, and stays beside it", () => {
  const { server, alice, next } = gapped();
  next();
  alice.types("typed");
  for (let i = 0; i < 60; i++) {
    alice.talk(server);
    alice.waits();
  }
  assert.deepEqual([...alice.store.keys()].map((key) => key.replace(/^.*\/(\w)[^/]*$/, "$1")).sort(), ["a", "b", "t"]);
  alice.crashes();
  assert.equal(alice.core.doc.toString(), "typed");
  assert.equal(alice.core.doc.waitingCount, 1);
});

test("a missed broadcast is found two seconds after joining, and a quiet client syncs ever less often", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  server.log = bob("missed");
  assert.equal(alice.waits(), 2_000);
  alice.talk(server);
  assert.equal(alice.core.doc.toString(), "missed");
  const pauses: number[] = [];
  for (let at = alice.now; pauses.length < 6; ) {
    alice.waits();
    if (!actions(alice.core.frames).includes("SYNC_STATE")) continue;
    pauses.push((alice.now - at) / 1000);
    at = alice.now;
    alice.talk(server);
  }
  assert.deepEqual(pauses, [30, 60, 120, 240, 300, 300]);
});

test("with a cursor, the version holds only what came since; without one, all", () => {
  const server = new DummyServer();
  server.log = bob("long ago");
  const alice = Alice.joined(server);
  const sync = () => {
    alice.core.connection!.syncAt = alice.now;
    alice.core.tick(alice.now);
    const frame = alice.frames().find((frame) => frame.includes("SYNC_STATE"))!;
    alice.hears(...server.take(frame));
    return JSON.parse(frame).version;
  };
  assert.deepEqual(sync(), {});
  alice.types("x");
  const [send] = alice.frames();
  alice.hears(remote([{ agent: "carol", after: 0, ops: [{ type: "insert", id: "carol-0", text: "c", left: null }] }]));
  // Of its own, only what is durable: of the rest it wants to hear whether the log has it.
  assert.deepEqual(sync(), { carol: 1 });
  alice.hears(...server.take(send!));
  assert.deepEqual(sync(), { [alice.core.own.agent]: 1 });
});

test("a state's parts come in any order; those of another state begin anew", () => {
  const server = new DummyServer();
  server.log = bob("wörd 😀 ".repeat(300));
  const alice = new Alice();
  alice.types("mine");
  alice.core.connected(0);
  const whole = JSON.parse(server.take(alice.frames()[0]!)[0]!);
  const slices: string[] = whole.state.match(/.{1,500}/g);
  const parts = slices.map((state, i) => JSON.stringify({ ...whole, state, part: i + 1, parts: slices.length, cursor: i + 1 === slices.length ? "1" : undefined }));
  const stale = JSON.stringify({ ...whole, stateId: "other", state: "AAAA", part: 2, parts: 9 });
  for (const part of [stale, parts.at(-1)!, ...parts]) {
    assert.ok(!alice.core.synced);
    alice.hears(part);
    if (alice.core.synced) break;
  }
  const text = alice.core.doc.toString();
  assert.ok(text.includes("mine") && text.includes(server.base().toString()));
});

/** A state that comes in parts, as a frame each. */
function partsOf(server: DummyServer, join: string, size: number): string[] {
  const whole = JSON.parse(server.take(join)[0]!);
  const slices: string[] = whole.state.match(new RegExp(`.{1,${size}}`, "g"));
  const { cursor, ...head } = whole;
  return slices.map((state, i) => JSON.stringify({ ...head, state, part: i + 1, parts: slices.length, ...(i + 1 === slices.length && { cursor }) }));
}

test("a state may take as long as it likes, as long as parts of it come", () => {
  const server = new DummyServer();
  server.log = bob("a long text ".repeat(200));
  const alice = new Alice();
  alice.core.visible = true;
  alice.core.connected(0);
  const [join] = alice.frames();
  const parts = partsOf(server, join!, 100);
  assert.ok(parts.length > 20);
  for (const part of parts) {
    assert.ok(!alice.core.synced);
    // Just before patience ends.
    for (const end = alice.now + 19_000; alice.now < end; alice.now += 1_000) alice.core.tick(alice.now);
    alice.hears(part);
  }
  assert.equal(alice.core.doc.toString(), server.base().toString());
  assert.deepEqual(actions(alice.frames()).filter((action) => action !== "PING"), []);
});

test("a state that nothing comes of is asked for again, ever less often, and what comes of the first counts all the same", () => {
  const server = new DummyServer();
  server.log = bob("a long text ".repeat(20));
  const alice = new Alice();
  alice.core.connected(0);
  const [join] = alice.frames();
  const [first, ...rest] = partsOf(server, join!, 100);
  alice.hears(first!);
  assert.equal(alice.waits(), 20_000);
  assert.ok(alice.waits() < 200);
  assert.deepEqual(actions(alice.frames()), ["JOIN_DOC"]);
  assert.equal(alice.waits(), 40_000);
  alice.waits();
  assert.deepEqual(actions(alice.frames()), ["JOIN_DOC"]);
  alice.hears(...rest);
  assert.ok(alice.core.synced);
  assert.equal(alice.core.doc.toString(), server.base().toString());
  // Nothing is asked for any more before it is time.
  assert.ok(alice.waits() <= 2_000);
});

test("an answer from before a refusal does not count", () => {
  const server = new DummyServer();
  const alice = new Alice();
  alice.types("x");
  alice.core.connected(0);
  const [join] = alice.frames();
  alice.hears(...server.take(join!));
  const { ref } = JSON.parse(alice.frames()[0]!);
  alice.hears(JSON.stringify({ action: "ERROR", code: "bad_op", message: "no", retry: false, ref }));
  alice.hears(...server.take(join!));
  assert.ok(!alice.core.synced);
});

test("a dead connection is noticed within 30 s while somebody looks, and costs nothing while nobody does", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.core.visible = true;
  const isDead = () => alice.updates().some(([name, value]) => name === "link" && value === "again");
  // It answers, and so it is alive.
  for (let pings = 0; pings < 20; ) {
    alice.waits();
    pings += actions(alice.core.frames).filter((action) => action === "PING").length;
    alice.talk(server);
    assert.ok(!isDead());
  }
  const diedAt = alice.now;
  while (!isDead()) alice.waits();
  assert.ok(alice.now - diedAt <= 30_000, `${alice.now - diedAt}`);
  // Out of the background, at once.
  alice.reconnects();
  alice.talk(server);
  alice.core.visible = false;
  for (const end = alice.now + 600_000; alice.now < end; ) {
    alice.waits();
    assert.ok(!actions(alice.core.frames).includes("PING"));
    alice.talk(server);
  }
  alice.core.woke(alice.now);
  assert.deepEqual(actions(alice.frames()), ["PING"]);
  const wokeAt = alice.now;
  while (!isDead()) alice.waits();
  assert.ok(alice.now - wokeAt <= 5_000);
});

test("a refusal for now is tried again after a pause; so is the gateway's own word that something failed", () => {
  const alice = Alice.joined(new DummyServer());
  alice.types("a");
  for (const word of [{ action: "ERROR", code: "unavailable", message: "no", retry: true }, { message: "Internal server error", connectionId: "c", requestId: "r" }]) {
    const { ref } = JSON.parse(alice.frames().at(-1)!);
    alice.hears(JSON.stringify("action" in word ? { ...word, ref } : word));
    assert.deepEqual(alice.frames(), []);
    assert.ok(alice.waits() <= 5_000);
    assert.deepEqual(actions(alice.core.frames), ["SEND_OP"]);
  }
});

test("an action of a newer server is none of its business, and what cannot be read is said", () => {
  const alice = Alice.joined(new DummyServer());
  alice.hears(JSON.stringify({ action: "DANCE" }));
  assert.deepEqual(alice.updates(), []);
  alice.hears("{");
  assert.deepEqual(alice.updates().map(([name, value]) => name === "error" && value.code), ["odd"]);
});

test("what is refused for good is offered again under new ids, once, where it was typed", () => {
  const server = new DummyServer();
  server.log = bob("one two");
  const alice = Alice.joined(server);
  alice.types("and ", 4);
  const refused = JSON.parse(alice.frames()[0]!);
  alice.types("a half ", 8);
  alice.hears(JSON.stringify({ action: "ERROR", code: "bad_op", message: "no", retry: false, ref: refused.ref }));
  while (alice.core.pending.all) {
    alice.waits();
    alice.talk(server);
  }
  assert.equal(server.base().toString(), "one and a half two");
  assert.equal(alice.core.doc.toString(), "one and a half two");
  assert.ok(!server.log.some(({ agent }) => agent === refused.agent));
});

test("somebody else under the same name: new ids for what is here, and the other's text stays", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.types("mine ");
  const { agent } = alice.core.own;
  server.log.push({ agent, after: 0, ops: [{ type: "insert", id: `${agent}-0`, text: "theirs", left: null }] });
  while (alice.core.pending.all) {
    alice.talk(server);
    if (alice.core.pending.all) alice.waits();
  }
  assert.notEqual(alice.core.own.agent, agent);
  assert.deepEqual(alice.core.doc.toString().split(" ").sort().join(""), server.base().toString().split(" ").sort().join(""));
  assert.ok(alice.core.doc.toString().includes("mine ") && alice.core.doc.toString().includes("theirs"));
});

test("what another wrote under the ids of an event whose answer was lost is told from it by a state, too", () => {
  const cases: { mine: (alice: Alice) => void; theirs: (agent: string) => object[]; then?: boolean; end: string }[] = [
    {
      mine: (alice) => alice.deletes(0, 1),
      theirs: (agent) => [{ type: "insert", id: `${agent}-0`, text: "x", left: "bob-2" }],
      end: "bcx",
    },
    {
      mine: (alice) => alice.types("123"),
      theirs: (agent) => [{ type: "delete", id: `${agent}-0`, target: "bob-0", len: 3 }],
      end: "123",
    },
    {
      mine: (alice) => alice.types("12312"),
      theirs: (agent) => [
        { type: "delete", id: `${agent}-0`, target: "bob-0", len: 2 },
        { type: "insert", id: `${agent}-2`, text: "123", left: "bob-2" },
      ],
      end: "c12312312",
    },
    // What was deleted since can only be told by where it hangs, a delete only by what is gone.
    {
      mine: (alice) => alice.types("1"),
      theirs: (agent) => [{ type: "insert", id: `${agent}-0`, text: "x", left: null }],
      then: true,
      end: "abc1",
    },
    {
      mine: (alice) => alice.deletes(0, 1),
      theirs: (agent) => [{ type: "delete", id: `${agent}-0`, target: "bob-1" }],
      end: "c",
    },
  ];
  for (const { mine, theirs, then, end } of cases) {
    const server = new DummyServer();
    server.log = bob("abc");
    const alice = Alice.joined(server);
    const { agent } = alice.core.own;
    mine(alice);
    assert.deepEqual(actions(alice.frames()), ["SEND_OP"]);
    server.log.push({ agent, after: 0, ops: theirs(agent) as any });
    if (then) server.log.push({ agent: "bob", after: 3, ops: [{ type: "delete", id: "bob-3", target: `${agent}-0` }] });
    server.knowsCursors = false;
    alice.reconnects();
    for (let tries = 0; tries < 20 && (tries === 0 || alice.core.pending.all); tries++) {
      alice.talk(server);
      alice.waits();
    }
    assert.equal(alice.core.pending.all, 0);
    assert.notEqual(alice.core.own.agent, agent);
    const text = server.base().toString();
    assert.equal(alice.core.doc.toString(), text);
    assert.deepEqual([...text].sort(), [...end].sort(), text);
  }
});

test("who may not write is told so, and what was typed is kept", () => {
  const alice = Alice.joined(new DummyServer());
  alice.types("a");
  const { ref } = JSON.parse(alice.frames()[0]!);
  alice.hears(JSON.stringify({ action: "ERROR", code: "forbidden", message: "read only", retry: false, ref }));
  const [error] = alice.updates().filter(([name]) => name === "error") as any[];
  assert.deepEqual([error[1].code, error[1].retry], ["forbidden", false]);
  assert.equal(alice.core.pending.all, 1);
  assert.ok([...alice.store.keys()].some((key) => /\/e\d+$/.test(key)));
});

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

test("what is stored opens with its text, without a server, and goes on under the same agent", () => {
  const server = new DummyServer();
  server.log = bob("text ");
  const alice = Alice.joined(server);
  alice.types("typed ");
  const { agent } = alice.core.own;
  alice.crashes();
  assert.equal(alice.core.doc.toString(), "text typed ");
  assert.equal(alice.core.own.agent, agent);
  alice.types("on");
  alice.talk(server);
  assert.equal(server.base().toString(), "text typed on");
  // After a quiet moment, one record holds the document.
  while (alice.store.size > 2) alice.waits();
  alice.crashes();
  assert.equal(alice.core.doc.toString(), "text typed on");
  assert.equal(alice.core.own.agent, agent);
});

test("an event that cannot be read is said, and hides none that came before it", () => {
  const alice = Alice.joined(new DummyServer());
  const broken = { agent: "eve", after: 0, ops: [{ type: "insert", id: "eve-0", text: "", left: null }] } as any;
  alice.hears(remote([...bob("fine"), broken]));
  const updates = alice.updates();
  assert.deepEqual(updates.map(([name]) => name).sort(), ["change", "error"]);
  assert.equal(alice.core.doc.toString(), "fine");
});

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

// --- A server that forgot

test("a log that lags is not taken for one that forgot, and nothing is sent before that is known", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  const [event] = bob("one ");
  server.log = [event!];
  alice.hears(remote([event!]));
  alice.types("mine");
  alice.frames();
  // The live state has not heard of it yet.
  server.base = () => new TextDoc();
  server.knowsCursors = false;
  alice.reconnects();
  const [join] = alice.frames();
  alice.hears(...server.take(join!));
  const [asked, ...more] = alice.frames().map((frame) => JSON.parse(frame));
  assert.deepEqual([asked.action, asked.confirm, asked.version, more.length], ["SYNC_STATE", true, { bob: 4 }, 0]);
  alice.hears(...server.take(JSON.stringify(asked)));
  assert.deepEqual(alice.core.doc.toString(), "one mine");
  assert.deepEqual(actions(alice.frames()), ["SEND_OP"]);
});

/** Until all that was typed is saved; says what was put aside. */
function settles(alice: Alice, server: DummyServer): string[] {
  const aside: string[] = [];
  alice.core.putAside = (text) => aside.push(text);
  for (let tries = 0; tries < 20; tries++) {
    alice.talk(server);
    if (alice.core.synced && !alice.core.pending.all) break;
    alice.waits();
  }
  assert.equal(alice.core.pending.all, 0);
  assert.equal(alice.core.doc.toString(), server.base().toString());
  return aside;
}

for (const [what, names] of [["made anew", ["A", "B"]], ["put back", ["A", "A"]]] as const) {
  test(`a log that was ${what}: the text is put aside, what was never saved is typed again, and ids are new`, () => {
    const server = new DummyServer();
    server.logName = names[0];
    server.log = bob("one ", "two ");
    const alice = Alice.joined(server);
    alice.types("mine ", 4);
    alice.talk(server);
    assert.equal(server.base().toString(), "one mine two ");
    const { agent } = alice.core.own;
    // Of all that, only bob's first word is left; alice types on.
    server.log = bob("one ");
    server.logName = names[1];
    server.knowsCursors = false;
    alice.core.disconnected();
    alice.types("and more ", 9);
    alice.types("ever ", 0);
    alice.core.connected(alice.now);
    const aside = settles(alice, server);
    assert.deepEqual(aside, ["ever one mine and more two "]);
    assert.equal(server.base().toString(), "ever one and more ");
    assert.notEqual(alice.core.own.agent, agent);
    assert.ok(!server.log.some((event) => event.agent === agent));
    // And so it is on the device.
    alice.crashes();
    assert.equal(alice.core.doc.toString(), "ever one and more ");
    assert.equal(alice.core.log, names[1]);
  });
}

test("a log that was put back and gone on with under the same ids is not merged", () => {
  const server = new DummyServer();
  server.logName = "A";
  server.log = bob("one ", "two ");
  const alice = Alice.joined(server);
  server.log = bob("one ", "six ", "ten ");
  server.knowsCursors = false;
  alice.reconnects();
  assert.deepEqual(settles(alice, server), ["one two "]);
});

test("what reached a log that then forgot something else is not typed twice", () => {
  const server = new DummyServer();
  server.logName = "A";
  server.log = bob("one ", "two ");
  const alice = Alice.joined(server);
  alice.types("mine ", 0);
  const [sent] = alice.frames();
  server.take(sent!);
  // Her event is there, and its answer lost; bob's second word is not.
  server.log.splice(1, 1);
  server.knowsCursors = false;
  alice.reconnects();
  assert.deepEqual(settles(alice, server), ["mine one two "]);
  assert.equal(JSON.stringify(server.log).split("mine ").length, 2);
});

test("what is broadcast before a server has said which log it has is held back", () => {
  const server = new DummyServer();
  server.logName = "A";
  server.log = bob("one ");
  const alice = Alice.joined(server);
  const other = new DummyServer();
  other.logName = "B";
  other.log = [{ agent: "carol", after: 0, ops: [{ type: "insert", id: "carol-0", text: "other ", left: null }] }];
  alice.reconnects();
  alice.hears(remote(other.log));
  assert.equal(alice.core.doc.toString(), "one ");
  assert.deepEqual(settles(alice, other), ["one "]);
  assert.equal(alice.core.doc.toString(), "other ");
});

test("a copy of the log under another name is the same text, and nothing is put aside", () => {
  const server = new DummyServer();
  server.logName = "A";
  server.log = bob("one ", "two ");
  const alice = Alice.joined(server);
  alice.types("mine ");
  alice.talk(server);
  const { agent } = alice.core.own;
  alice.core.disconnected();
  alice.types("offline ");
  server.logName = "B";
  server.knowsCursors = false;
  server.log.push({ agent: "carol", after: 0, ops: [{ type: "delete", id: "carol-0", target: "bob-0", len: 4 }] });
  alice.core.connected(alice.now);
  assert.deepEqual(settles(alice, server), []);
  assert.equal(alice.core.doc.toString(), "two mine offline ");
  assert.equal(alice.core.own.agent, agent);
});

test("a server that says no name is no reason to begin anew", () => {
  const server = new DummyServer();
  server.logName = "A";
  server.log = bob("one ");
  const alice = Alice.joined(server);
  server.logName = undefined;
  server.knowsCursors = false;
  alice.reconnects();
  assert.deepEqual(settles(alice, server), []);
  assert.equal(alice.core.log, "A");
});

test("what was typed for one log is never sent to another: it waits on the device, and is shown as put aside", () => {
  for (const saved of ["", "saved "]) {
    const server = new DummyServer();
    server.logName = "A";
    const alice = Alice.joined(server);
    if (saved) alice.types(saved);
    alice.talk(server);
    alice.core.disconnected();
    alice.types("for A");
    const other = new DummyServer();
    other.logName = "B";
    other.log = bob("other ");
    alice.crashes();
    assert.deepEqual(settles(alice, other), [`${saved}for A`]);
    assert.ok(!JSON.stringify(other.log).includes("for A"));
    alice.types("for B");
    alice.talk(other);
    // The other server again.
    alice.crashes();
    const back = alice.sessions().filter(({ log }) => log === "A");
    assert.equal(back.length, 1);
    assert.deepEqual(settles(alice, server), ["other for B"]);
    alice.core.adopt(back, alice.now);
    alice.core.tick(alice.now);
    assert.deepEqual(settles(alice, server), []);
    assert.equal(server.base().toString(), `${saved}for A`);
    assert.ok(!JSON.stringify(server.log).includes("for B"));
  }
});

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

test("each failure is told once, however often it is tried again, until all is well", () => {
  const server = new DummyServer();
  const alice = Alice.joined(server);
  alice.types("a");
  let told = 0;
  for (let i = 0; i < 8; i++) {
    const sent = alice.frames().map((frame) => JSON.parse(frame)).find(({ action }) => action === "SEND_OP");
    if (sent) alice.hears(JSON.stringify({ action: "ERROR", code: "forbidden", message: "read only", retry: false, ref: sent.ref }));
    told += alice.updates().filter(([name]) => name === "error").length;
    alice.waits();
    alice.frames().filter((frame) => !frame.includes("SEND_OP")).forEach((frame) => alice.hears(...server.take(frame)));
  }
  assert.equal(told, 1);
});
