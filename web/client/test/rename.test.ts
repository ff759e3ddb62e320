// What gets new ids once an event is refused: it, what comes after it, and what refers to either.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type WireEvent, localOp } from "../src/crdt/index.js";
import { type Outbox, newOutbox, push, wireEvent } from "../src/sync/outbox.js";
import { succeed } from "../src/sync/rename.js";

type WireOp = WireEvent["ops"][number];

const insert = (id: string, text: string, left: string | null): WireOp => ({ type: "insert", id, text, left });
const remove = (id: string, target: string, len: number): WireOp => ({ type: "delete", id, target, len });

/** An outbox with these events, each typed while the document showed what these agents had not sent. */
function outboxOf(agent: string, over: string[], ...events: WireOp[][]): Outbox {
  const outbox = newOutbox(agent);
  for (const ops of events) {
    for (const op of ops) push(outbox, localOp(op), () => over);
    outbox.events.at(-1)!.closed = true;
  }
  return outbox;
}

/** Alice's second event is refused. What becomes of hers and of Bob's: what stays, and under which new ids the rest is. */
function refused(alice: Outbox, bob: Outbox) {
  alice.events[1]!.refused = true;
  const shown = ({ agent, events }: Outbox) => ({ agent, ops: events.map((event) => wireEvent(agent, event).ops) });
  let agents = 0;
  const heirs = succeed([alice, bob], () => `new${agents++}`);
  for (const { heir } of heirs) {
    let end = 0;
    for (const event of heir.events) {
      assert.deepEqual([event.after, event.sent, event.refused, event.kept], [end, false, false, 0], "a chain that begins anew");
      end = event.end;
    }
    assert.equal(heir.end, end);
  }
  return { stays: [alice, bob].map(shown), heirs: heirs.map(({ heir }) => shown(heir)), over: heirs.map(({ heir }) => heir.events.map(({ over }) => over)) };
}

const typedByAlice = () =>
  outboxOf("alice", [], [insert("alice-0", "ab", null)], [insert("alice-2", "cd", "alice-1")], [remove("alice-4", "alice-0", 1)]);
const kept = { agent: "alice", ops: [[insert("alice-0", "ab", null)]] };
const renamed = { agent: "new0", ops: [[insert("new0-0", "cd", "alice-1")], [remove("new0-2", "alice-0", 1)]] };

test("an event of which one op refers to what is refused goes along, and so does what comes after it", () => {
  const bob = outboxOf("bob", ["alice"], [insert("bob-0", "x", null)], [insert("bob-1", "y", null), insert("bob-2", "z", "alice-3")], [insert("bob-3", "!", null)]);
  const { stays, heirs, over } = refused(typedByAlice(), bob);
  assert.deepEqual(stays, [kept, { agent: "bob", ops: [[insert("bob-0", "x", null)]] }]);
  const along = { agent: "new1", ops: [[insert("new1-0", "y", null), insert("new1-1", "z", "new0-1")], [insert("new1-2", "!", null)]] };
  assert.deepEqual(heirs, [renamed, along]);
  assert.ok(over[1]!.every((agents) => ["alice", "bob", "new0"].every((agent) => agents.includes(agent))), "what the old chains hold is another's now");
});

test("a deletion of which only a part gets new ids becomes two", () => {
  for (const [from, len, parts] of [
    [0, 2, [["alice-0", 2]]],
    [1, 2, [["alice-1", 1], ["new0-0", 1]]],
    [0, 4, [["alice-0", 2], ["new0-0", 2]]],
    [2, 2, [["new0-0", 2]]],
    [3, 1, [["new0-1", 1]]],
  ] as [number, number, [string, number][]][]) {
    const { heirs, stays } = refused(typedByAlice(), outboxOf("bob", ["alice"], [remove("bob-0", `alice-${from}`, len)]));
    const agent = heirs[1] ? "new1" : "bob";
    let seq = 0;
    const ops = parts.map(([target, count]) => {
      const op = remove(`${agent}-${seq}`, target, count);
      seq += count;
      return op;
    });
    assert.deepEqual(heirs[1] ?? stays[1], { agent, ops: [ops] }, `${from}, ${len}`);
  }
});

test("who did not see what is refused refers to another's text under the same ids, and stays", () => {
  const bob = outboxOf("bob", [], [insert("bob-0", "x", "alice-3")]);
  const { stays, heirs } = refused(typedByAlice(), bob);
  assert.deepEqual(stays, [kept, { agent: "bob", ops: [[insert("bob-0", "x", "alice-3")]] }]);
  assert.deepEqual(heirs, [renamed]);
});

test("what is found later may begin earlier in a chain", () => {
  const alice = typedByAlice();
  alice.events[1]!.refused = true;
  const bob = outboxOf("bob", ["alice"], [insert("bob-0", "w", null)], [insert("bob-1", "x", "alice-3")], [insert("bob-2", "y", null)]);
  bob.events[2]!.refused = true;
  // Bob's last event first; that an earlier one goes with Alice's is known only then.
  let agents = 0;
  const heirs = succeed([bob, alice], () => `new${agents++}`);
  const left = (outbox: Outbox) => outbox.events.map(({ after }) => after);
  assert.deepEqual([left(bob), left(alice)], [[0], [0]]);
  assert.deepEqual(heirs.map(({ heir }) => [heir.agent, heir.events.length]), [["new0", 2], ["new1", 2]]);
});
