// What is written to the device's store, and when.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TextDoc, type WireEvent } from "../src/crdt/index.js";
import { OfflineDocument } from "../src/sync/offline.js";
import { wireEvent } from "../src/sync/outbox.js";
import { bob, storedAgents } from "./dummy.js";

const QUIET_MS = 5_000;
const MARK_MS = 50;
const LONG_MS = 3_600_000;

/** A document without a server, on a store that does at once what it is asked for. */
class Page {
  static #pages = 0;
  readonly document: OfflineDocument;
  now = 0;

  /** `free`: nobody else has the agents that are in the store. */
  constructor(
    readonly store = new Map<string, any>(),
    free = true,
  ) {
    this.document = new OfflineDocument("d", "alice", (user) => `${user}~${Page.#pages++}`);
    this.document.load(storedAgents(store, free));
  }

  get keeper() {
    return this.document.keeper;
  }

  get text(): string {
    return this.document.doc.toString();
  }

  /** Each word is an event. */
  types(...words: string[]): void {
    for (const word of words) {
      this.document.change("local", (changes) => this.document.edit(this.document.doc.length, 0, word, changes));
      this.document.own.events.at(-1)!.closed = true;
    }
  }

  /** The oldest event may have been sent. */
  sends(): WireEvent {
    const { agent, events } = this.document.own;
    Object.assign(events[0]!, { sent: true, kept: 0 });
    return wireEvent(agent, events[0]!);
  }

  /** The oldest event is durable. */
  saves(): void {
    const { agent, events } = this.document.own;
    this.keeper.add(wireEvent(agent, events.shift()!));
    this.keeper.mark();
  }

  hears(...events: WireEvent[]): void {
    for (const event of events) {
      this.document.doc.apply(event);
      this.keeper.add(event);
    }
  }

  /** Writes what is to be written now; says what that is, sorted, with a `-` before what is removed. */
  writes(): string[] {
    const batch = this.keeper.takeBatch(this.now);
    if (!batch) return [];
    for (const [key, value] of structuredClone(batch.changes)) value === undefined ? this.store.delete(key) : this.store.set(key, value);
    this.keeper.stored(batch.id);
    const last = new Map(batch.changes);
    return [...last].map(([key, value]) => (value === undefined ? "-" : "") + nameOf(key)).sort();
  }

  /** So many ms pass; says what is written meanwhile. */
  passes(ms: number): string[] {
    const written: string[] = [];
    const end = this.now + ms;
    for (let turns = 0; turns < 1_000; turns++) {
      this.keeper.tick(this.now);
      written.push(...this.writes());
      // As a document does when the store is done.
      this.keeper.tick(this.now);
      const due = Math.min(this.keeper.quietAt, this.keeper.markAt);
      if (due > end) {
        this.now = end;
        return written;
      }
      this.now = due;
    }
    assert.fail("something is due again and again");
  }

  /** What the own agent's chain record says. */
  get chain(): { end: number; saved: number } {
    const { end, saved } = this.store.get(`d/~/${this.document.own.agent}`);
    return { end, saved };
  }
}

const nameOf = (key: string): string => (key.startsWith("d/~/") ? "chain" : key.replace(/^.*\/(base|t|e)0*(\d*).*$/, (_, kind, seq) => (kind === "e" ? `e${seq || 0}` : kind)));

/** Bob, who types a character an event. */
const typing = (count: number): WireEvent[] => bob(...Array.from({ length: count }, (_, i) => String(i % 10)));

test("a document that is only looked at writes nothing", () => {
  assert.deepEqual(new Page().passes(LONG_MS), []);
  const first = new Page();
  first.hears(...bob("text "));
  assert.deepEqual(first.passes(LONG_MS), ["base", "chain"]);
  for (const free of [true, false]) {
    const later = new Page(first.store, free);
    assert.equal(later.text, "text ");
    assert.deepEqual(later.passes(LONG_MS), []);
  }
});

