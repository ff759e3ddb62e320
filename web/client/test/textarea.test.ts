import assert from "node:assert/strict";
import { test } from "node:test";
import { JSDOM } from "jsdom";
import { InklogDocument, type Token } from "../src/index.js";
import { normalise } from "../src/lines.js";
import { presenceOf } from "../src/presence.js";
import { undoOf } from "../src/undo.js";
import { bindTextarea } from "../src/textarea.js";
import { Device } from "./sim/device.js";
import { Gate } from "./sim/gate.js";
import { Network, envOf } from "./sim/network.js";
import { Random } from "./sim/random.js";
import { Server } from "./sim/server.js";
import { World } from "./sim/world.js";

const { window } = new JSDOM("<!doctype html><body></body>");
// Its events take signals of its own kind only.
globalThis.AbortController = window.AbortController;

class Room {
  readonly world = new World(11);
  readonly server = new Server(this.world);
  private readonly network = new Network(this.world, this.server);

  open(user: string, token?: () => Token) {
    const tab = { dead: false, offline: false };
    const options = { url: "ws://sim/dev", docId: "d", user, WebSocket: this.network.socketOf(tab), ...(token && { token }) };
    const doc = new InklogDocument({ ...options, storage: new Device(this.world).storage(tab) }, envOf(this.world, tab));
    undoOf(doc).mergeMs = 0;
    const area = window.document.body.appendChild(window.document.createElement("textarea"));
    const unbind = bindTextarea(doc, area, { user: { name: user, color: "#123456" } });
    return { doc, area, unbind };
  }

  async calm(): Promise<void> {
    await this.world.runUntil(this.world.now + 20_000);
  }
}

/** As a person types: over the selection, and the browser tells. */
function type(area: HTMLTextAreaElement, text: string, from = area.selectionStart, to = area.selectionEnd): void {
  area.setRangeText(text, from, to, "end");
  area.dispatchEvent(new window.Event("input"));
}

async function two() {
  const room = new Room();
  const [ada, ben] = [room.open("ada"), room.open("ben")];
  await room.calm();
  return { room, ada, ben };
}

const select = (area: HTMLTextAreaElement, from: number, to: number) => {
  area.setSelectionRange(from, to);
  area.dispatchEvent(new window.Event("select"));
};

test("two textareas show the same; the selection stays with its text", async () => {
  const { room, ada, ben } = await two();
  type(ada.area, "one two three");
  await room.calm();
  assert.equal(ben.area.value, "one two three");
  select(ada.area, 4, 7);
  type(ben.area, "zero ", 0, 0);
  await room.calm();
  assert.equal(ada.area.value, "zero one two three");
  assert.deepEqual([ada.area.selectionStart, ada.area.selectionEnd], [9, 12]);
  const { state } = [...presenceOf(ben.doc).others.values()][0]!;
  const { anchor, head } = state["cursor"] as any;
  assert.deepEqual([ben.doc.position(anchor), ben.doc.position(head), state["name"]], [9, 12, "ada"]);
});

test("a name longer than a presence state may be is cut, and the typing goes on", async () => {
  const { room, ada, ben } = await two();
  ada.unbind();
  bindTextarea(ada.doc, ada.area, { user: { name: "é".repeat(5_000), color: "#123456" } });
  await room.calm();
  type(ada.area, "typed");
  await room.calm();
  assert.deepEqual([...presenceOf(ben.doc).others.values()].map(({ state }) => state["name"]), ["é".repeat(40)]);
  assert.equal(ben.area.value, "typed");
});

