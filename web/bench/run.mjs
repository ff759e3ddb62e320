// Runs all peers on all traces, round by round, and prints medians. See README.md.
import { fork } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { peers } from "./peers.mjs";
import { folder, names } from "./traces.mjs";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" }, only: { type: "string" } } });
const rounds = Number(values.rounds);
const TASKS = { local: "local", apply: "apply", frames: "apply, with JSON.parse", load: "load" };

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const row = (cells) => console.log(cells.map((cell, at) => (at === 0 ? String(cell).padEnd(34) : String(cell).padStart(12))).join(""));

const traces = names().filter((name) => !values.only || name.includes(values.only));
if (traces.length === 0) throw new Error(`no traces in ${folder}: set TRACES to a folder with *.json.gz`);
console.log(`${cpus()[0].model}, Node ${process.version}, medians of ${rounds} alternating rounds, in ms`);
row(["", ...Object.keys(peers), "yjs/inklog", "loro/inklog"]);
for (const trace of traces) {
  const workers = [];
  for (const peer of Object.keys(peers)) {
    const child = fork(new URL("worker.mjs", import.meta.url), [peer, trace]);
    // It has said why.
    const fail = () => process.exit(1);
    child.once("exit", fail);
    const [{ tasks, bytes, edits }] = await once(child, "message");
    child.off("exit", fail);
    workers.push({ child, tasks, bytes, edits, times: {} });
  }
  console.log(`\n${trace}, ${workers[0].edits} edits; encoded: ${workers.map(({ bytes }) => bytes).join(" / ")} bytes`);
  for (const [task, label] of Object.entries(TASKS)) {
    for (let round = 0; round < rounds; round++) {
      for (const { child, tasks, times } of workers) {
        // What takes very long is not done again.
        if (!tasks.includes(task) || (times[task]?.[0] ?? 0) > 10_000) continue;
        child.send(task);
        const [ms] = await once(child, "message");
        (times[task] ??= []).push(ms);
      }
    }
    const [ours, ...others] = workers.map(({ times }) => times[task] && median(times[task]));
    const factor = (theirs) => (theirs ? `${(theirs / ours).toFixed(1)}x` : "");
    row([`  ${label}`, ...[ours, ...others].map((ms) => ms?.toFixed(1) ?? ""), ...others.map(factor)]);
  }
  for (const { child } of workers) child.disconnect();
}