test("the first edit is written with the text that it was typed on, and the next one alone", () => {
  const [one, two] = bob("one ", "two ");
  const first = new Page();
  first.hears(one!);
  first.passes(QUIET_MS);
  first.hears(two!);
  first.types("mine");
  assert.deepEqual(first.writes(), ["e0", "t"]);
  const second = new Page(new Map(first.store), false);
  second.types("second");
  assert.deepEqual(second.writes(), ["base", "chain", "e0", "t"]);
  second.types("again");
  assert.deepEqual(second.writes(), ["e6"]);
  // The first one's records are of no use to the second.
  const alone = [...second.store].filter(([key]) => !first.store.has(key));
  assert.equal(new Page(new Map(alone)).text, "one two secondagain");
  const goingOn = new Page(first.store);
  assert.equal(goingOn.text, "one two mine");
  goingOn.types("more");
  assert.deepEqual(goingOn.writes(), ["e4"]);
});

test("events are read in the order in which they were typed", () => {
  const page = new Page();
  page.types("123456789", "x", "y".repeat(90), "z");
  assert.deepEqual(page.writes(), ["chain", "e0", "e10", "e100", "e9"]);
  assert.deepEqual(new Page(page.store).document.own.events.map(({ after }) => after), [0, 9, 10, 100]);
});

test("a base is written when all has been quiet for a while, and at the latest after some hundred events", () => {
  const page = new Page();
  const events = typing(501);
  for (const event of events.slice(0, 499)) {
    assert.deepEqual(page.passes(QUIET_MS - 1), []);
    page.hears(event);
  }
  assert.deepEqual(page.passes(QUIET_MS - 1), []);
  page.hears(events[499]!);
  assert.deepEqual(page.passes(1), ["base", "chain"]);
  assert.equal(new Page(page.store).text, page.text);
  page.hears(events[500]!);
  assert.deepEqual(page.passes(QUIET_MS - 1), []);
  assert.deepEqual(page.passes(1), ["base", "chain"]);
  assert.deepEqual(page.passes(LONG_MS), []);
});

test("a base holds nothing that is not durable", () => {
  const page = new Page();
  page.hears(...bob("text "));
  page.types("typed");
  assert.deepEqual(page.passes(LONG_MS), ["chain", "e0", "t"]);
  page.saves();
  assert.deepEqual(page.passes(QUIET_MS - 1), ["chain"]);
  assert.deepEqual(page.passes(1), ["-e0", "-t", "base", "chain"]);
  assert.deepEqual(page.chain, { end: 5, saved: 5 });
  assert.equal(new Page(page.store).text, "text typed");
});

test("what cannot be applied yet stays beside a base, and is no reason for another", () => {
  const [one, two] = bob("one ", "two ");
  const carol: WireEvent = { agent: "carol", after: 0, ops: [{ type: "insert", id: "carol-0", text: "three", left: "bob-7" }] };
  const page = new Page();
  page.hears(two!, carol);
  assert.deepEqual(page.passes(LONG_MS), ["base", "chain", "t"]);
  assert.equal(new Page(page.store).document.doc.waitingCount, 2);
  page.hears(one!);
  assert.deepEqual(page.passes(LONG_MS), ["-t", "base", "chain"]);
  assert.equal(new Page(page.store).text, "one two three");
});

test("that something is durable is written soon, together with what else is", () => {
  const page = new Page();
  page.types("a", "b", "c");
  page.writes();
  page.saves();
  assert.deepEqual(page.passes(MARK_MS - 1), []);
  page.saves();
  assert.deepEqual(page.passes(1), ["chain"]);
  assert.deepEqual(page.chain, { end: 0, saved: 2 });
  assert.deepEqual(page.passes(LONG_MS), []);
  page.saves();
  assert.deepEqual(page.passes(MARK_MS - 1), []);
  page.types("d");
  assert.deepEqual(page.writes(), ["chain", "e3"]);
  assert.deepEqual(page.chain, { end: 0, saved: 3 });
  assert.deepEqual(page.passes(LONG_MS), []);
  assert.equal(new Page(page.store).document.unsaved, 1);
});

