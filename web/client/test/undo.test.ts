// Undo: what is taken back, what is one step, and what it costs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { InklogDocument } from "../src/index.js";
import { TextDoc, type WireEvent } from "../src/crdt/index.js";
import { wireEvent } from "../src/sync/outbox.js";
import { type Succession, succeed } from "../src/sync/rename.js";
import { type UndoStack, undoOf } from "../src/undo.js";
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
  const undoStack = undoOf(doc);
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
    undo: () => undoStack.undo(),
    redo: () => undoStack.redo(),
    bob: (at: number, text: string) => void doc.core.doc.insert("bob", at, text),
    can: () => [undoStack.canUndo, undoStack.canRedo],
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
  const undoStack = undoOf(doc);
  assert.equal(undoOf(doc), undoStack);
  undoStack.mergeMs = -1;
  doc.insert(0, "one two");
  doc.edit([{ at: 4, del: 3, ins: "three" }]);
  assert.equal(doc.text, "one three");
  undoStack.undo();
  assert.equal(doc.text, "one two");
  undoStack.redo();
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
  readonly undoStack: UndoStack;
  readonly model: Model;
  #heirs = 0;
  #isForeign = false;
  /** What the server took of one's own before an agent had an heir. */
  readonly #saved: WireEvent[] = [];

  constructor(stepsMax?: number) {
    ({ world: this.world, doc: this.doc } = alone());
    this.undoStack = undoOf(this.doc);
    this.model = new Model(stepsMax);
  }

  /** Where a character begins, in UTF-16 units. */
  unit(at: number): number {
    return this.model.chars.slice(0, at).join("").length;
  }

  /** One step of one's own: edits by characters, one after the other. */
  mine(edits: [at: number, del: number, text: string][]): void {
    this.world.now += 1_000;
    this.undoStack.composing = true;
    const step = edits.flatMap(([at, del, text]) => {
      const [from, to] = [this.unit(at), this.unit(at + del)];
      this.doc.edit([{ at: from, del: to - from, ins: text }]);
      return this.model.edit(at, del, [...text]);
    });
    this.undoStack.composing = false;
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
    for (const event of own.events) this.#saved.push(wireEvent(own.agent, event));
    for (const event of this.#saved) fresh.apply(event);
    for (const event of heir.events) fresh.apply(wireEvent(heir.agent, event));
    assert.equal(fresh.waitingCount, 0);
    core.doc = fresh;
    core.outboxes = [heir];
    core.updates.push(["renamed", rename]);
    this.doc.flush();
    if (isForeign) this.others(rename.agent, 0, 0, "F");
    // It hangs at what may be refused in its turn.
    this.#isForeign = isForeign;
  }

  check(what: string): void {
    assert.equal(this.doc.text, this.model.text, what);
    assert.deepEqual([this.undoStack.canUndo, this.undoStack.canRedo], this.model.can, what);
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
      else if (dice < 85) assert.equal(pair.undoStack.undo(), pair.model.undo(), what);
      else assert.equal(pair.undoStack.redo(), pair.model.redo(), what);
      pair.check(what);
    }
    while (pair.model.undo()) {
      assert.equal(pair.undoStack.undo(), true);
      pair.check(`seed ${seed}, at the end`);
    }
    assert.equal(pair.undoStack.undo(), false);
  }
});

// --- What is one step

type Act = { at: number; del?: number; ins?: string };

/** Makes edits of 50 ms each, several at once where they are in brackets, and gives the texts that undo shows. */
function undone(acts: (Act | Act[])[], before = ""): string[] {
  const { world, doc } = alone();
  doc.core.doc.insert("bob", 0, before || " ");
  if (!before) doc.core.doc.delete("bob", 0, 1);
  const undoStack = undoOf(doc);
  for (const act of acts) {
    world.now += 50;
    doc.edit([act].flat().map(({ at, del = 0, ins = "" }) => ({ at, del, ins })));
  }
  const texts: string[] = [];
  while (undoStack.undo()) texts.push(doc.text);
  return texts;
}

/** Characters typed one after the other. */
const typed = (text: string, at = 0): Act[] => {
  let place = at;
  return [...new Intl.Segmenter().segment(text)].map(({ segment: ins }) => ({ at: (place += ins.length) - ins.length, ins }));
};
const backspaced = (from: number, count: number): Act[] => Array.from({ length: count }, (_, i) => ({ at: from - 1 - i, del: 1 }));

