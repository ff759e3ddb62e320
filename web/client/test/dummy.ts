// A server with a log and nothing else, and a client whose clock and store are turned by hand.

import { TextDoc, type WireEvent, wireOp } from "../src/crdt/index.js";
import { Core } from "../src/sync/core.js";
import { type StoredAgent, agentPrefix, chainKey, readAgent, readChain } from "../src/sync/keeper.js";
import type { Update } from "../src/sync/offline.js";
import { Random } from "./sim/random.js";

/** Its cursors are lengths of the log. */
export class DummyServer {
  log: WireEvent[] = [];
  /** What is asked for by JOIN_DOC without a cursor comes as a base with everything in it. */
  base(): TextDoc {
    const doc = new TextDoc();
    for (const event of this.log) doc.apply(event);
    return doc;
  }
  take(frame: string): string[] {
    const { action, ref, cursor, version = {}, agent, after, ops } = JSON.parse(frame);
    const answer = (fields: object) => JSON.stringify({ docId: "d", ref, ...fields });
    if (action === "PING") return [JSON.stringify({ action: "PONG" })];
    if (action === "SEND_OP") {
      const event = { agent, after, ops };
      const there = this.log.find((other) => other.agent === agent && other.after === after);
      if (there && JSON.stringify(there.ops) !== JSON.stringify(ops)) return [answer({ action: "ERROR", code: "conflict", message: "no" })];
      if (!there) this.log.push(event);
      const end = new TextDoc();
      return [answer({ action: "OP_ACK", agent, after, end: ops.reduce((_: number, op: any) => endOf(op), end.length) })];
    }
    const part = { part: 1, parts: 1, cursor: String(this.log.length) };
    if (cursor !== undefined) {
      const events = this.log.slice(Number(cursor)).filter((event) => endOf(event.ops.at(-1)) > (version[event.agent] ?? 0));
      return [answer({ action: "OP_REPLAY", events, ...part })];
    }
    const state = Buffer.from(this.base().encode()).toString("base64");
    return [answer({ action: "DOC_STATE", stateId: "s", format: "binary", state, ...part })];
  }
}

function endOf(op: any): number {
  return Number(op.id.slice(op.id.lastIndexOf("-") + 1)) + (op.len ?? [...op.text].length);
}

export class Alice {
  readonly store = new Map<string, any>();
  now = 0;
  core: Core;
  private agents = 0;

  constructor(readonly seed = 3) {
    this.core = this.newCore();
  }

  static joined(server: DummyServer, seed?: number): Alice {
    const alice = new Alice(seed);
    alice.core.connected(0);
    alice.talk(server);
    alice.updates();
    return alice;
  }

  private newCore(): Core {
    const core = new Core("d", "alice", (user) => `${user}~${this.seed}${this.agents++}`, new Random(this.seed).next);
    // Nobody looks, so that nothing but what a story is about is sent.
    core.visible = false;
    return core;
  }

  types(text: string, at = this.core.doc.length): void {
    this.core.change("local", () => this.core.edit(at, 0, text, []));
    this.core.tick(this.now);
    this.stores();
  }

  /** The store does what it is asked for. */
  stores(): void {
    for (let batch; (batch = this.core.keeper.takeBatch(this.now)); this.core.tick(this.now)) {
      for (const [key, value] of structuredClone(batch.changes)) value === undefined ? this.store.delete(key) : this.store.set(key, value);
      this.core.keeper.stored(batch.id);
    }
  }

  frames(): string[] {
    return this.core.frames.splice(0);
  }

  updates(): Update[] {
    return this.core.updates.splice(0);
  }

  hears(...frames: string[]): void {
    for (const frame of frames) this.core.received(frame, this.now);
    this.stores();
  }

  /** Until both have nothing more to say. */
  talk(server: DummyServer): void {
    for (let frames; (frames = this.frames()).length; ) for (const frame of frames) this.hears(...server.take(frame));
  }

  /** Time passes up to what is due next; says how long, in ms. */
  waits(): number {
    const due = this.core.deadline();
    const waited = due - this.now;
    this.now = due;
    this.core.tick(due);
    this.stores();
    return waited;
  }

  /** The tab dies; another opens on the same store. */
  crashes(): void {
    this.core = this.newCore();
    this.core.load(this.sessions());
    this.core.connected(this.now);
  }

  /** What the store has, all of it free or none. */
  sessions(free = true): StoredAgent[] {
    return storedAgents(this.store, free);
  }
}

/** The agents of the document `d` in a store, all of them free or none. */
export function storedAgents(store: ReadonlyMap<string, any>, free: boolean): StoredAgent[] {
  const records = structuredClone([...store].sort());
  const agents = records.filter(([key]) => key.startsWith("d/~/")).map(([key]) => key.slice(4));
  return agents.map((agent) => {
    const own = records.filter(([key]) => key.startsWith(agentPrefix("d", agent)));
    return readAgent("d", agent, readChain(store.get(chainKey("d", agent))), own, free);
  });
}

/** Bob, who types one word an event. */
export function bob(...words: string[]): WireEvent[] {
  const doc = new TextDoc();
  return words.map((word) => ({ agent: "bob", after: doc.version.get("bob") ?? 0, ops: [wireOp("bob", doc.insert("bob", doc.length, word))] }));
}

export const remote = (events: WireEvent[]): string => JSON.stringify({ action: "REMOTE_OP", docId: "d", events });
