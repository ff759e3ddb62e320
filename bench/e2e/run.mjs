// The workload `end to end`: inklog dev beside Hocuspocus, the same clients typing into one document.
//
//   node run.mjs --inklog PATH [--json FILE] [--quick]
//
// Prints tables, and puts its figures into FILE, a list as the Rust part of the bench writes it.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const { values: args } = parseArgs({
  options: { inklog: { type: "string" }, json: { type: "string" }, quick: { type: "boolean" } },
});
if (!args.inklog || !existsSync(args.inklog)) {
  console.error(`bench: no inklog at ${args.inklog}; build it with: cargo build -p inklog-cli`);
  process.exit(1);
}
const CLIENTS = args.quick ? [2] : [2, 20, 50];
const ROUNDS = args.quick ? 1 : 3;
const [SECONDS, WARM_UP] = args.quick ? [2, 1] : [10, 3];

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer().on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

/** How each server is started: the command, and where the clients find it. */
const SUBJECTS = {
  inklog: (port, folder) => ({
    kind: "inklog",
    command: [args.inklog, "dev", "--port", String(port), "--data", folder],
    url: `ws://127.0.0.1:${port}/dev`,
  }),
  hocuspocus: (port) => ({
    kind: "hocuspocus",
    command: [process.execPath, join(here, "hocuspocus.mjs"), String(port)],
    url: `ws://127.0.0.1:${port}`,
  }),
  "hocuspocus+sqlite": (port, folder) => ({
    kind: "hocuspocus",
    command: [process.execPath, join(here, "hocuspocus.mjs"), String(port), join(folder, "bench.sqlite")],
    url: `ws://127.0.0.1:${port}`,
  }),
};

/** CPU seconds that a process has used so far (the kernel counts in hundredths). */
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function memoryMiB(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

/** The lines of a process; an error when it ends before the wanted one. */
async function lineThat(lines, matches, what) {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${what} ended too early`);
    if (matches(value)) return value;
  }
}

async function measure(subject, clients) {
  const folder = mkdtempSync(join(tmpdir(), "inklog-bench-"));
  const { kind, command, url } = SUBJECTS[subject](await freePort(), folder);
  const server = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => server.on("exit", resolve));
  try {
    const said = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
    await lineThat(said, (line) => line.startsWith("ready:"), subject);
    const numbers = [clients, SECONDS, WARM_UP].map(String);
    const typing = spawn(process.execPath, [join(here, "clients.mjs"), kind, url, ...numbers], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: typing.stdout })[Symbol.asyncIterator]();
    await lineThat(lines, (line) => line === "ready", "the clients");
    const before = cpuSeconds(server.pid);
    const found = JSON.parse(await lineThat(lines, (line) => line.startsWith("{"), "the clients"));
    return { ...found, cpu: cpuSeconds(server.pid) - before, memory: memoryMiB(server.pid) };
  } finally {
    server.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const figures = [];
for (const clients of CLIENTS) {
  const rounds = Object.fromEntries(Object.keys(SUBJECTS).map((subject) => [subject, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const subject of Object.keys(SUBJECTS)) {
      const found = await measure(subject, clients);
      console.error(`${clients} clients, ${subject}: ${JSON.stringify(found)}`);
      rounds[subject].push(found);
    }
  }
  for (const [subject, found] of Object.entries(rounds)) {
    const ok = found.every(({ equal, lost }) => equal && lost === 0);
    for (const [what, unit] of [["p50", "ms"], ["p99", "ms"], ["cpu", "s"], ["memory", "MiB"]]) {
      const value = median(found.map((round) => round[what]));
      figures.push({ workload: `end to end, ${what}`, trace: `${clients} clients`, subject, value, unit, ok });
    }
  }
}

for (const what of ["p50", "p99", "cpu", "memory"]) {
  const own = figures.filter(({ workload }) => workload === `end to end, ${what}`);
  console.log(`\n## end to end, ${what} (${own[0].unit})\n\n| | ${Object.keys(SUBJECTS).join(" | ")} |`);
  console.log(`|---|${"---:|".repeat(Object.keys(SUBJECTS).length)}`);
  for (const clients of CLIENTS) {
    const row = own.filter(({ trace }) => trace === `${clients} clients`);
    const base = row.find(({ subject }) => subject === "inklog").value;
    const cells = row.map(({ subject, value, ok }) => {
      const ratio = subject === "inklog" ? "" : ` (×${(value / base).toFixed(2)})`;
      return `${value.toFixed(value < 10 ? 2 : 1)}${ratio}${ok ? "" : " **text wrong**"}`;
    });
    console.log(`| ${clients} clients | ${cells.join(" | ")} |`);
  }
}
console.log("\n| goal | found | |\n|---|---|---|");
for (const [what, goal] of [["p50", "no worse than"], ["p99", "no worse than"], ["cpu", "less than"]]) {
  for (const clients of CLIENTS) {
    const of = (name) =>
      figures.find((f) => f.workload === `end to end, ${what}` && f.trace === `${clients} clients` && f.subject === name);
    const [own, other] = [of("inklog").value, of("hocuspocus").value];
    const met = own <= other ? "met" : "**missed**";
    console.log(`| ${what}, ${clients} clients: ${goal} Hocuspocus in memory | ${own.toFixed(2)} beside ${other.toFixed(2)} | ${met} |`);
  }
}

if (args.json) {
  const others = existsSync(args.json) ? JSON.parse(readFileSync(args.json, "utf8")) : [];
  const kept = others.filter(({ workload }) => !workload.startsWith("end to end"));
  writeFileSync(args.json, `${JSON.stringify([...kept, ...figures], null, 2)}\n`);
}
process.exit(figures.some(({ subject, ok }) => subject === "inklog" && !ok) ? 1 : 0);