test("undo takes back one's own; unbound, nothing follows any more", async () => {
  const { room, ada, ben } = await two();
  type(ada.area, "mine");
  await room.calm();
  type(ben.area, " yours", 4, 4);
  await room.calm();
  const undo = new window.KeyboardEvent("keydown", { key: "z", ctrlKey: true, cancelable: true });
  ada.area.dispatchEvent(undo);
  assert.equal(undo.defaultPrevented, true);
  assert.equal(ada.area.value, " yours");
  ada.area.dispatchEvent(new window.KeyboardEvent("keydown", { key: "z", ctrlKey: true, shiftKey: true }));
  assert.equal(ada.area.value, "mine yours");
  ben.unbind();
  await room.calm();
  assert.equal(ben.area.value, " yours".padStart(10, "mine"));
  type(ada.area, "!", 0, 0);
  await room.calm();
  assert.equal(ben.area.value, "mine yours");
  assert.equal(ben.doc.text, "!mine yours");
});

test("an input method's word is written first, then what others did meanwhile shows, and neither is lost", async () => {
  const { room, ada, ben } = await two();
  type(ada.area, "a word here");
  await room.calm();
  select(ada.area, 2, 2);
  ada.area.dispatchEvent(new window.Event("compositionstart"));
  type(ada.area, "に", 2, 2);
  await room.calm();
  assert.equal(ben.area.value, "a にword here");
  type(ben.area, "X", 0, 1);
  type(ben.area, "", 2, 3);
  type(ben.area, "!", ben.area.value.length, ben.area.value.length);
  await room.calm();
  assert.equal(ada.area.value, "a にword here", "not touched in the middle of a word");
  type(ada.area, "日本", 2, 3);
  ada.area.dispatchEvent(new window.Event("compositionend"));
  assert.equal(ada.area.value, "X 日本word here!");
  assert.equal(ada.area.selectionStart, 4);
  await room.calm();
  assert.equal(ben.area.value, ada.area.value);
});

test("random edits, with every kind of line break and characters of two units", async () => {
  const { room, ada, ben } = await two();
  const random = new Random(5);
  const pieces = ["a", "b", "\n", "😀", "😁", "𠀀", "word"];
  for (let step = 0; step < 400; step++) {
    const { area, doc } = random.pick([ada, ben]);
    const what = random.below(10);
    if (what < 6) {
      const from = random.below(area.value.length + 1);
      type(area, random.chance(0.7) ? random.pick(pieces) : "", from, Math.min(area.value.length, from + random.below(4)));
    } else if (what < 8) doc.insert(random.below(doc.length + 1), random.pick(["\r\n", "\r", "\n", "x\r\ny"]));
    else select(area, ...([random.below(area.value.length + 1), area.value.length] as const));
    await room.world.runUntil(room.world.now + random.pick([0, 10, 200]));
    for (const { area, doc } of [ada, ben]) assert.equal(area.value, normalise(doc.text), `step ${step}`);
  }
  await room.calm();
  assert.equal(ada.doc.text, ben.doc.text);
  assert.match(ada.doc.text, /\r\n/);
});

// --- Whose wishes count

const press = (area: HTMLTextAreaElement, key: string, more: object = {}): KeyboardEvent => {
  const event = new window.KeyboardEvent("keydown", { key, ctrlKey: true, cancelable: true, ...more });
  area.dispatchEvent(event);
  return event;
};
const asks = (area: HTMLTextAreaElement, inputType: string): InputEvent => {
  const event = new window.InputEvent("beforeinput", { inputType, cancelable: true });
  area.dispatchEvent(event);
  return event;
};

test("until the document is ready the textarea takes nothing, and says nothing of being read-only", async () => {
  const room = new Room();
  const { area, doc } = room.open("ada");
  assert.equal(area.readOnly, false);
  assert.equal(asks(area, "insertText").defaultPrevented, true);
  // An input method's word cannot be refused before it is there.
  type(area, "に");
  assert.equal(area.value, "");
  press(area, "z");
  await room.calm();
  assert.equal(asks(area, "insertText").defaultPrevented, false);
  type(area, "に");
  assert.equal(doc.text, "に");
});

