// What a server's document proves about an event that was sent: that it is saved, or that its ids are another's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc, type WireEvent, localOp } from "../src/crdt/index.js";
import { judge, newOutbox, push, wireEvent } from "../src/sync/outbox.js";

type WireOp = WireEvent["ops"][number];

const insert = (id: string, text: string, origin: { left: string | null } | { right: string }): WireOp => ({ type: "insert", id, text, ...origin });
const remove = (id: string, target: string, len: number): WireOp => ({ type: "delete", id, target, len });
const event = (agent: string, after: number, ...ops: WireOp[]): WireEvent => ({ agent, after, ops });

/** What becomes of Alice's one event where the server has these. */
function verdict(op: WireOp, server: WireEvent[], sent = true): "saved" | "waits" | "another's" {
  const outbox = newOutbox("alice");
  push(outbox, localOp(op), () => []);
  const [typed] = outbox.events;
  typed!.sent = sent;
  const doc = new TextDoc();
  for (const each of server) doc.apply(each);
  judge(outbox, doc, ({ events }) => events.shift());
  assert.equal(outbox.foreign, Boolean(typed!.refused));
  return outbox.events.length === 0 ? "saved" : typed!.refused ? "another's" : "waits";
}

const bob = event("bob", 0, insert("bob-0", "xyz", { left: null }));

test("text is saved if all of it is there as it was typed, or deleted", () => {
  const mine = insert("alice-0", "h😀y", { left: "bob-1" });
  const under = (op: WireOp) => [bob, event("alice", 0, op)];
  assert.equal(verdict(mine, under(mine)), "saved");
  for (const [at, len] of [[0, 1], [1, 1], [2, 1], [0, 3]] as const) {
    assert.equal(verdict(mine, [...under(mine), event("carol", 0, remove("carol-0", `alice-${at}`, len))]), "saved", `${at}, ${len}`);
  }
  // Others type into it and around it.
  const between = event("carol", 0, insert("carol-0", "c", { left: "alice-0" }), insert("carol-1", "d", { right: "alice-0" }));
  assert.equal(verdict(mine, [...under(mine), between]), "saved");
  assert.equal(verdict(mine, [bob]), "waits", "the server does not know the ids yet");
  for (const [what, op] of [
    ["the first character", insert("alice-0", "H😀y", { left: "bob-1" })],
    ["the last character", insert("alice-0", "h😀Y", { left: "bob-1" })],
    ["the place", insert("alice-0", "h😀y", { left: "bob-0" })],
    ["the side", insert("alice-0", "h😀y", { right: "bob-1" })],
    ["the start", insert("alice-0", "h😀y", { left: null })],
    ["text at all", remove("alice-0", "bob-0", 3)],
  ] as const) {
    assert.equal(verdict(mine, under(op)), "another's", `another has ${what}`);
  }
  const inPart = [bob, event("alice", 0, insert("alice-0", "h😀", { left: "bob-1" })), event("alice", 2, remove("alice-2", "bob-0", 1))];
  assert.equal(verdict(mine, inPart), "another's", "the last id is no character");
  const first = insert("alice-0", "h", { left: null });
  assert.equal(verdict(first, under(first)), "saved", "at the start of the document");
  assert.equal(verdict(mine, under(mine), false), "another's", "what was never sent is not what the server has");
});

test("a deletion is saved if what it names is gone, and its ids are no characters", () => {
  const mine = remove("alice-0", "bob-1", 2);
  const under = (...ops: WireOp[]) => [bob, event("alice", 0, ...ops)];
  const byCarol = event("carol", 0, remove("carol-0", "bob-0", 3));
  assert.equal(verdict(mine, under(mine)), "saved");
  assert.equal(verdict(mine, [bob, byCarol]), "waits");
  assert.equal(verdict(mine, under(remove("alice-0", "bob-0", 2))), "another's", "one is still there");
  assert.equal(verdict(mine, [...under(insert("alice-0", "ab", { left: null })), byCarol]), "another's", "its ids are characters");
  assert.equal(verdict(mine, [...under(insert("alice-0", "a", { left: null }), remove("alice-1", "bob-0", 1)), byCarol]), "another's");
});

