// The TypeScript half of the differential test (tests/typescript.rs): reads lines of JSON, each an array of commands
// on numbered documents, and answers each with a line: the array of results. Runs on the built client.
import { createInterface } from "node:readline";
import { TextDoc, localOp, mergeOps, pushOp, wireOp } from "../dist/crdt/index.js";

const docs = new Map();
const bytesOf = (text) => new Uint8Array(Buffer.from(text, "base64"));

const commands = {
  load({ doc, bytes }) {
    docs.set(doc, bytes === undefined ? new TextDoc() : TextDoc.decode(bytesOf(bytes)));
    return null;
  },
  insert: ({ doc, agent, at, text }) => [wireOp(agent, docs.get(doc).insert(agent, at, text))],
  delete: ({ doc, agent, at, len }) => docs.get(doc).delete(agent, at, len).map((op) => wireOp(agent, op)),
  compose({ agent, ops }) {
    const composed = [];
    for (const op of ops) pushOp(composed, agent, localOp(op));
    return composed.map((op) => wireOp(agent, op));
  },
  apply({ doc, event }) {
    const changes = [];
    return { applied: docs.get(doc).apply(event, changes), changes };
  },
  mergeState({ doc, bytes }) {
    const changes = [];
    docs.get(doc).mergeState(bytesOf(bytes), changes);
    return { changes };
  },
  mergeOps({ doc, ops, version }) {
    const changes = [];
    mergeOps(docs.get(doc), ops, version, changes);
    return { changes };
  },
  state({ doc }) {
    const of = docs.get(doc);
    return {
      text: of.toString(),
      version: Object.fromEntries(of.version),
      waiting: of.waitingCount,
      bytes: Buffer.from(of.encode()).toString("base64"),
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const results = JSON.parse(line).map((command) => commands[command.do](command));
  process.stdout.write(JSON.stringify(results) + "\n");
}
