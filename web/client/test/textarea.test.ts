import assert from "node:assert/strict";
import { test } from "node:test";
import { JSDOM } from "jsdom";
import { InklogDocument } from "../src/index.js";
import { normalise } from "../src/lines.js";
import { presenceOf } from "../src/presence.js";
import { undoOf } from "../src/undo.js";
import { bindTextarea } from "../src/textarea.js";
import { Device } from "./sim/device.js";
import { Network, envOf } from "./sim/network.js";
import { Random } from "./sim/random.js";
import { Server } from "./sim/server.js";
import { World } from "./sim/world.js";

const { window } = new JSDOM("<!doctype html><body></body>");
// Its events take signals of its own kind only.
globalThis.AbortController = window.AbortController;

class Room {
  readonly world = new World(11);
  private readonly network = new Network(this.world, new Server(this.world));

  open(user: string) {
    const tab = { dead: false, offline: false };
    const options = { url: "ws://sim/dev", docId: "d", user, WebSocket: this.network.socketOf(tab) };
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
  assert.equal(ada.area.readOnly, true);
  await room.calm();
  assert.equal(ada.area.readOnly, false);
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