test("a paragraph typed without a pause is several steps, which begin with words", () => {
  const text = "It was a bright cold day in April, and the clocks were striking thirteen. Winston Smith, his chin nuzzled.";
  const texts = undone(typed(text));
  assert.ok(texts.length >= 3, `${texts.length} steps`);
  for (const [i, left] of texts.entries()) {
    const step = text.slice(left.length, texts[i - 1]?.length ?? text.length);
    assert.match(step, /^\S/);
    assert.ok(step.length <= 40, step);
    if (i) assert.match(step, /^.{19,} $/);
  }
});

test("a word without an end is a step every hundred characters", () => {
  for (const length of [99, 100, 101, 200, 201]) {
    assert.equal(undone(typed("x".repeat(length))).length, Math.ceil(length / 100), `${length}`);
  }
});

test("a step begins where something else is done than before, or elsewhere", () => {
  const cases: [string, (Act | Act[])[], before: string, texts: string[]][] = [
    ["typing on", typed("abc"), "", [""]],
    ["typing characters of many code points", typed("a👩‍👩‍👧é한"), "", [""]],
    ["a paste, and typing after it", [{ at: 0, ins: "pasted" }, ...typed("abc", 6)], "", ["pasted", ""]],
    ["a short paste, and typing after it", [{ at: 0, ins: "pa" }, ...typed("bc", 2)], "", ["pa", ""]],
    ["typing, and a paste after it", [...typed("ab"), { at: 2, ins: "pasted" }], "", ["ab", ""]],
    ["two pastes", [{ at: 0, ins: "one " }, { at: 4, ins: "two" }], "", ["one ", ""]],
    ["two places", [...typed("ab", 0), ...typed("cd", 5)], "123", ["ab123", "123"]],
    ["two places side by side", [...typed("b", 1), ...typed("a", 1)], "1", ["1b", "1"]],
    ["before what was typed", [{ at: 0, ins: "b" }, { at: 0, ins: "a" }], "", ["b", ""]],
    ["lines", typed("ab\ncd\nef"), "", ["ab\ncd\n", "ab\n", ""]],
    ["lines of another kind", [...typed("ab"), { at: 2, ins: "\r\n" }, ...typed("c", 4)], "", ["ab\r\n", ""]],
    ["an indented line", [...typed("  ab"), { at: 4, ins: "\n  " }, ...typed("c", 7)], "", ["  ab\n  ", ""]],
    ["backspace over one's typing", [...typed("abc"), ...backspaced(3, 2), ...typed("x", 1)], "", ["a", "abc", ""]],
    ["backspace over a line break", backspaced(5, 4), "ab\ncd", ["ab", "ab\ncd"]],
    ["delete, forwards", [{ at: 1, del: 1 }, { at: 1, del: 1 }], "abcd", ["abcd"]],
    ["delete elsewhere", [{ at: 0, del: 1 }, { at: 2, del: 1 }], "abcd", ["bcd", "abcd"]],
    ["words deleted at once", [{ at: 4, del: 3 }, { at: 0, del: 4 }], "one two", ["one ", "one two"]],
    ["an indent deleted at once, and more", [{ at: 1, del: 4 }, { at: 0, del: 1 }], "a    b", ["a    b"]],
    ["typing over a selection, and on", [...typed("x", 3), { at: 0, del: 3, ins: "n" }, ...typed("ew", 1)], "old", ["oldx", "old"]],
    ["a selection replaced by a paste", [{ at: 0, del: 3, ins: "new" }, ...typed("!", 3)], "old", ["new", "old"]],
  ];
  for (const [what, acts, before, texts] of cases) assert.deepEqual(undone(acts, before), texts, what);
});

test("edits made at once are one step, however many, and what is typed after them is another", () => {
  for (const places of [1, 2, 99, 100, 101, 1_000]) {
    const before = "word ".repeat(places);
    const all = Array.from({ length: places }, (_, i): Act => ({ at: 5 * (places - 1 - i), del: 4, ins: "name" }));
    const after = "name ".repeat(places);
    assert.deepEqual(undone([all, ...typed("x", 4)], before), [after, before], `${places} places`);
  }
});

test("typing at several places at once goes on as typing at one does", () => {
  const at = (places: number, letter: number): Act[] =>
    Array.from({ length: places }, (_, i) => ({ at: (places - 1 - i) * (1 + letter) + letter, ins: "abc"[letter]! }));
  for (const places of [2, 3, 100]) {
    const before = ".".repeat(places);
    assert.deepEqual(undone([at(places, 0), at(places, 1), at(places, 2)], before), [before], `${places} places`);
  }
  const before = "..";
  assert.deepEqual(undone([at(2, 0), at(2, 1).slice(1)], before), ["a.a.", before], "one place less");
});

