// The seam between a document and its parts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { InklogDocument } from "../src/index.js";
import type { Host, Part } from "../src/part.js";
import { undoOf } from "../src/undo.js";
import { envOf } from "./sim/network.js";
import { World, settle } from "./sim/world.js";

class Notes implements Part {
  readonly heard: string[] = [];
  due = Infinity;
  constructor(readonly host: Host) {}
  tick(now: number): number {
    if (now >= this.due) this.due = Infinity;
    this.heard.push(`tick ${now}`);
    return this.due;
  }
  editing(at: number, del: number, ins: string) {
    this.heard.push(`editing ${at} ${del} ${ins}, on ${JSON.stringify(String(this.host.replica))}`);
    return (ops: readonly { text: string | null }[]) => void this.heard.push(`made ${ops.map(({ text }) => text).join()}`);
  }
  edited(): void {
    this.heard.push("edited");
  }
  renewed(): void {
    this.heard.push("renewed");
  }
  take(): string[] {
    return this.heard.splice(0);
  }
}

function alone() {
  const world = new World(1);
  const doc = new InklogDocument({ url: "ws://x", docId: "d", user: "me", storage: null }, envOf(world, { dead: false }));
  return { world, doc };
}

test("a part is made once, beside others, and is told of each edit before and after it, and when all of a call are made", () => {
  const { doc } = alone();
  const notes = doc.part(Notes);
  const undoStack = undoOf(doc);
  assert.equal(doc.part(Notes), notes);
  doc.edit([{ at: 0, del: 0, ins: "one" }, { at: 0, del: 1, ins: "O" }]);
  const edits = ["editing 0 0 one, on \"\"", "made one", "editing 0 1 O, on \"one\"", "made ,O", "edited", "tick 0"];
  assert.deepEqual(notes.take(), edits);
  // Undo changes the document as a part does: that is no edit of the application.
  assert.equal(undoStack.undo(), true);
  assert.deepEqual(notes.take(), ["tick 0"]);
  doc.core.updates.push(["renewed", null]);
  doc.flush();
  assert.deepEqual(notes.take(), ["tick 0", "renewed"]);
});

test("a part is called at the time that it asked for", async () => {
  const { world, doc } = alone();
  const notes = doc.part(Notes);
  await settle();
  notes.due = 50;
  doc.flush();
  notes.take();
  await world.runUntil(49);
  assert.deepEqual(notes.take().filter((what) => what === "tick 50"), []);
  await world.runUntil(60);
  assert.deepEqual(notes.take().filter((what) => what === "tick 50"), ["tick 50"]);
});
