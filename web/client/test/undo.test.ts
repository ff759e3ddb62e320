// Undo: what is taken back, what is one step, and what it costs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { InklogDocument } from "../src/index.js";
import { TextDoc, type WireEvent } from "../src/crdt/index.js";
import { type Succession, succeed } from "../src/sync/rename.js";
import { type History, undoOf } from "../src/undo.js";
import { envOf } from "./sim/network.js";
import { Random } from "./sim/random.js";
import { World } from "./sim/world.js";
import { Model } from "./undo/model.js";

/** A document that reaches no server, at a time of one's own. */
function alone() {
  const world = new World(1);
  const doc = new InklogDocument({ url: "ws://x", docId: "d", user: "me", storage: null }, envOf(world, { dead: true }));
  return { world, doc };
}

function writer() {
  const { world, doc } = alone();
  const history = undoOf(doc);
  return {
    text: () => doc.text,
    types: (at: number, text: string, after = 1_000) => {
      world.now += after;
      doc.insert(at, text);
    },
    deletes: (at: number, len: number, after = 1_000) => {
      world.now += after;
      doc.delete(at, len);
    },
    undo: () => history.undo(),
    redo: () => history.redo(),
    bob: (at: number, text: string) => void doc.core.doc.insert("bob", at, text),
    can: () => [history.canUndo, history.canRedo],
    told: (told: unknown[]) => doc.on("undo", ({ canUndo, canRedo }) => told.push([canUndo, canRedo])),
  };
}

test("undo takes back one's own typing only, whatever was typed into it", () => {
  const me = writer();
  me.types(0, "mine");
  me.bob(2, "BOB");
  assert.equal(me.text(), "miBOBne");
  me.undo();
  assert.equal(me.text(), "BOB");
  me.redo();
  assert.equal([...me.text()].sort().join(""), [..."mineBOB"].sort().join(""));
  me.undo();
  assert.equal(me.text(), "BOB");
});

test("what was deleted comes back in its place, around what others wrote there", () => {
  const me = writer();
  me.bob(0, "abcdef");
  me.deletes(1, 4);
  assert.equal(me.text(), "af");
  me.undo();
  assert.equal(me.text(), "abcdef");
  me.redo();
  assert.equal(me.text(), "af");
  me.undo();
  assert.equal(me.text(), "abcdef");
});

test("deleting forwards and backwards in one step comes back in order", () => {
  for (const places of [[1, 1, 1], [3, 2, 1], [2, 1, 1]]) {
    const me = writer();
    me.types(0, "abcde");
    for (const [i, at] of places.entries()) me.deletes(at, 1, i ? 100 : 1_000);
    assert.equal(me.text(), "ae");
    me.undo();
    assert.equal(me.text(), "abcde");
  }
});

test("edits close in time are one step; what was undone can be redone until something else is typed", () => {
  const me = writer();
  const told: unknown[] = [];
  me.told(told);
  assert.deepEqual(me.can(), [false, false]);
  me.types(0, "a");
  me.types(1, "b", 400);
  me.types(2, "c", 501);
  me.undo();
  assert.equal(me.text(), "ab");
  me.undo();
  assert.equal(me.text(), "");
  assert.deepEqual(me.can(), [false, true]);
  assert.equal(me.undo(), false);
  me.redo();
  assert.equal(me.text(), "ab");
  me.types(2, "!");
  assert.deepEqual(me.can(), [true, false]);
  assert.equal(me.redo(), false);
  assert.deepEqual(told, [[true, false], [true, true], [false, true], [true, true], [true, false]]);
});

test("a replaced selection is one step", () => {
  const { doc } = alone();
  const history = undoOf(doc);
  assert.equal(undoOf(doc), history);
  history.mergeMs = -1;
  doc.insert(0, "one two");
  doc.edit([{ at: 4, del: 3, ins: "three" }]);
  assert.equal(doc.text, "one three");
  history.undo();
  assert.equal(doc.text, "one two");
  history.redo();
  assert.equal(doc.text, "one three");
});

test("typing that was deleted and brought back is taken back all the same", () => {
  const me = writer();
  me.types(0, "hello 😀");
  me.deletes(2, 6);
  me.undo();
  assert.equal(me.text(), "hello 😀");
  me.undo();
  assert.equal(me.text(), "");
  me.redo();
  me.redo();
  assert.equal(me.text(), "he");
});

test("random undo and redo all the way down and up again", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const me = writer();
    const texts = [""];
    for (let i = 0; i < 12; i++) {
      const { length } = me.text();
      if (length && random.chance(0.4)) me.deletes(random.below(length), 1);
      else me.types(random.below(length + 1), "abcdefgh".slice(0, 1 + random.below(4)));
      texts.push(me.text());
    }
    for (const round of [1, 2]) {
      for (let i = 12; i-- > 0; ) {
        me.undo();
        assert.equal(me.text(), texts[i], `seed ${seed}, round ${round}`);
      }
      for (let i = 1; i <= 12; i++) {
        me.redo();
        assert.equal(me.text(), texts[i], `seed ${seed}, round ${round}`);
      }
    }
  }
});