test("two edits that a listener makes are two steps", () => {
  const { doc } = alone();
  const undoStack = undoOf(doc);
  const stop = doc.on("change", () => {
    stop();
    doc.insert(0, "first ");
    doc.insert(doc.length, " last");
  });
  doc.insert(0, "x");
  assert.equal(doc.text, "first x last");
  const texts: string[] = [];
  while (undoStack.undo()) texts.push(doc.text);
  assert.deepEqual(texts, ["first x", "x", ""]);
});

test("others' typing elsewhere does not end a step, and what they type at the caret does", () => {
  for (const [at, texts] of [[0, ["bob"]], [2, ["abob", "bob"]]] as const) {
    const me = writer();
    me.types(0, "a");
    me.types(1, "b", 50);
    me.bob(at, "bob");
    me.types(me.text().indexOf("b", at ? 2 : 4) + (at ? 3 : 1), "c", 50);
    assert.match(me.text(), at ? /^abbobc$/ : /^bobabc$/);
    const seen: string[] = [];
    while (me.undo()) seen.push(me.text());
    assert.deepEqual(seen, at ? ["abbob", "bob"] : texts);
  }
});

test("a word that an input method composes is one step, however long that takes", () => {
  const { world, doc } = alone();
  const undoStack = undoOf(doc);
  const compose = (at: number, ...words: string[]) => {
    undoStack.composing = true;
    let length = 0;
    for (const word of words) {
      world.now += 60_000;
      doc.edit([{ at, del: length, ins: word }]);
      length = word.length;
    }
    undoStack.composing = false;
  };
  compose(0, "n", "に", "にh", "にほ", "日本");
  compose(2, "g", "ご", "語");
  world.now += 50;
  doc.insert(3, "x");
  const texts: string[] = [];
  while (undoStack.undo()) texts.push(doc.text);
  assert.deepEqual(texts, ["日本", ""]);
  // Without pauses between them, words make one step until there are twenty characters.
  const { doc: other } = alone();
  const quick = undoOf(other);
  for (let i = 0; i < 21; i++) {
    quick.composing = true;
    other.insert(2 * i, "に");
    other.edit([{ at: 2 * i, del: 1, ins: "日本" }]);
    quick.composing = false;
  }
  for (const left of [40, 20, 0]) {
    quick.undo();
    assert.equal(other.length, left);
  }
});

// --- Bounds

test("the thousand last steps are kept", () => {
  for (const count of [999, 1_000, 1_001, 1_002]) {
    const { world, doc } = alone();
    const undoStack = undoOf(doc);
    for (let i = 0; i < count; i++) {
      world.now += 1_000;
      doc.insert(i, "x");
    }
    let steps = 0;
    while (undoStack.undo()) steps++;
    assert.deepEqual([steps, doc.length], [Math.min(count, 1_000), Math.max(0, count - 1_000)]);
    steps = 0;
    while (undoStack.redo()) steps++;
    assert.deepEqual([steps, doc.length], [Math.min(count, 1_000), count]);
  }
});

test("steps take so much memory together, and the oldest go first; the newest is kept whatever it takes", () => {
  const { doc } = alone();
  const undoStack = undoOf(doc);
  undoStack.mergeMs = -1;
  undoStack.weightMax = 1_000;
  for (let i = 0; i < 20; i++) doc.insert(doc.length, `${i % 10}`.repeat(100));
  // While they are undone, their text is kept, too.
  const lengths: number[] = [];
  while (undoStack.undo()) lengths.push(doc.length);
  assert.ok(lengths.length > 3 && lengths.length < 15, `${lengths}`);
  let redone = 0;
  while (undoStack.redo()) redone++;
  assert.equal(redone, Math.floor(1_000 / 164));
  undoStack.clear();
  doc.delete(0, 100);
  doc.delete(0, 800);
  doc.delete(0, 40);
  assert.deepEqual([undoStack.undo(), undoStack.undo(), undoStack.undo()], [true, true, false]);
  const before = doc.text;
  doc.insert(0, "x".repeat(5_000));
  doc.delete(0, 5_000);
  assert.equal(undoStack.undo(), true);
  assert.equal(doc.length, before.length + 5_000);
  undoStack.redo();
  assert.equal(doc.text, before);
});

test("what was forgotten cannot be undone", () => {
  const { doc } = alone();
  const undoStack = undoOf(doc);
  const told: unknown[] = [];
  doc.on("undo", (can) => told.push(can));
  doc.insert(0, "one ");
  doc.insert(0, "two ");
  undoStack.undo();
  doc.core.updates.push(["renewed", null]);
  doc.flush();
  assert.deepEqual([undoStack.canUndo, undoStack.canRedo, undoStack.undo(), undoStack.redo()], [false, false, false, false]);
  assert.deepEqual(told.at(-1), { canUndo: false, canRedo: false });
  doc.insert(0, "three ");
  assert.equal(undoStack.undo(), true);
  assert.equal(doc.text, "one ");
});

