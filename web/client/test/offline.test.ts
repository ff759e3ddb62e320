// What is on this device: how it is put together from what agents kept, and how edits change it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Change, TextDoc, type WireEvent } from "../src/crdt/index.js";
import { accessKey } from "../src/sync/access.js";
import { type StoredAgent, agentPrefix, chainKey, readAgent } from "../src/sync/keeper.js";
import { OfflineDocument } from "../src/sync/offline.js";
import { type Outbox, startOf } from "../src/sync/outbox.js";
import { bob } from "./dummy.js";

interface Given {
  /** What the base holds, and when it was written. */
  base?: WireEvent[];
  at?: number;
  cursor?: string;
  recent?: WireEvent[];
  unsent?: WireEvent[];
  log?: string;
  /** Where the chain stood when its base was written. */
  end?: number;
  free?: boolean;
}

function stored(agent: string, { base, at = 0, cursor = "1", recent = [], unsent = [], log, end = 0, free = true }: Given): StoredAgent {
  const prefix = agentPrefix("d", agent);
  const records: [string, unknown][] = [];
  if (base) records.push([`${prefix}base`, { state: docOf(base).encode(), cursor, at }]);
  if (recent.length) records.push([`${prefix}t1`, recent]);
  for (const { after, ops } of unsent) records.push([eventKey(agent, after), { after, end: after + lengthOf(ops), ops, sent: false, over: [] }]);
  return readAgent("d", agent, { end, saved: end, server: undefined, log }, records, free);
}

const eventKey = (agent: string, after: number): string => `${agentPrefix("d", agent)}e${String(after).padStart(16, "0")}`;

const lengthOf = (ops: WireEvent["ops"]): number => ops.reduce((sum, op) => sum + (op.type === "insert" ? op.text!.length : op.len!), 0);

function docOf(events: WireEvent[]): TextDoc {
  const doc = new TextDoc();
  for (const event of events) doc.apply(event);
  return doc;
}

function opened(...agents: StoredAgent[]): OfflineDocument {
  let count = 0;
  const document = new OfflineDocument("d", "alice", (user) => `${user}~${count++}`);
  document.load(agents);
  document.updates = [];
  return document;
}

function types(document: OfflineDocument, at: number, del: number, ins: string): void {
  document.change("local", (changes) => document.edit(at, del, ins, changes));
}

/** `text` after what has been told. */
function told(document: OfflineDocument, text: string): string {
  for (const [name, value] of document.updates) {
    if (name !== "change") continue;
    assert.ok(value.changes.length > 0);
    for (const { at, del, ins } of value.changes) text = text.slice(0, at) + ins + text.slice(at + del);
  }
  return text;
}

/** What is written next. */
const written = (document: OfflineDocument): Map<string, any> => new Map(document.keeper.takeBatch(0)?.changes);

const insert = (agent: string, after: number, text: string, left: string | null): WireEvent => ({ agent, after, ops: [{ type: "insert", id: `${agent}-${after}`, text, left }] });

const [one, two, three] = bob("one ", "two ", "three ") as [WireEvent, WireEvent, WireEvent];
const mine = insert("alice", 0, "mine ", "bob-3");
const more = insert("alice", 5, "more ", "alice-4");

// --- Editing

test("an edit that deletes nothing and inserts nothing is none", () => {
  const document = opened(stored("alice", { base: [one] }));
  types(document, 4, 0, "");
  assert.deepEqual([document.updates, document.unsaved, document.doc.toString()], [[], 0, "one "]);
});

test("an edit that fails half-way leaves what is durable and what is to be sent, and tells it", () => {
  const document = opened(stored("alice", { base: [one], recent: [two] }));
  const failing = (changes: Change[]) => {
    document.edit(8, 0, "typed ", changes);
    document.doc.insert(document.own.agent, 0, "half ", changes);
    throw new Error("half-way");
  };
  assert.throws(() => document.change("local", failing), /half-way/);
  assert.equal(document.doc.toString(), "one two typed ");
  assert.equal(told(document, "one two "), "one two typed ");
  assert.ok(document.updates.some(([name]) => name === "renewed"));
  assert.ok(document.updates.every(([name, value]) => name !== "change" || value.origin === "remote"));
  assert.equal(document.cursor, undefined);
  types(document, 14, 0, "on");
  assert.equal(document.unsaved, 8);
});