test("what one op proves, the event's other ops must prove as well", () => {
  const outbox = newOutbox("alice");
  const ops = [insert("alice-0", "a", { left: null }), remove("alice-1", "bob-0", 1)];
  for (const op of ops) push(outbox, localOp(op), () => []);
  assert.equal(outbox.events.length, 1);
  outbox.events[0]!.sent = true;
  const doc = new TextDoc();
  doc.apply(bob);
  doc.apply(event("alice", 0, ops[0]!, remove("alice-1", "bob-1", 1)));
  judge(outbox, doc, ({ events }) => events.shift());
  assert.equal(outbox.events[0]?.refused, true);
});

// What a frame takes, less the longest envelope.
const FRAME_BYTES = 32_768;

/** The events that come of ops, each with what it takes in a frame with the longest names. */
function framed(ops: WireOp[], agent: string) {
  const outbox = newOutbox(agent);
  for (const op of ops) push(outbox, localOp(op), () => []);
  const sizes = outbox.events.map((typed) => {
    const message = { action: "SEND_OP", docId: "d".repeat(128), ...wireEvent(agent, typed), ref: 999_999_999 };
    return Buffer.byteLength(JSON.stringify(message));
  });
  return { outbox, sizes };
}

test("no event outgrows a frame, whatever it is made of, and none is cut long before", () => {
  const [me, other] = ["m".repeat(64), "o".repeat(64)];
  const far = 2 ** 52;
  const kinds = ["x", "\u0001", "\u001f", "\b", "\t", "\n", "\u000b", "\f", "\r", " ", '"', "\\", "\u007f", "\u0080", "é", "\u07ff", "\u0800", "漢", "\uffff", "😀", "a\u0001\né漢😀"];
  for (const kind of kinds) {
    // A paste.
    const text = kind.repeat(Math.ceil(40_000 / [...kind].length));
    const pasted = framed([insert(`${me}-${far}`, text, { left: `${other}-${far}` })], me);
    const texts = pasted.outbox.events.flatMap(({ ops }) => ops.map((op) => op.text));
    assert.equal(texts.join(""), text, JSON.stringify(kind));
    assert.ok(pasted.sizes.length > 1 && Math.max(...pasted.sizes) <= FRAME_BYTES, JSON.stringify(kind));
    assert.ok(pasted.sizes.slice(0, -1).every((size) => size > 29_000), `${JSON.stringify(kind)}: ${pasted.sizes}`);
    for (const [i, { after, end }] of pasted.outbox.events.entries()) assert.equal(end, pasted.outbox.events[i + 1]?.after ?? pasted.outbox.end, `${after}`);
    // Characters here and there, and what goes here and there.
    const scattered = framed(Array.from({ length: 600 }, (_, i) => insert(`${me}-${far + i * [...kind].length}`, kind, { left: `${other}-${far + 2 * i}` })), me);
    const deleted = framed(Array.from({ length: 600 }, (_, i) => remove(`${me}-${far + i}`, `${other}-${far + 2 * i}`, 1)), me);
    for (const { sizes } of [scattered, deleted]) {
      assert.ok(sizes.length > 1 && Math.max(...sizes) <= FRAME_BYTES, `${JSON.stringify(kind)}: ${sizes}`);
      assert.ok(sizes.slice(0, -1).every((size) => size > 20_000), `${JSON.stringify(kind)}: ${sizes}`);
    }
  }
});

test("what is typed letter by letter is one op, which counts once", () => {
  const { outbox, sizes } = framed(Array.from({ length: 29_000 }, (_, i) => insert(`a-${i}`, "x", { left: i ? `a-${i - 1}` : null })), "a");
  assert.equal(outbox.events.length, 1);
  assert.ok(sizes[0]! < 30_000);
});
