// The client's rules: the stories of tests/stories, replayed by the core.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fromServer, toServer } from "./stories/frames.js";
import { StoryClient } from "./stories/client.js";
import { Names } from "./stories/names.js";
import { type Step, type Story, actionOf, storiesIn } from "./stories/story.js";

const FOLDER = new URL("../../../tests/stories/", import.meta.url);

/** Where this client does something else, and why. A story that is told as it stands is to leave this list. */
const DIFFERENCES: ReadonlyMap<string, string> = new Map(
  [
    "what a full document refuses is offered again unchanged, ever less often",
    "a delete behind text that finds no room goes first, under new ids",
    "a delete that is typed while text waits for room goes first, too",
    "of text that replaces other text, the delete goes first",
    "what was typed and deleted before it found room needs none, and waits with it",
  ].map((story) => [story, "in a full document, a delete waits behind the text that finds no room"]),
);

function replay({ steps }: Story): void {
  const client = new StoryClient();
  const names = new Names();
  for (const [i, step] of steps.entries()) {
    const action = actionOf(step);
    try {
      client.does(happening(step, names));
      check(step, client, names);
    } catch (error) {
      const what = JSON.stringify(step[action as keyof Step]);
      (error as Error).message = `step ${i + 1}, ${action} ${what}: ${(error as Error).message}`;
      throw error;
    }
  }
}

/** A step with what its names stand for. */
function happening(step: Step, names: Names): Step {
  const { receive } = step;
  if (typeof receive !== "object") return step;
  const frame = names.filled(receive);
  if (frame.ref !== undefined) frame.ref = names.refOf(frame.ref);
  return { receive: fromServer(frame) };
}

function check(step: Step, client: StoryClient, names: Names): void {
  const { send = [], tell = [] } = step;
  const sent = client.sent().map(toServer);
  send.forEach((frame, i) => sent[i] && names.requested(frame, sent[i]));
  const frames = send.map((frame, i) => names.met(toServer(frame), sent[i]));
  equal("sends", sent, frames);
  equal("tells", inOrder(client.told()), inOrder(tell));
  const { shown, ...state } = client.state;
  for (const [name, value] of Object.entries(state)) {
    if (name in step) equal(name, value, names.met(step[name as keyof Step], value));
  }
  equal("the text as the changes tell it", shown, state.text);
}

/** In which order the application is told of what happens in one step is no part of the story. */
const inOrder = <T>(told: T[]): T[] => [...told].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

function equal(what: string, actual: unknown, expected: unknown): void {
  try {
    assert.deepEqual(actual, expected);
  } catch (error) {
    (error as Error).message = `${what}\n${(error as Error).message}`;
    throw error;
  }
}

const seen = new Set<string>();
for (const [file, stories] of storiesIn(FOLDER)) {
  for (const { name } of stories) {
    assert.ok(!seen.has(name), `two stories are called ${name}`);
    seen.add(name);
  }
  describe(file, () => {
    for (const story of stories) {
      test(story.name, () => {
        if (!DIFFERENCES.has(story.name)) return replay(story);
        assert.throws(() => replay(story), "no difference any more");
      });
    }
  });
}
assert.ok(seen.size > 0, "there are no stories");
for (const name of DIFFERENCES.keys()) assert.ok(seen.has(name), `there is no story ${name}`);
