// The TypeScript half of a test of what Rust packs (tests/typescript.rs): reads lines of JSON, each an array of commands,
// and answers each with a line: the array of results.

import { createInterface } from "node:readline";
import { TextDoc, mergeOps } from "../src/crdt/index.js";
import { Core } from "../src/sync/core.js";
import { Random } from "./sim/random.js";

let core: Core;

const commands: Record<string, (command: any) => unknown> = {
  /** A client that knows nothing connects; gives what it asks for. */
  join() {
    core = new Core("d", "alice", (user) => user, new Random(1).next);
    core.connected(0);
    return core.frames.splice(0).map((frame) => JSON.parse(frame));
  },
  /** The answer comes; gives the bytes of the state that the document is in then, in base64. */
  take({ messages }: { messages: string[] }) {
    for (const message of messages) core.received(message, 0);
    const errors = core.updates.filter(([name]) => name === "error");
    return { errors, synced: core.synced, state: base64(core.doc) };
  },
  /** A state in the format `ops`, which the client does not ask for by itself. */
  ops({ messages }: { messages: string[] }) {
    const parts = messages.map((message) => JSON.parse(message));
    const doc = new TextDoc();
    mergeOps(doc, parts.flatMap(({ ops }) => ops ?? []), Object.assign({}, ...parts.map(({ version }) => version)), []);
    return { state: base64(doc) };
  },
};

const base64 = (doc: TextDoc): string => Buffer.from(doc.encode()).toString("base64");

for await (const line of createInterface({ input: process.stdin })) {
  const results = JSON.parse(line).map((command: any) => commands[command.do]!(command));
  process.stdout.write(`${JSON.stringify(results)}\n`);
}