test("a page that is left writes at once what is durable, and one that is closed a base, too", () => {
  const left = new Page();
  left.types("a", "b");
  left.writes();
  left.saves();
  left.keeper.hurry(false);
  assert.deepEqual(left.writes(), ["chain"]);
  left.saves();
  left.keeper.hurry(true);
  assert.deepEqual(left.writes(), ["-e0", "-e1", "base", "chain"]);
  left.keeper.hurry(true);
  assert.deepEqual(left.writes(), []);
});

test("of what is not gone on with, what is unsent stays, up to where it is typed again", () => {
  const page = new Page();
  page.hears(...bob("text "));
  page.passes(QUIET_MS);
  page.hears(...bob("text ", "more ").slice(1));
  page.types("123456789", "b", "c");
  page.writes();
  page.keeper.keepUnsent(page.document.own);
  assert.deepEqual(page.writes(), ["-base", "-t"]);
  page.keeper.keepUnsent(page.document.own, 9);
  assert.deepEqual(page.writes(), ["-e10", "-e9"]);
  assert.deepEqual([...page.store.keys()].map(nameOf).sort(), ["chain", "e0"]);
  page.keeper.remove(page.document.own);
  assert.deepEqual(page.writes(), ["-chain", "-e0"]);
});

test("of an agent of which all is durable, nothing stays but where its chain ends", () => {
  // Two pages type, and the second has heard what the first was never told is saved.
  const store = new Map<string, any>();
  const first = new Page(store);
  first.types("first ");
  const sent = first.sends();
  first.writes();
  const second = new Page(store, false);
  second.hears(sent);
  second.types("one ", "two");
  second.writes();
  const third = new Page(store);
  assert.equal(third.document.own.agent, second.document.own.agent);
  assert.deepEqual(third.writes(), ["-e0", "chain"]);
  const { end, saved } = store.get(`d/~/${sent.agent}`);
  assert.deepEqual([end, saved], [6, 6]);
  assert.equal(new Page(store).text, "first one two");
});

test("what is durable is put together from the base and what came since", () => {
  const [one, two] = bob("one ", "two ");
  const page = new Page();
  page.hears(one!);
  page.passes(QUIET_MS);
  page.hears(two!);
  page.types("typed");
  const doc = new TextDoc();
  page.keeper.replay(doc);
  assert.equal(doc.toString(), "one two ");
});

test("the log's name is written with what comes next, once it is known", () => {
  const page = new Page();
  page.types("a");
  page.writes();
  page.document.log = "A";
  page.types("b");
  assert.deepEqual(page.writes(), ["chain", "e1"]);
  page.types("c");
  assert.deepEqual(page.writes(), ["e2"]);
  assert.equal(new Page(page.store).document.log, "A");
});

test("what a store that failed had is not given again, but what it was given is", () => {
  const page = new Page();
  page.types("a");
  page.writes();
  page.types("b");
  page.keeper.takeBatch(page.now);
  page.document.abandonStore();
  assert.deepEqual(page.writes(), ["e1"]);
});

test("a store that works again gets all that there is, and loses what is over", () => {
  const [one, two] = bob("one ", "two ");
  const page = new Page();
  const { agent } = page.document.own;
  page.hears(one!);
  page.passes(QUIET_MS);
  page.store.clear();
  page.document.resumeStore(new Map());
  assert.deepEqual(page.writes(), ["base", "chain"]);
  page.hears(two!);
  page.types("typed");
  page.writes();
  page.store.clear();
  const over = `d/${agent}/e${"9".padStart(16, "0")}`;
  page.store.set(over, {});
  page.document.resumeStore(new Map([[agent, [over]]]));
  assert.deepEqual(page.writes(), ["-e9", "base", "chain", "e0", "t"]);
  assert.equal(new Page(page.store).text, "one two typed");
});
