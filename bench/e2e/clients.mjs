// All clients of a run, in one process, so that one clock measures both ends. Each types one character
// at a time at the end of one document; every character of a run is another one, so that whoever
// receives it knows whose edit it is and when it was made.
//
//   node clients.mjs inklog|hocuspocus URL CLIENTS SECONDS WARM_UP_SECONDS
//
// prints a line of JSON: { edits, samples, lost, equal, p50, p99 }, milliseconds.

import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";

const [kind, url, ...numbers] = process.argv.slice(2);
const [clients, seconds, warmUpSeconds] = numbers.map(Number);
const RATE = 10;
const FIRST = 0x4e00; // 20,992 CJK characters, one UTF-16 unit each

/** What both kinds of client can do. `receive` is called with all text that others inserted. */
const open = {
  async inklog(receive) {
    const { openDocument } = await import("../../web/client/dist/index.js");
    const doc = openDocument({ url, docId: "bench", storage: null, WebSocket });
    doc.on("error", ({ message }) => console.error(message));
    doc.on("change", ({ changes, origin }) => {
      if (origin === "remote") for (const { ins } of changes) receive(ins);
    });
    await doc.synced;
    return { type: (text) => doc.insert(doc.length, text), text: () => doc.text, close: () => doc.close() };
  },
  async hocuspocus(receive) {
    const [{ HocuspocusProvider, HocuspocusProviderWebsocket }, Y] = await Promise.all([
      import("@hocuspocus/provider"),
      import("yjs"),
    ]);
    const document = new Y.Doc();
    const text = document.getText("text");
    text.observe((event) => {
      if (!event.transaction.local) for (const { insert } of event.delta) if (insert) receive(insert);
    });
    const socket = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: WebSocket });
    const provider = new HocuspocusProvider({ websocketProvider: socket, name: "bench", document });
    provider.attach();
    await new Promise((resolve) => provider.on("synced", resolve));
    const close = () => {
      provider.destroy();
      socket.destroy();
    };
    return { type: (inserted) => text.insert(text.length, inserted), text: () => text.toString(), close };
  },
}[kind];

const edits = clients * Math.round((seconds + warmUpSeconds) * RATE);
const warmUp = clients * Math.round(warmUpSeconds * RATE);
const typedAt = new Float64Array(edits);
const samples = [];
let received = 0;

const receive = (text) => {
  const now = performance.now();
  for (const char of text) {
    const edit = char.charCodeAt(0) - FIRST;
    received += 1;
    if (edit >= warmUp) samples.push(now - typedAt[edit]);
  }
};
const replicas = await Promise.all(Array.from({ length: clients }, () => open(receive)));

console.log("ready");
const begin = performance.now();
await Promise.all(
  replicas.map(async (replica, client) => {
    // Clients are spread over the time between two keys.
    for (let edit = client; edit < edits; edit += clients) {
      const due = begin + (edit / clients) * (1000 / RATE);
      await pause(Math.max(0, due - performance.now()));
      typedAt[edit] = performance.now();
      replica.type(String.fromCharCode(FIRST + edit));
    }
  }),
);
console.log("typed");
const expected = edits * (clients - 1);
for (let tries = 0; received < expected && tries < 300; tries += 1) await pause(100);
const texts = new Set(replicas.map((replica) => replica.text()));
const equal = texts.size === 1 && [...texts][0].length === edits;
samples.sort((a, b) => a - b);
const at = (share) => samples[Math.min(samples.length - 1, Math.floor(samples.length * share))] ?? null;
console.log(
  JSON.stringify({ edits, samples: samples.length, lost: expected - received, equal, p50: at(0.5), p99: at(0.99) }),
);
await Promise.all(replicas.map((replica) => replica.close()));
process.exit(0);