// --- Against the model

/** A document and the model of it, which are edited alike. */
class Pair {
  readonly world: World;
  readonly doc: InklogDocument;
  readonly history: History;
  readonly model: Model;
  #heirs = 0;
  #isForeign = false;
  /** What the server took of one's own before an agent had an heir. */
  readonly #saved: WireEvent[] = [];

  constructor(stepsMax?: number) {
    ({ world: this.world, doc: this.doc } = alone());
    this.history = undoOf(this.doc);
    this.model = new Model(stepsMax);
  }

  /** Where a character begins, in UTF-16 units. */
  unit(at: number): number {
    return this.model.chars.slice(0, at).join("").length;
  }

  /** One step of one's own: edits by characters, one after the other. */
  mine(edits: [at: number, del: number, text: string][]): void {
    this.world.now += 1_000;
    this.history.composing = true;
    const step = edits.flatMap(([at, del, text]) => {
      const [from, to] = [this.unit(at), this.unit(at + del)];
      this.doc.edit([{ at: from, del: to - from, ins: text }]);
      return this.model.edit(at, del, [...text]);
    });
    this.history.composing = false;
    this.model.note(step);
  }

  /** What another did comes. */
  others(agent: string, at: number, del: number, text: string): void {
    const [from, to] = [this.unit(at), this.unit(at + del)];
    const { doc } = this.doc.core;
    doc.delete(agent, from, to - from);
    if (text) doc.insert(agent, from, text);
    this.model.edit(at, del, [...text]);
  }

  /** What was typed from some event on is refused, and typed again by an heir; the old name may be another's then. */
  rename(refused: number, isForeign: boolean): void {
    const { core } = this.doc;
    const { own } = core;
    if (own.events.length <= refused || this.#isForeign) return;
    own.events[refused]!.refused = true;
    const [{ heir, rename }] = succeed([own], () => `me~heir${++this.#heirs}`) as [Succession];
    const fresh = new TextDoc();
    for (const { after, ops } of own.events) this.#saved.push({ agent: own.agent, after, ops });
    for (const event of this.#saved) fresh.apply(event);
    for (const { after, ops } of heir.events) fresh.apply({ agent: heir.agent, after, ops });
    assert.equal(fresh.waitingCount, 0);
    core.doc = fresh;
    core.lanes = [heir];
    core.updates.push(["renamed", rename]);
    this.doc.flush();
    if (isForeign) this.others(rename.agent, 0, 0, "F");
    // It hangs at what may be refused in its turn.
    this.#isForeign = isForeign;
  }

  check(what: string): void {
    assert.equal(this.doc.text, this.model.text, what);
    assert.deepEqual([this.history.canUndo, this.history.canRedo], this.model.can, what);
  }
}

const TEXTS = ["a", "b", "😀", "cd", "e😀f", "ghijklmn", "", "", "𝄞".repeat(3)];

function randomEdit(random: Random, length: number): [at: number, del: number, text: string] {
  const at = random.below(length + 1);
  const del = random.chance(0.5) ? 0 : Math.min(length - at, random.pick([1, 1, 2, 5, 20]));
  const text = random.chance(0.02) ? "long ".repeat(120) : random.pick(TEXTS);
  return [at, del, text];
}

test("random steps of several edits, others' edits among them, are undone and redone as in the model", () => {
  for (let seed = 1; seed <= Number(process.env.INKLOG_SESSIONS ?? 1_000); seed++) {
    const random = new Random(seed);
    const pair = new Pair();
    const hasOthers = random.chance(0.7);
    for (let step = 0; step < 40; step++) {
      const what = `seed ${seed}, step ${step}`;
      const dice = random.below(100);
      const { length } = pair.model.chars;
      if (dice < 40) {
        const edits: [number, number, string][] = [];
        // Later edits of a step are where the earlier ones are, more often than not: within what was just typed.
        let chars = length;
        let near = random.below(length + 1);
        for (let count = random.pick([1, 1, 2, 3, 6]); count > 0; count--) {
          const edit = randomEdit(random, chars);
          if (random.chance(0.6)) edit[0] = Math.max(0, Math.min(chars - edit[1], near + random.below(4) - 1));
          edits.push(edit);
          near = edit[0];
          chars += [...edit[2]].length - edit[1];
        }
        pair.mine(edits);
      } else if (dice < 55 && hasOthers) pair.others(random.pick(["bob", "zoe"]), ...randomEdit(random, length));
      else if (dice < 58 && !hasOthers) {
        const open = pair.doc.core.own.events.at(-1);
        if (open) open.closed = true;
      } else if (dice < 60 && !hasOthers) pair.rename(random.below(3), random.chance(0.3));
      else if (dice < 85) assert.equal(pair.history.undo(), pair.model.undo(), what);
      else assert.equal(pair.history.redo(), pair.model.redo(), what);
      pair.check(what);
    }
    while (pair.model.undo()) {
      assert.equal(pair.history.undo(), true);
      pair.check(`seed ${seed}, at the end`);
    }
    assert.equal(pair.history.undo(), false);
  }
});
