// Many connections on one `inklog dev`: idle ones, which have joined a document and wait, and active ones, which type in
// small groups. Tells the server's memory and processor time, and how long acknowledgements and broadcasts take.
//
//   node connections.mjs --inklog PATH [--idle 10000] [--active 1000] [--rate 0.5] [--seconds 30]
//
// The clients speak the protocol with bare sockets, so that they cost less than what they measure.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";

const { values } = parseArgs({
  options: {
    inklog: { type: "string", default: "target/debug/inklog" },
    idle: { type: "string", default: "10000" },
    active: { type: "string", default: "1000" },
    rate: { type: "string", default: "0.5" },
    seconds: { type: "string", default: "30" },
  },
});
const [idle, active, rate, seconds] = [values.idle, values.active, values.rate, values.seconds].map(Number);
/** Active clients of one document. */
const GROUP = 4;
/** Idle clients of one document. */
const IDLE_GROUP = 10;
/** Connections that are being opened at once: fewer than wait in a listener's queue. */
const OPENING = 100;

const server = spawn(values.inklog, ["dev", "--memory", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
process.on("exit", () => server.kill());
const [url] = await new Promise((resolve, reject) => {
  server.on("exit", () => reject(new Error("inklog dev ended before it was ready")));
  createInterface({ input: server.stdout }).on("line", (line) => {
    const ready = /^ready: \S+ (ws:\S+)/.exec(line);
    if (ready) resolve([ready[1]]);
  });
});

const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))[1]) / 1024;
/** Seconds; the kernel counts in hundredths. */
function cpu() {
  const stat = readFileSync(`/proc/${server.pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** A joined connection. */
async function join(docId, onMessage) {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  await new Promise((resolve, reject) => {
    socket.once("close", (code) => reject(new Error(`closed with ${code}`)));
    socket.on("message", (data) => {
      const message = JSON.parse(data);
      if (message.action === "DOC_STATE") resolve();
      else if (message.action === "ERROR") reject(new Error(message.message));
      else onMessage?.(message);
    });
    socket.send(JSON.stringify({ action: "JOIN_DOC", docId }));
  });
  return socket;
}

async function joinAll(count, docOf, onMessage) {
  const sockets = new Array(count);
  let next = 0;
  const opener = async () => {
    while (next < count) {
      const n = next++;
      sockets[n] = await join(docOf(n), onMessage && ((message) => onMessage(n, message)));
    }
  };
  await Promise.all(Array.from({ length: OPENING }, opener));
  return sockets;
}

const acks = [];
const broadcasts = [];
/** By agent: when each of its characters was typed. */
const typedAt = new Map();
let refusals = 0;
function onMessage(n, message) {
  const now = performance.now();
  if (message.action === "OP_ACK") acks.push(now - typedAt.get(message.agent)[message.after]);
  if (message.action === "ERROR") refusals += 1;
  if (message.action !== "REMOTE_OP") return;
  for (const { agent, after } of message.events) {
    if (agent !== `a${n}`) broadcasts.push(now - typedAt.get(agent)[after]);
  }
}

const row = (what, text) => console.log(`| ${what} | ${text} |`);
console.log(`| | ${idle} idle, ${active} active in documents of ${GROUP}, each ${rate} characters a second |\n|---|---|`);
row("memory, nobody connected", `${memory().toFixed(0)} MiB`);
const empty = memory();
const begun = performance.now();
const idlers = await joinAll(idle, (n) => `idle-${Math.floor(n / IDLE_GROUP)}`);
const joined = (performance.now() - begun) / 1000;
row("memory, the idle ones joined", `${memory().toFixed(0)} MiB (${(((memory() - empty) * 1024) / idle).toFixed(1)} KiB each)`);
row("joins a second", (idle / joined).toFixed(0));
const cpuIdle = cpu();
await pause(10_000);
row("processor, idle ones only", `${((cpu() - cpuIdle) * 10).toFixed(1)} % of a core`);

const typists = await joinAll(active, (n) => `active-${Math.floor(n / GROUP)}`, onMessage);
const cpuActive = cpu();
const start = performance.now();
let sent = 0;
await Promise.all(
  typists.map(async (socket, n) => {
    const agent = `a${n}`;
    const times = [];
    typedAt.set(agent, times);
    for (let seq = 0; seq < rate * seconds; seq += 1) {
      await pause(Math.max(0, start + ((seq + n / active) * 1000) / rate - performance.now()));
      times[seq] = performance.now();
      const left = seq === 0 ? null : `${agent}-${seq - 1}`;
      const op = { type: "insert", id: `${agent}-${seq}`, text: "x", left };
      const docId = `active-${Math.floor(n / GROUP)}`;
      socket.send(JSON.stringify({ action: "SEND_OP", docId, agent, after: seq, ops: [op] }));
      sent += 1;
    }
  }),
);
const due = sent * (GROUP - 1);
for (let waited = 0; (acks.length < sent || broadcasts.length < due) && waited < 30_000; waited += 100) await pause(100);
const used = (cpu() - cpuActive) / ((performance.now() - start) / 1000);
const percentiles = (times) => {
  times.sort((a, b) => a - b);
  const of = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]?.toFixed(1);
  return `p50 ${of(0.5)} ms, p99 ${of(0.99)} ms, max ${of(1)} ms`;
};
row("memory, all joined and typed", `${memory().toFixed(0)} MiB`);
row("processor, all of them", `${(used * 100).toFixed(0)} % of a core`);
row("acknowledged", `${acks.length} of ${sent}, ${refusals} refused: ${percentiles(acks)}`);
row("seen by the others", `${broadcasts.length} of ${due}: ${percentiles(broadcasts)}`);
row("idle connections still open", `${idlers.filter(({ readyState }) => readyState === WebSocket.OPEN).length}`);
process.exit(acks.length === sent && broadcasts.length === due ? 0 : 1);