test("a textarea that the application makes read-only stays so, whenever it does", async () => {
  for (const first of [true, false]) {
    const room = new Room();
    const { area, doc, unbind } = room.open("ada");
    area.readOnly = first;
    await room.calm();
    assert.equal(area.readOnly, first);
    area.readOnly = !first;
    await room.calm();
    doc.insert(0, "x");
    unbind();
    assert.equal(area.readOnly, !first);
  }
});

test("nothing is undone in a textarea that is read-only or disabled, by itself or with its fieldset", async () => {
  const { room, ada } = await two();
  type(ada.area, "mine");
  await room.calm();
  const fieldset = window.document.body.appendChild(window.document.createElement("fieldset"));
  const ways: [string, (is: boolean) => void][] = [
    ["readOnly", (is) => (ada.area.readOnly = is)],
    ["disabled", (is) => (ada.area.disabled = is)],
    ["fieldset", (is) => (is ? fieldset : window.document.body).append(ada.area)],
  ];
  fieldset.disabled = true;
  for (const [what, set] of ways) {
    set(true);
    press(ada.area, "z");
    press(ada.area, "Z", { shiftKey: true });
    press(ada.area, "y");
    asks(ada.area, "historyUndo");
    assert.equal(ada.doc.text, "mine", what);
    set(false);
    press(ada.area, "z");
    assert.equal(ada.doc.text, "", what);
    set(true);
    press(ada.area, "y");
    asks(ada.area, "historyRedo");
    assert.equal(ada.doc.text, "", what);
    set(false);
    press(ada.area, "y");
    assert.equal(ada.doc.text, "mine", what);
  }
});

test("once the document is closed, the textarea keeps its text", async () => {
  const { room, ada } = await two();
  type(ada.area, "text");
  await room.calm();
  void ada.doc.close();
  assert.equal(asks(ada.area, "insertText").defaultPrevented, true);
  type(ada.area, "more", 0, 0);
  assert.equal(ada.area.value, "text");
  assert.equal(press(ada.area, "z").defaultPrevented, true);
  asks(ada.area, "historyUndo");
  assert.deepEqual([ada.area.value, ada.doc.text], ["text", "text"]);
  // Also in the middle of a word.
  const { room: other, ada: composer } = await two();
  composer.area.dispatchEvent(new window.Event("compositionstart"));
  type(composer.area, "に");
  await other.calm();
  void composer.doc.close();
  type(composer.area, "日本", 0, 1);
  composer.area.dispatchEvent(new window.Event("compositionend"));
  assert.deepEqual([composer.area.value, composer.doc.text], ["に", "に"]);
});

test("an edit that fails is told, and the textarea shows what the document has", async () => {
  const { room, ada, ben } = await two();
  type(ada.area, "text");
  await room.calm();
  const told: string[] = [];
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    told.push(event.error.message);
  };
  window.addEventListener("error", listen);
  const { edit } = ada.doc;
  for (const inWord of [false, true]) {
    if (inWord) {
      ada.area.dispatchEvent(new window.Event("compositionstart"));
      type(ben.area, "!", 4, 4);
      await room.calm();
    }
    ada.doc.edit = () => {
      throw new Error("no");
    };
    type(ada.area, "lost", 2, 2);
    if (inWord) ada.area.dispatchEvent(new window.Event("compositionend"));
    ada.doc.edit = edit;
    assert.equal(ada.area.value, ada.doc.text);
  }
  window.removeEventListener("error", listen);
  assert.deepEqual(told, ["no", "no"]);
  type(ada.area, "kept ", 0, 0);
  await room.calm();
  assert.deepEqual([ada.area.value, ben.area.value], ["kept text!", "kept text!"]);
});

