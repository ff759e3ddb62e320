// The simulated server does what the real one does: the stories of tests/stories/server.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fromClient } from "./stories/frames.js";
import { Names } from "./stories/names.js";
import { Room } from "./stories/room.js";
import { type Frame, type ServerStep, serverStoriesIn } from "./stories/story.js";

const FOLDER = new URL("../../../tests/stories/server/", import.meta.url);

async function happens({ by, send, bytes, close }: ServerStep, room: Room, names: Names): Promise<void> {
  if (close) return room.close(by);
  const text = typeof send === "string" ? send : JSON.stringify(fromClient(names.filled(send)));
  // Blanks around JSON are none of its business.
  await room.send(by, text.padEnd(bytes ?? 0));
}

/** Of what came, the fields that are expected. */
function named(actual: any, expected: any): any {
  if (Array.isArray(expected) && Array.isArray(actual)) return actual.map((one, i) => named(one, expected[i]));
  if (typeof expected !== "object" || typeof actual !== "object" || !expected || !actual) return actual;
  return Object.fromEntries(Object.keys(expected).map((key) => [key, named(actual[key] ?? null, expected[key])]));
}

function check({ get = {} }: ServerStep, room: Room, names: Names): void {
  const came = room.came();
  assert.deepEqual(Object.keys(came).sort(), Object.keys(get).sort(), `who gets something: ${JSON.stringify(came)}`);
  for (const [name, expected] of Object.entries(get)) {
    // Two frames of one action come in their order, others in any.
    const byAction = (frames: Frame[]) => [...frames].sort((a, b) => (a.action < b.action ? -1 : a.action > b.action ? 1 : 0));
    const [frames, actual] = [byAction(expected), byAction(came[name]!)];
    assert.deepEqual(named(actual, frames), names.met(frames, actual), `what ${name} gets`);
    assert.equal(actual.length, frames.length, `what ${name} gets: ${JSON.stringify(actual)}`);
  }
}

const seen = new Set<string>();
for (const [file, stories] of serverStoriesIn(FOLDER)) {
  for (const { name } of stories) {
    assert.ok(!seen.has(name), `two stories are called ${name}`);
    seen.add(name);
  }
  describe(file, () => {
    for (const { name, steps } of stories) {
      test(name, async () => {
        const [room, names] = [new Room(), new Names()];
        for (const [i, step] of steps.entries()) {
          try {
            await happens(step, room, names);
            check(step, room, names);
          } catch (error) {
            (error as Error).message = `step ${i + 1}, ${JSON.stringify(step)}: ${(error as Error).message}`;
            throw error;
          }
        }
      });
    }
  });
}
assert.ok(seen.size > 0, "there are no stories");