test("what an edit lets in that waited for its ids is told, too", () => {
  for (const base of [[], [one]]) {
    const document = opened(stored("alice", { base, recent: [insert("carol", 0, "carol's", "alice-1")] }));
    const before = document.doc.toString();
    document.change("local", (changes) => {
      document.edit(before.length, 0, "mine", changes);
      document.edit(before.length, 1, "M", changes);
    });
    assert.match(document.doc.toString(), /Minecarol's$/);
    assert.equal(told(document, before), document.doc.toString());
  }
});

test("the text that is not saved is known, piece by piece", () => {
  const document = opened(stored("alice", { base: [one, mine], end: 5 }));
  assert.deepEqual(document.unsavedText(), []);
  types(document, 0, 0, "first ");
  types(document, document.doc.length, 0, "last");
  document.abandonStore();
  types(document, 10, 0, "middle ");
  assert.equal(document.doc.toString(), "first one middle mine last");
  assert.deepEqual(document.unsavedText(), ["first ", "middle ", "last"]);
});

test("what is typed while another agent's events are unsent is known to be typed on them", () => {
  const document = opened(stored("alice", { base: [one], unsent: [mine] }));
  types(document, 0, 0, "a");
  document.abandonStore();
  types(document, 0, 0, "b");
  assert.deepEqual(document.outboxes.map(({ agent, events }) => [agent, events.at(-1)!.over]), [["alice", []], [document.own.agent, ["alice"]]]);
  assert.equal(document.settled, false);
});

test("an agent with nothing to send is not kept beside the one that writes", () => {
  const document = opened(stored("alice", { base: [one] }));
  document.abandonStore();
  document.abandonStore();
  assert.equal(document.outboxes.length, 1);
  types(document, 0, 0, "a");
  document.abandonStore();
  assert.equal(document.outboxes.length, 2);
  // All that is shown is durable only when the other's is, too.
  assert.equal(document.settled, false);
});

test("what goes wrong is told once, until all is saved", () => {
  const document = opened();
  const goesWrong = () => {
    for (const [code, message] of [["a", "one"], ["a", "two"], ["b", "one"]]) document.tell(code!, message!, true);
    return document.updates.splice(0).length;
  };
  types(document, 0, 0, "unsaved");
  document.updates = [];
  assert.equal(goesWrong(), 3);
  document["calm"]();
  assert.equal(goesWrong(), 0);
  document.own.events = [];
  document["calm"]();
  assert.equal(goesWrong(), 3);
});

// --- What agents kept

test("to open a document that several agents wrote in leaves the store as it is", () => {
  const document = opened(stored("alice", { base: [one, mine], end: 5 }), stored("alice~b", { base: [one], end: 0 }));
  assert.equal(written(document).size, 0);
});

test("of several bases, the newest says where to go on from, in which log", () => {
  const older = stored("alice", { base: [one], at: 1, cursor: "older", log: "A", end: 0 });
  const newer = stored("alice~b", { base: [two, one], at: 2, cursor: "newer", log: "B" });
  const none = stored("alice~c", { log: "C", end: 0 });
  for (const agents of [[older, newer, none], [none, newer, older], [newer, none, older]]) {
    const document = opened(...agents);
    assert.deepEqual([document.log, document.cursor, document.doc.toString()], ["B", "newer", "one two "]);
  }
  const document = opened(older);
  assert.deepEqual([document.log, document.cursor], ["A", "older"]);
});

test("where another agent kept more than the newest base has, nobody goes on from its cursor", () => {
  const newest = stored("alice", { base: [one], at: 2, recent: [two] });
  assert.equal(opened(newest, stored("alice~b", { base: [one], at: 1, recent: [two] })).cursor, "1");
  const document = opened(newest, stored("alice~b", { base: [one], at: 1, recent: [two, three] }));
  assert.equal(document.doc.toString(), "one two three ");
  assert.equal(document.cursor, undefined);
});

test("an agent goes on only where all that it ever wrote is here", () => {
  const whole = opened(stored("alice", { base: [one, mine], end: 5 }));
  assert.equal(whole.own.agent, "alice");
  // Its base is lost, or was damaged, and the chain record says that there was more.
  for (const base of [undefined, [one]]) {
    const document = opened(stored("alice", { base, end: 5 }));
    assert.notEqual(document.own.agent, "alice");
    types(document, 0, 0, "new ");
    assert.equal(document.own.events[0]!.after, 0);
    // What it was typed on is written for the new agent, too.
    assert.equal(written(document).has(`${agentPrefix("d", document.own.agent)}base`), !!base);
  }
});

test("what was typed on a base shows, also where the newest base of all lacks what it was typed on", () => {
  const typed = stored("alice", { base: [one, mine], at: 1, unsent: [more], end: 5 });
  const document = opened(typed, stored("alice~b", { base: [one, two], at: 2 }));
  assert.equal(document.doc.toString(), "one mine more two ");
  assert.deepEqual([document.own.agent, startOf(document.own), document.unsaved], ["alice", 5, 5]);
  assert.equal(document.cursor, undefined);
  // Also where it is all that its agent ever typed.
  const first = stored("alice", { base: [one, two], at: 1, unsent: [insert("alice", 0, "mine ", "bob-7")] });
  const newer = opened(first, stored("alice~b", { base: [], at: 2 }));
  assert.equal(newer.doc.toString(), "one two mine ");
  assert.equal(newer.cursor, undefined);
});

test("a base that cannot be read costs nothing that is beside it", () => {
  const damaged = stored("alice", { base: [one], recent: [one], unsent: [mine] });
  damaged.base!.state = new Uint8Array([7, 7, 7]);
  const document = opened(damaged);
  assert.equal(document.doc.toString(), "one mine ");
  assert.equal(document.cursor, undefined);
});

test("what is kept is of this log, unless both are known and differ", () => {
  const kept = (log?: string) => stored("alice~b", { log });
  const unknown = opened();
  const known = opened(stored("alice", { log: "A" }));
  assert.deepEqual([unknown.isOfLog(kept()), unknown.isOfLog(kept("A"))], [true, true]);
  assert.deepEqual([known.isOfLog(kept()), known.isOfLog(kept("A")), known.isOfLog(kept("B"))], [true, true, false]);
});

test("who was signed in last writes, and what they may do is known", () => {
  const document = opened();
  const { agent } = document.own;
  document.recall({ user: "alice", access: "read" });
  assert.deepEqual([document.user, document.access, document.own.agent], ["alice", "read", agent]);
  document.recall({ user: "carol", access: "write" });
  assert.deepEqual([document.user, document.access, document.own.agent.split("~")[0]], ["carol", "write", "carol"]);
});

test("a store that works again learns what the user may do, and where agents ended that are not gone on with", () => {
  const document = opened(stored("alice", { base: [one, mine], end: 5 }));
  document.recall({ user: "alice", access: "write" });
  document.abandonStore();
  const chain = chainKey("d", "alice");
  const base = `${agentPrefix("d", "alice")}base`;
  document.resumeStore(new Map([["alice", [chain, base]], ["alice~unused", []], [document.own.agent, []]]));
  const now = written(document);
  assert.deepEqual(now.get(accessKey("d")), { user: "alice", access: "write" });
  assert.ok(now.has(base) && now.get(base) === undefined);
  assert.deepEqual([now.get(chain).end, now.get(chain).saved], [5, 5]);
  assert.ok(!now.has(chainKey("d", "alice~unused")));
  assert.ok(now.get(`${agentPrefix("d", document.own.agent)}base`));
});

// --- What closed tabs left

test("what closed tabs left shows as one small change, and is to be sent", () => {
  const document = opened(stored("alice~own", { base: [one], recent: [three] }));
  // Bob's third word waits for his second.
  assert.equal(document.doc.toString(), "one ");
  document["takeIn"]([stored("alice", { recent: [two], unsent: [mine] })]);
  assert.equal(document.doc.toString(), "one mine two three ");
  document["takeIn"]([stored("alice~b", {})]);
  assert.deepEqual(document.updates, [["change", { changes: [{ at: 4, del: 0, ins: "mine two three " }], origin: "remote" }]]);
  assert.deepEqual(document.outboxes.map(({ agent }) => agent), ["alice", document.own.agent]);
  const middle = opened(stored("alice~own", { base: [one, two] }));
  middle["takeIn"]([stored("alice", { unsent: [mine] })]);
  assert.deepEqual(middle.updates, [["change", { changes: [{ at: 4, del: 0, ins: "mine " }], origin: "remote" }]]);
  // Where the same text comes twice, it is there once more.
  const again = opened(stored("alice~own", { base: [one] }), stored("alice", { unsent: [mine] }));
  again["takeIn"]([stored("alice~c", { unsent: [insert("alice~c", 0, "mine ", "alice-4")] })]);
  assert.equal(again.doc.toString(), "one mine mine ");
  assert.deepEqual(again.updates, [["change", { changes: [{ at: 9, del: 0, ins: "mine " }], origin: "remote" }]]);
});

test("of what an agent may have sent, all but the last is durable", () => {
  const sent = stored("alice", { base: [one], unsent: [mine, more] });
  for (const event of sent.events) event.sent = true;
  const document = opened(sent);
  assert.deepEqual([document.doc.toString(), document.unsaved], ["one mine more ", 5]);
});

test("what is typed after others' unsent text came is an event of its own, typed on that", () => {
  const document = opened(stored("alice~own", { base: [one] }));
  types(document, 0, 0, "a");
  document["takeIn"]([stored("alice", { unsent: [mine] })]);
  types(document, 1, 0, "b");
  assert.deepEqual(document.own.events.map(({ over, end }) => [over, end]), [[[], 1], [["alice"], 2]]);
});

test("what is refused goes on under new ids, with what was typed on it; what is not stays, and nothing is lost", () => {
  const document = opened(stored("alice", { base: [one], unsent: [mine, more] }));
  document.abandonStore();
  types(document, 13, 0, "on");
  written(document);
  const [alice, own] = document.outboxes as [Outbox, Outbox];
  alice.events[1]!.refused = true;
  alice.foreign = true;
  document.updates = [];
  const outboxes = document["renew"](document.outboxes);
  const texts = outboxes.map(({ events }) => events.map(({ ops }) => ops.map(({ text }) => text)).flat(2).join(""));
  assert.deepEqual(texts, ["mine ", "more ", "on"]);
  assert.equal(outboxes[0], alice);
  assert.equal(alice.end, 5);
  assert.ok(!alice.foreign);
  assert.deepEqual(
    document.updates,
    [["renamed", { agent: "alice", seq: 5, to: outboxes[1]!.agent }], ["renamed", { agent: own.agent, seq: 0, to: outboxes[2]!.agent }]],
  );
  const now = written(document);
  assert.deepEqual([now.has(eventKey("alice", 0)), now.has(eventKey("alice", 5)), now.get(eventKey("alice", 5))], [false, true, undefined]);
});