test("what the application writes when it hears of an edit shows, too", async () => {
  const { ada } = await two();
  const stop = ada.doc.on("change", () => {
    stop();
    ada.doc.insert(0, "> ");
  });
  type(ada.area, "x");
  assert.deepEqual([ada.doc.text, ada.area.value], ["> x", "> x"]);
  // In the middle of a word it waits, as what others write does.
  start(ada.area, "compositionstart");
  const stopAgain = ada.doc.on("change", () => {
    stopAgain();
    ada.doc.insert(0, "> ");
  });
  type(ada.area, "に", 3, 3);
  assert.deepEqual([ada.doc.text, ada.area.value], ["> > xに", "> xに"]);
  type(ada.area, "日本", 3, 4);
  start(ada.area, "compositionend");
  assert.deepEqual([ada.doc.text, ada.area.value], ["> > x日本", "> > x日本"]);
});

// --- Others' edits that wait

const start = (area: HTMLTextAreaElement, type: string) => area.dispatchEvent(new window.Event(type));

test("a word that is composed for minutes, with others typing at its edges, is whole, and so is theirs", async () => {
  const { room, ada, ben } = await two();
  type(ada.area, "[]");
  await room.calm();
  select(ada.area, 1, 1);
  start(ada.area, "compositionstart");
  let word = "";
  const typed: string[] = [];
  for (const next of ["に", "にh", "にほ", "にほn", "にほん", "日本"]) {
    type(ada.area, next, 1, 1 + word.length);
    word = next;
    await room.world.runUntil(room.world.now + 60_000);
    for (const at of [1, ben.area.value.length - 1]) {
      const mark = String.fromCharCode(65 + typed.length);
      typed.push(mark);
      type(ben.area, mark, at, at);
    }
    await room.calm();
    assert.equal(ada.area.value, `[${next}]`);
  }
  start(ada.area, "compositionend");
  assert.match(ada.area.value, /日本/);
  assert.doesNotMatch(ada.area.value, /[にほhn]/u);
  for (const mark of typed) assert.ok(ada.area.value.includes(mark), mark);
  await room.calm();
  assert.equal(ben.area.value, ada.area.value);
  press(ada.area, "z");
  assert.equal(ada.area.value, `[${[...ben.area.value].filter((mark) => typed.includes(mark)).join("")}]`);
});

test("however many edits of others wait, none of them is lost", async () => {
  for (const count of [999, 1_000, 1_001, 2_500]) {
    const { ada } = await two();
    type(ada.area, "one two three");
    select(ada.area, 4, 7);
    start(ada.area, "compositionstart");
    type(ada.area, "に");
    for (let i = 0; i < count; i++) {
      others(ada.doc, i % 3 ? 5 : 0, String.fromCodePoint(0x3400 + i));
    }
    type(ada.area, "日本", 4, 5);
    start(ada.area, "compositionend");
    assert.equal(ada.area.value, ada.doc.text);
    assert.equal(ada.area.value.length, "one 日本 three".length + count);
    assert.match(ada.area.value, /日本/);
  }
});

/** What another typed comes. */
function others(doc: InklogDocument, at: number, ins: string): void {
  const whole = doc.position(doc.anchor(at, -1));
  doc.core.doc.insert("other", whole, ins);
  doc.core.updates.push(["change", { changes: [{ at: whole, del: 0, ins }], origin: "remote" }]);
  doc.flush();
}

test("a word over the whole text, into which many edits come meanwhile, is written at once", async () => {
  const { ada } = await two();
  const count = 20_000;
  type(ada.area, "0123456789".repeat(count / 10));
  select(ada.area, 0, count);
  start(ada.area, "compositionstart");
  const changes = Array.from({ length: count }, (_, i) => ({ at: 2 * i, del: 0, ins: "x" }));
  for (const { at, ins } of changes) ada.doc.core.doc.insert("other", at, ins);
  ada.doc.core.updates.push(["change", { changes, origin: "remote" }]);
  ada.doc.flush();
  const { user } = process.cpuUsage();
  type(ada.area, "日本", 0, count);
  start(ada.area, "compositionend");
  const ms = (process.cpuUsage().user - user) / 1_000;
  assert.ok(ms < 5_000, `${ms} ms`);
  assert.equal(ada.area.value, ada.doc.text);
  assert.equal(ada.area.value.replace(/[^x]/g, "").length, count);
  assert.match(ada.area.value, /日本/);
});

