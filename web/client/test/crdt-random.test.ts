// Random sessions of several replicas, held against each other and against the naive oracle.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc, find, idsAt, pushOp, wireOp, type Change, type LocalOp, type WireEvent } from "../src/crdt/index.js";
import { assertInvariants } from "./crdt/invariants.js";
import { Oracle } from "./crdt/oracle.js";
import { type Random, follow, forSeeds, randomEdit, whole, wildEvent } from "./crdt/random.js";

interface Replica {
  agent: string;
  doc: TextDoc;
  /** What an editor shows that makes the changes it is told. */
  mirror: string;
}

const AGENTS = ["alice", "alice~2", "bob", "Z", "a-1"];

function receive(replica: Replica, event: WireEvent): void {
  const changes: Change[] = [];
  replica.doc.apply(event, changes);
  replica.mirror = follow(replica.mirror, changes);
  assert.equal(replica.mirror, replica.doc.toString());
}

function session(random: Random, steps: number, check: (replica: Replica) => void): void {
  const replicas = AGENTS.slice(0, 2 + random.below(4)).map((agent): Replica => ({ agent, doc: new TextDoc(), mirror: "" }));
  const log: WireEvent[] = [];
  for (let step = 0; step < steps; step++) {
    const replica = random.pick(replicas);
    const { agent, doc } = replica;
    if (random.chance(50)) {
      const ops: LocalOp[] = [];
      const after = doc.version.get(agent) ?? 0;
      for (let edits = 1 + random.below(3); edits > 0; edits--) {
        const edit: LocalOp[] = [];
        replica.mirror = randomEdit(random, doc, agent, replica.mirror, edit);
        assert.equal(doc.toString(), replica.mirror);
        for (const op of edit) random.chance(70) ? pushOp(ops, agent, op) : ops.push(op);
      }
      if (ops.length > 0) log.push(JSON.parse(JSON.stringify({ agent, after, ops: ops.map((op) => wireOp(agent, op)) })));
    } else if (random.chance(20)) {
      // A broken sender, whose events are applied where they are made, too.
      const event = wildEvent(random, doc.version, agent);
      receive(replica, event);
      log.push(event);
    } else {
      for (const event of random.shuffled(log).slice(0, 1 + random.below(10))) receive(replica, event);
    }
    check(replica);
  }
  const oracle = new Oracle();
  for (const event of log) oracle.apply(event);
  for (const replica of replicas) {
    for (const event of random.shuffled(log)) receive(replica, event);
    check(replica);
    assert.equal(replica.doc.waitingCount, 0);
    assert.equal(replica.mirror, oracle.toString());
    assert.deepEqual(new Map([...replica.doc.version].sort()), new Map([...oracle.version].sort()));
    assert.deepEqual(replica.doc.encode(), replicas[0]!.doc.encode());
  }
}

test("replicas converge, editors follow, and the naive rules say the same", () => {
  forSeeds(150, (random) => session(random, 60, ({ doc }) => assertInvariants(doc)));
});

test("long sessions, in documents of many blocks", () => {
  forSeeds(3, (random) => {
    let steps = 0;
    session(random, 900, ({ doc }) => ++steps % 50 === 0 && assertInvariants(doc));
  });
});

test("anchors and ids stay with their characters", () => {
  forSeeds(100, (random) => {
    const doc = new TextDoc();
    let text = "";
    for (let i = 0; i < 40; i++) text = randomEdit(random, doc, random.pick(AGENTS), text, []);
    const at = whole(text, random.below(text.length));
    const len = random.below(text.length - at + 1);
    const before = doc.anchor(at, 1);
    const ranges = idsAt(doc, at, len);
    const ids = ranges.reduce((sum, range) => sum + range.len, 0);
    const end = whole(text, at + len) < at + len ? at + len + 1 : at + len;
    assert.equal(ids, [...text.slice(at, len === 0 ? at : end)].length);
    assert.equal(doc.position(before), at);
    const found = ranges.flatMap((range) => find(doc, range)).map((piece) => doc.slice(piece.at, piece.at + piece.len));
    assert.equal(found.join(""), len === 0 ? "" : text.slice(at, end));
    // Whatever comes before it moves the anchor by as much.
    doc.insert("alice", 0, "12😀");
    assert.equal(doc.position(before), at + 4);
    const width = String.fromCodePoint(text.codePointAt(at) ?? 65).length;
    if (at < text.length) doc.delete("alice", at + 4, width);
    assert.equal(doc.position(before), at + 4, "a tombstone has its place");
    assert.equal(doc.position({ ...before, side: -1 }), before.id === null ? 0 : at + 4);
  });
  const doc = new TextDoc();
  doc.insert("a", 0, "xy");
  assert.deepEqual(doc.anchor(0, -1), { id: null, side: -1 });
  assert.deepEqual(doc.anchor(2, 1), { id: null, side: 1 });
  assert.equal(doc.position({ id: null, side: 1 }), 2);
  assert.equal(doc.position({ id: "nobody-3", side: 1 }), 2);
  assert.equal(doc.position({ id: "nobody-3", side: -1 }), 0);
  assert.deepEqual(find(doc, { agent: "nobody", seq: 0, len: 3 }), []);
});

test("a pair is never split", () => {
  const doc = new TextDoc();
  doc.insert("a", 0, "x😀y");
  assert.deepEqual(wireOp("b", doc.insert("b", 2, "\ud800-")), { type: "insert", id: "b-0", text: "\ufffd-", right: "a-1" });
});
