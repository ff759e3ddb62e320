// States: encoded, read back, united; damaged ones; and events that break the rules.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DecodeError, EventError, TextDoc, idsAt, mergeOps, pushOp, wireOp, type Change, type LocalOp, type WireEvent, type WireOp } from "../src/crdt/index.js";
import { crc32 } from "../src/crdt/codec.js";
import { idText } from "../src/crdt/ids.js";
import { stateOf } from "../src/crdt/merge.js";
import { assertInvariants } from "./crdt/invariants.js";
import { type Random, follow, forSeeds, randomEdit, wildEvent } from "./crdt/random.js";

/** Replicas that have seen parts of one history, and the history. */
function parted(random: Random, count: number): { docs: TextDoc[]; log: WireEvent[] } {
  const docs = Array.from({ length: count }, () => new TextDoc());
  const log: WireEvent[] = [];
  for (let step = 0; step < 40; step++) {
    const at = random.below(count);
    const doc = docs[at]!;
    const agent = `agent-${at}`;
    if (random.chance(30)) {
      for (const event of random.shuffled(log).slice(0, 5)) doc.apply(event);
      continue;
    }
    const after = doc.version.get(agent) ?? 0;
    const ops: LocalOp[] = [];
    if (random.chance(80)) randomEdit(random, doc, agent, doc.toString(), ops);
    const event = ops.length > 0 ? { agent, after, ops: ops.map((op) => wireOp(agent, op)) } : wildEvent(random, doc.version, agent);
    doc.apply(event);
    log.push(event);
  }
  return { docs, log };
}

/** A state as the `ops` of a DOC_STATE, cut anywhere and in any order. */
function asOps(random: Random, doc: TextDoc): WireOp[] {
  const { ids } = doc;
  const ops = stateOf(doc).flatMap((op): WireOp[] => {
    const anchor = op.ref && `${op.ref.name}-${op.refSeq}`;
    const whole: WireOp = { type: "insert", id: idText(ids.idOf(op.lv)), ...(op.side === 0 ? { right: anchor! } : { left: anchor }) };
    const chars = op.text === null ? null : [...doc.tree.chars.text(op.lv, op.count)];
    const cut = op.count > 1 && random.chance(30) ? 1 + random.below(op.count - 1) : 0;
    const content = (from: number, to: number) =>
      chars === null ? { len: to - from } : { text: chars.slice(from, to).join("") };
    if (cut === 0) return [{ ...whole, ...content(0, op.count) }];
    const rest = { type: "insert", id: idText(ids.idOf(op.lv + cut)), left: idText(ids.idOf(op.lv + cut - 1)) } as const;
    return [{ ...whole, ...content(0, cut) }, { ...rest, ...content(cut, op.count) }];
  });
  return random.shuffled(ops);
}

test("a state comes back, and goes on as the document that wrote it", () => {
  forSeeds(60, (random) => {
    const { docs, log } = parted(random, 3);
    for (const doc of docs) {
      const state = doc.encode();
      const again = TextDoc.decode(state);
      assertInvariants(again);
      assert.equal(again.toString(), doc.toString());
      assert.deepEqual(again.encode(), state);
      for (const event of random.shuffled(log)) again.apply(event);
      for (const event of random.shuffled(log)) doc.apply(event);
      assertInvariants(again);
      assert.equal(again.toString(), doc.toString());
      assert.deepEqual(again.encode(), doc.encode());
    }
  });
});

test("states unite in both formats, and release what waited", () => {
  forSeeds(60, (random) => {
    const { docs, log } = parted(random, 3);
    const all = new TextDoc();
    for (const event of log) all.apply(event);
    for (const format of ["ops", "binary"]) {
      const doc = random.chance(20) ? new TextDoc() : TextDoc.decode(random.pick(docs).encode());
      let mirror = doc.toString();
      for (const other of random.shuffled([...docs, all])) {
        const changes: Change[] = [];
        for (const event of random.shuffled(log).slice(0, 5)) doc.apply(event, changes);
        if (format === "binary") doc.mergeState(other.encode(), changes);
        else mergeOps(doc, asOps(random, other), Object.fromEntries(other.version), changes);
        mirror = follow(mirror, changes);
        assert.equal(mirror, doc.toString());
        assertInvariants(doc);
      }
      assert.equal(doc.waitingCount, 0);
      assert.equal(doc.toString(), all.toString());
      assert.deepEqual(doc.encode(), all.encode());
    }
  });
});

test("numbers up to 2^53 keep their value", () => {
  const top = 2 ** 53;
  const doc = new TextDoc();
  const insert = (agent: string, after: number, seq: number, anchor: object) =>
    assert.equal(doc.apply({ agent, after, ops: [{ type: "insert", id: `${agent}-${seq}`, text: "é", ...anchor }] }), "now");
  insert("a", 0, 0, { left: null });
  insert("a", 1, top - 1, { right: "a-0" });
  insert("b", 0, 5, { left: `a-${top - 1}` });
  insert("b", 6, top - 3, { left: "a-0" });
  insert("c", 0, 0, { right: `b-${top - 3}` });
  insert("c", 1, top / 2, { left: "c-0" });
  insert("c", top / 2 + 1, top - 1, { left: `c-${top / 2}` });
  assertInvariants(doc);
  const again = TextDoc.decode(doc.encode());
  assertInvariants(again);
  assert.deepEqual(again.encode(), doc.encode());
  assert.deepEqual(idsAt(again, 0, 7), idsAt(doc, 0, 7));
  assert.throws(() => doc.insert("a", 0, "x"), RangeError);
  const beyond: WireOp = { type: "insert", id: `d-${top - 1}`, text: "xy", left: null };
  assert.throws(() => doc.apply({ agent: "d", after: 0, ops: [beyond] }), EventError);
});

