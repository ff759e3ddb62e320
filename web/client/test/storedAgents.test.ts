// Which agents of a device a tab may use, and what they have kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Storage, noStorage } from "../src/storage.js";
import { StoredAgents } from "../src/storedAgents.js";

const SERVER = "ws://x";

/** A store, with its locks: who holds them, and how often each was asked for. */
function store(records: Record<string, unknown> = {}) {
  const held = new Set<string>();
  const asked: string[] = [];
  const trouble: { lock?: Error; whenLocked?: (name: string) => void } = {};
  const storage: Storage = {
    read: async (prefix) => Object.entries(records).filter(([key]) => key.startsWith(prefix)).sort(),
    write: async () => {},
    lock: async (name) => {
      asked.push(name);
      if (trouble.lock) throw trouble.lock;
      if (held.has(name)) return null;
      held.add(name);
      trouble.whenLocked?.(name);
      return () => void held.delete(name);
    },
  };
  const agents = (user: string | null = "me") => new StoredAgents(storage, "d", SERVER, () => user);
  return { records, held, asked, trouble, storage, agents };
}

const chain = (end: number, server: string | undefined = SERVER) => ({ end, saved: end, server, log: "A" });
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("the agents of this user on this server are read, with those of no server, and whether they are free", async () => {
  const { agents, held } = store({
    "d/~/me": chain(1),
    "d/~/me~1": chain(2),
    "d/~/me~nowhere": { ...chain(3), server: undefined },
    "d/~/me~before": 4,
    "d/~/me~there": chain(5, "ws://y"),
    "d/~/menace": chain(6),
    "d/~/you~1": chain(7),
    "other/~/me~2": chain(8),
  });
  held.add("d/me~1/");
  const found = async (user: string | null) => (await agents(user).read()).map(({ agent, end, free }) => [agent, end, free]);
  assert.deepEqual(await found("me"), [["me", 1, true], ["me~1", 2, false], ["me~before", 4, true], ["me~nowhere", 3, true]]);
  held.clear();
  assert.deepEqual((await found(null)).map(([agent]) => agent), ["me", "menace", "me~1", "me~before", "me~nowhere", "you~1"]);
});

test("what is read of an agent is what its last holder left when the lock became free", async () => {
  const { agents, records, trouble } = store({ "d/~/me": chain(1), "d/~/me~1": chain(1), "d/~/me~10": chain(5), "d/me/t1": [] });
  trouble.whenLocked = (name) => {
    if (name !== "d/me/") return;
    records["d/~/me"] = { ...chain(1), end: 9 };
    records["d/me/e0000000000000009"] = { after: 9, end: 12, ops: [], sent: true, over: [] };
    delete records["d/~/me~1"];
  };
  const [mine, gone] = await agents().read();
  assert.deepEqual([mine!.end, mine!.events.map(({ after }) => after)], [12, [9]]);
  assert.deepEqual([...mine!.keys].sort(), ["d/me/e0000000000000009", "d/me/t1", "d/~/me"]);
  // Its records were removed meanwhile.
  assert.deepEqual([gone!.agent, gone!.end, gone!.events], ["me~1", 0, []]);
});

test("a lock is asked for once while it is held, and again once it is freed or could not be had", async () => {
  const { agents, asked, held, trouble } = store({ "d/~/me": chain(1) });
  const mine = agents();
  assert.deepEqual(await Promise.all([mine.hold("me"), mine.hold("me")]), [true, true]);
  assert.deepEqual(asked, ["d/me/"]);
  // What this tab holds is not what others left.
  assert.deepEqual(await mine.read(), []);
  assert.equal(await agents().hold("me"), false);
  await mine.hold("me~1");
  mine.keepOnly(["me~1"]);
  await settle();
  assert.deepEqual([...held], ["d/me~1/"]);
  assert.equal(await mine.hold("me"), true);
  trouble.lock = new Error("it does not answer");
  await assert.rejects(mine.hold("me~2"), /does not answer/);
  delete trouble.lock;
  assert.equal(await mine.hold("me~2"), true);
  held.add("d/me~3/");
  assert.equal(await mine.hold("me~3"), false);
  held.delete("d/me~3/");
  assert.equal(await mine.hold("me~3"), true);
});

test("the keys of the agents that are held are known, with the chain record where there is one", async () => {
  const { agents } = store({ "d/~/me": chain(1), "d/~/me~1": chain(1), "d/~/me~10": chain(1), "d/me/base": {}, "d/me/t1": [], "d/me~1/base": {}, "d/me~2/base": {} });
  const mine = agents();
  for (const agent of ["me", "me~1", "me~2", "me~new"]) await mine.hold(agent);
  assert.deepEqual(
    [...(await mine.keys())],
    [["me", ["d/~/me", "d/me/base", "d/me/t1"]], ["me~1", ["d/~/me~1", "d/me~1/base"]], ["me~2", ["d/me~2/base"]], ["me~new", []]],
  );
});

test("who moves to memory and back still holds what the store gave, and nothing of what memory gave", async () => {
  const { agents, asked, held, storage } = store();
  const before = agents();
  await before.hold("me");
  const memory = before.movedTo(noStorage);
  assert.equal(await memory.hold("me"), true);
  assert.equal(await memory.hold("me~memory"), true);
  const back = memory.movedTo(storage);
  assert.equal(await back.hold("me"), true);
  assert.deepEqual(asked, ["d/me/"]);
  assert.equal(await back.hold("me~memory"), true);
  assert.deepEqual(asked, ["d/me/", "d/me~memory/"]);
  back.keepOnly([]);
  await settle();
  assert.equal(held.size, 0);
});