test("an undo that fails in the middle is told as it is, and what is typed then is nowhere else", () => {
  const { world, doc } = alone();
  const undoStack = undoOf(doc);
  let shown = "";
  doc.on("change", ({ changes }) => {
    for (const { at, del, ins } of changes) shown = shown.slice(0, at) + ins + shown.slice(at + del);
  });
  doc.insert(0, "word and word and word");
  world.now += 1_000;
  doc.edit([18, 9, 0].map((at) => ({ at, del: 4, ins: "x" })));
  const { push } = doc.core;
  let count = 0;
  doc.core.push = (op) => {
    if (++count === 4) throw new Error("no");
    push.call(doc.core, op);
  };
  assert.throws(() => undoStack.undo(), /no/);
  doc.core.push = push;
  assert.equal(shown, doc.text);
  assert.deepEqual([undoStack.canUndo, undoStack.canRedo], [false, false]);
  doc.insert(5, "here");
  assert.deepEqual([shown, elsewhere(doc)], [doc.text, doc.text]);
  assert.equal(undoStack.undo(), true);
  assert.equal(shown, doc.text);
});

test("after closing, nothing is undone", async () => {
  const { doc } = alone();
  const undoStack = undoOf(doc);
  doc.insert(0, "text");
  void doc.close();
  assert.equal(undoStack.undo(), false);
  assert.equal(doc.text, "text");
});

// --- What it costs

/** Milliseconds of this process alone: the machine may be busy. */
function cost(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** What the server makes of all that was sent. */
function elsewhere(doc: InklogDocument): string {
  const other = new TextDoc();
  const { agent, events } = doc.core.own;
  for (const event of events) other.apply(wireEvent(agent, event));
  assert.equal(other.waitingCount, 0);
  return other.toString();
}

// Each took minutes, or ended in an exception, when its cost grew with the square: the bounds leave room for slow machines.

test("84,000 replaced words in a million characters are undone and redone, and typing goes where it is typed", () => {
  const WORDS = 84_000;
  const { world, doc } = alone();
  const undoStack = undoOf(doc);
  doc.insert(0, "word and more ".slice(0, 12).repeat(WORDS));
  world.now += 1_000;
  doc.edit(Array.from({ length: WORDS }, (_, i) => ({ at: (WORDS - 1 - i) * 12, del: 4, ins: "longer" })));
  const [after, before] = [doc.text, doc.text.replaceAll("longer", "word")];
  for (const [step, text] of [["undo", before], ["redo", after], ["undo", before], ["redo", after], ["undo", before]] as const) {
    const ms = cost(() => assert.equal(undoStack[step](), true));
    assert.ok(doc.text === text, step);
    assert.ok(ms < 5_000, `${step} takes ${ms} ms`);
  }
  doc.insert(500_000, "here");
  assert.ok(doc.text === before.slice(0, 500_000) + "here" + before.slice(500_000));
  assert.ok(elsewhere(doc) === doc.text);
});

test("a text in a million pieces that was deleted comes back at once", () => {
  const { doc } = alone();
  const undoStack = undoOf(doc);
  // Each character hangs before the one that came before.
  for (let i = 0; i < 1_000_000; i++) doc.core.doc.insert("bob", 0, "abcdefghij"[i % 10]!);
  const before = doc.text;
  doc.delete(0, doc.length);
  for (const [step, text] of [["undo", before], ["redo", ""], ["undo", before]] as const) {
    const ms = cost(() => undoStack[step]());
    assert.ok(doc.text === text, step);
    assert.ok(ms < 5_000, `${step} takes ${ms} ms`);
  }
  assert.ok(doc.core.own.events.at(-1)!.ops.length < 100);
});

test("undo and redo over and over do not slow down what lies below", () => {
  const { world, doc } = alone();
  const undoStack = undoOf(doc);
  doc.insert(0, "x".repeat(1_000));
  world.now += 1_000;
  doc.delete(0, 1_000);
  const ms = cost(() => {
    for (let i = 0; i < 2_000; i++) {
      undoStack.undo();
      undoStack.redo();
    }
    undoStack.undo();
    undoStack.undo();
  });
  assert.equal(doc.text, "");
  assert.ok(ms < 10_000, `${ms} ms`);
  undoStack.redo();
  assert.equal(doc.text, "x".repeat(1_000));
});