/** As a browser does it: the text that was selected goes, and then comes elsewhere. */
function drag(area: HTMLTextAreaElement, from: number, to: number, at: number, meanwhile: () => void): void {
  const text = area.value.slice(from, to);
  select(area, from, to);
  start(area, "dragstart");
  meanwhile();
  area.setRangeText("", from, to, "end");
  start(area, "input");
  const place = at > from ? at - (to - from) : at;
  area.setRangeText(text, place, place, "select");
  start(area, "input");
  start(area, "dragend");
}

test("what others type while text is dragged stays: in it, beside it, on the way, and where it is dropped", async () => {
  for (const [at, theirs, wanted] of [
    [18, 5, "one Xthree fourtwo  five"],
    [18, 4, "one Xthree fourtwo  five"],
    [18, 8, "one Xthree fourtwo  five"],
    [18, 12, "one threXe fourtwo  five"],
    [18, 18, "one three fourtwo X five"],
    [18, 0, "Xone three fourtwo  five"],
    [0, 5, "two one Xthree four five"],
    [0, 2, "two onXe three four five"],
    [0, 20, "two one three four fXive"],
    [4, 6, "one two Xthree four five"],
  ] as const) {
    const { ada } = await two();
    type(ada.area, "one two three four five");
    drag(ada.area, 4, 8, at, () => others(ada.doc, theirs, "X"));
    assert.equal(ada.area.value, wanted, `to ${at}, X at ${theirs}`);
    assert.equal(ada.doc.text, wanted);
    press(ada.area, "z");
    assert.equal(ada.doc.text.replace("X", ""), "one two three four five", "dragging is one step");
  }
});

test("lines that are dragged have the document's line breaks", async () => {
  const { ada } = await two();
  ada.doc.insert(0, "one\r\ntwo\r\nthree\r\n");
  drag(ada.area, 0, 4, 8, () => others(ada.doc, 2, "X"));
  assert.equal(ada.doc.text, "Xtwo\r\none\r\nthree\r\n");
  assert.equal(ada.area.value, normalise(ada.doc.text));
});

test("random words and drags, with others' edits meanwhile: none of theirs is lost, and all show the same", async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new Random(seed);
    const { room, ada } = await two();
    type(ada.area, "The quick brown fox\njumps over 😀 the lazy dog");
    await room.calm();
    const place = (area: HTMLTextAreaElement) => {
      const at = random.below(area.value.length + 1);
      return /[\udc00-\udfff]/.test(area.value[at] ?? "") ? at - 1 : at;
    };
    const marks: string[] = [];
    const meanwhile = () => {
      for (let i = random.below(4); i > 0; i--) {
        const mark = String.fromCodePoint(0x3400 + marks.length);
        marks.push(mark);
        others(ada.doc, Math.min(ada.doc.length, random.below(ada.doc.length + 1)), mark);
      }
    };
    for (let step = 0; step < 6; step++) {
      const [from, to] = [place(ada.area), place(ada.area)].sort((a, b) => a - b) as [number, number];
      if (random.chance(0.5)) {
        select(ada.area, from, Math.min(to, from + 3));
        if (/^[\udc00-\udfff]/.test(ada.area.value.slice(ada.area.selectionEnd))) select(ada.area, from, from);
        start(ada.area, "compositionstart");
        const kept = marks.length;
        type(ada.area, "に");
        meanwhile();
        const at = ada.area.selectionStart;
        type(ada.area, "日本", at - 1, at);
        meanwhile();
        start(ada.area, "compositionend");
        for (const mark of marks.slice(kept)) assert.ok(ada.doc.text.includes(mark), `seed ${seed}, step ${step}: ${mark}`);
      } else {
        const at = random.chance(0.5) ? Math.min(from, place(ada.area)) : Math.max(to, place(ada.area));
        const before = [...ada.area.value].sort().join("");
        const kept = marks.length;
        drag(ada.area, from, to, at, meanwhile);
        const after = [...ada.area.value].filter((char) => !marks.slice(kept).includes(char)).sort().join("");
        assert.equal(after, before, `seed ${seed}, step ${step}: drag`);
        for (const mark of marks.slice(kept)) assert.ok(ada.doc.text.includes(mark), `seed ${seed}, step ${step}: ${mark}`);
      }
      assert.equal(ada.area.value, normalise(ada.doc.text), `seed ${seed}, step ${step}`);
    }
  }
});