test("damaged bytes give a DecodeError, and a newer version is told from damage", () => {
  forSeeds(30, (random) => {
    const bytes = parted(random, 2).docs[0]!.encode();
    for (let i = 0; i < 60; i++) {
      const damaged = random.chance(30) ? bytes.slice(0, random.below(bytes.length)) : bytes.slice();
      for (let flips = 1 + random.below(3); flips > 0 && damaged.length > 0; flips--) {
        damaged[random.below(damaged.length)]! ^= 1 << random.below(8);
      }
      // With a checksum that holds, only what the bytes say tells.
      if (damaged.length >= 9 && random.chance(80)) {
        damaged.set(bytes.subarray(0, 5));
        new DataView(damaged.buffer).setUint32(5, crc32(damaged.subarray(9)), true);
      }
      let doc: TextDoc;
      try {
        doc = TextDoc.decode(damaged);
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error));
        continue;
      }
      assertInvariants(doc);
      assert.equal(TextDoc.decode(doc.encode()).toString(), doc.toString());
    }
  });
  const newer = new TextDoc().encode();
  newer[4] = 2;
  assert.throws(() => TextDoc.decode(newer), (error: DecodeError) => error.newer);
  newer[4] = 0;
  assert.throws(() => TextDoc.decode(newer), (error: DecodeError) => !error.newer);
});

test("an event that breaks the rules is refused, and changes nothing", () => {
  const doc = new TextDoc();
  doc.insert("a", 0, "hello");
  const state = doc.encode();
  const op = { type: "insert", id: "b-0", text: "x", left: null };
  const ops: object[] = [
    { ...op, text: "" }, { ...op, text: "\ud800" }, { ...op, text: 5 }, { ...op, text: undefined }, 
    { ...op, len: 3, text: undefined }, { ...op, left: undefined }, { ...op, right: "a-0" }, { ...op, left: undefined, right: null },
    { ...op, id: "a-9" }, { ...op, id: "b" }, { ...op, id: "b-01" }, { ...op, id: "b-+1" }, { ...op, id: `b-${2 ** 53}` },
    { ...op, id: "b-9007199254740993" }, { ...op, left: "b-0" }, { ...op, left: "b-7" }, { ...op, left: "é-1" }, { ...op, left: 3 },
    { ...op, type: "replace" }, { type: "delete", id: "b-0", target: "a-0", len: 0 }, { type: "delete", id: "b-0", target: "b-0" },
    { type: "delete", id: "b-0", target: "a-0", len: 100_001 }, { type: "delete", id: "b-0", target: "a-0", len: 1.5 },
    { type: "delete", id: "b-0" }, { type: "delete", id: "b-0", target: `a-${2 ** 53 - 1}`, len: 2 },
  ];
  const events = ops.map((bad) => ({ agent: "b", after: 0, ops: [bad] })) as unknown[];
  events.push(
    { agent: "b", after: 0, ops: [] }, { agent: "b", after: -1, ops: [op] }, { agent: "b", after: 1, ops: [op] },
    { agent: "b", after: 0, ops: [op, op] }, { agent: "", after: 0, ops: [op] }, { agent: "b", ops: [op] }, { agent: "b", after: 0 },
  );
  for (const event of events) {
    assert.throws(() => doc.apply(event as WireEvent), EventError, JSON.stringify(event));
    assert.deepEqual(doc.encode(), state);
    assert.equal(doc.waitingCount, 0);
  }
});

test("a state that does not go with the document is refused, and changes nothing", () => {
  const doc = new TextDoc();
  doc.insert("a", 0, "hello");
  doc.delete("a", 4, 1);
  const state = doc.encode();
  const op = (id: string, rest: object): WireOp => ({ type: "insert", id, text: "xy", left: null, ...rest }) as WireOp;
  const cases: [WireOp[], Record<string, number>][] = [
    [[op("b-0", {})], { b: 1 }],
    [[op("b-0", {})], {}],
    [[op("b-0", {}), op("b-1", {})], { b: 9 }],
    [[op("b-0", { left: "c-5" })], { b: 2 }],
    [[op("b-0", { left: "b-1" })], { b: 2 }],
    [[op("b-0", { left: "c-1" }), op("c-0", { left: "b-1" })], { b: 2, c: 2 }],
    [[op("a-4", {})], { a: 6 }],
    [[op("b-0", { text: undefined, len: 0 })], { b: 2 }],
    [[op("b-0", {})], { b: 2.5 }],
    [[{ type: "delete", id: "b-0", target: "a-0" }], { b: 1 }],
  ];
  for (const [ops, version] of cases) {
    assert.throws(() => mergeOps(doc, ops, version), EventError, JSON.stringify(ops));
    assert.deepEqual(doc.encode(), state);
    assertInvariants(doc);
  }
});

test("composing says the same in fewer ops", () => {
  const doc = new TextDoc();
  const ops: LocalOp[] = [];
  const wire = () => ops.map((op) => wireOp("a", op));
  for (const char of "hey 😀!") pushOp(ops, "a", doc.insert("a", doc.length, char));
  assert.deepEqual(wire(), [{ type: "insert", id: "a-0", text: doc.toString(), left: null }]);
  for (let i = 0; i < 3; i++) for (const op of doc.delete("a", doc.length - 1, 1)) pushOp(ops, "a", op);
  assert.deepEqual(wire()[1], { type: "delete", id: "a-6", target: "a-3", len: 3 });
  const other = new TextDoc();
  other.apply({ agent: "a", after: 0, ops: wire() });
  assert.deepEqual(other.encode(), doc.encode());
});