test("the undo of many replaced words shows at once", async () => {
  const { ada } = await two();
  const WORDS = 40_000;
  ada.doc.insert(0, "word and more ".repeat(WORDS));
  const before = ada.area.value;
  ada.doc.edit(Array.from({ length: WORDS }, (_, i) => ({ at: (WORDS - 1 - i) * 14, del: 4, ins: "longer" })));
  const { user } = process.cpuUsage();
  press(ada.area, "z");
  const ms = (process.cpuUsage().user - user) / 1_000;
  assert.ok(ada.area.value === before);
  assert.ok(ms < 5_000, `${ms} ms`);
});

// --- A user who may not change the document

async function guarded(right: "read" | "write") {
  const room = new Room();
  const gate = (room.server.gate = new Gate(room.world));
  gate.allow("ada", right);
  gate.allow("ben", "write");
  const [ada, ben] = ["ada", "ben"].map((user) => room.open(user, () => gate.sign(user)));
  const become = async (right: "read" | "write") => {
    gate.allow("ada", right);
    ada!.doc.reconnect();
    await room.calm();
  };
  return { room, ada: ada!, ben: ben!, become };
}

const isLocked = ({ area, doc }: { area: HTMLTextAreaElement; doc: InklogDocument }) => {
  const before = doc.text;
  assert.equal(area.readOnly, true);
  for (const kind of ["insertText", "insertFromPaste", "insertFromDrop", "deleteByCut", "historyUndo"]) asks(area, kind);
  assert.equal(asks(area, "insertText").defaultPrevented, true);
  for (const key of ["z", "y"]) press(area, key);
  // What a browser lets in all the same is taken back.
  type(area, "typed");
  assert.deepEqual([area.value, doc.text], [before, before]);
};

test("a textarea is read-only while its user may not change the document, and afterwards what it was", async () => {
  for (const own of [false, true]) {
    const { room, ada, ben, become } = await guarded("read");
    ada.unbind();
    ada.area.readOnly = own;
    const unbind = bindTextarea(ada.doc, ada.area);
    await room.calm();
    type(ben.area, "by Ben");
    await room.calm();
    assert.equal(ada.area.value, "by Ben");
    isLocked(ada);
    await become("write");
    assert.equal(ada.area.readOnly, own);
    await become("read");
    isLocked(ada);
    unbind();
    assert.equal(ada.area.readOnly, own);
  }
});

test("where the right goes in the middle of a word, the word ends, others' edits come, and it goes on when the right is back", async () => {
  const { room, ada, ben, become } = await guarded("write");
  await room.calm();
  type(ada.area, "mine ");
  await room.calm();
  ada.area.dispatchEvent(new window.CompositionEvent("compositionstart"));
  type(ada.area, "に");
  type(ben.area, "> ", 0, 0);
  await room.calm();
  type(ada.area, "ほ");
  await become("read");
  type(ada.area, "ん");
  ada.area.dispatchEvent(new window.CompositionEvent("compositionend"));
  assert.deepEqual([ada.doc.text, ada.area.value], ["> mine に", "> mine に"]);
  isLocked(ada);
  await become("write");
  press(ada.area, "z");
  await room.calm();
  assert.deepEqual([ada.area.value, ben.area.value], ["> mine ", "> mine "]);
});
