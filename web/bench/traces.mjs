// Recorded editing sessions (github.com/josephg/editing-traces): sequential, or concurrent with parents.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export const folder = process.env.TRACES ?? new URL("../../../shared/traces", import.meta.url).pathname;

export const names = () =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".json.gz"))
    .map((file) => file.slice(0, -".json.gz".length))
    .sort();

/** A trace in columns, an element for each edit, so that reading it costs next to nothing: who makes it, where, how many
 * characters are deleted there and what is inserted. `needs[i]`, where it is not null, are edits of others that have to
 * be brought to the agent before edit i. */
export function read(name) {
  const { txns, endContent: end, startContent = "", numAgents: agents = 1 } = JSON.parse(
    gunzipSync(readFileSync(join(folder, `${name}.json.gz`))),
  );
  // Positions count code points; what is here counts UTF-16 units.
  if (/[\ud800-\udfff]/.test(end + startContent)) throw new Error(`${name}: characters beyond the BMP`);
  const trace = { agents, end, agent: [], at: [], del: [], ins: [], needs: [] };
  const add = (agent, [at, del, ins], needs) => {
    trace.agent.push(agent);
    trace.at.push(at);
    trace.del.push(del);
    trace.ins.push(ins);
    trace.needs.push(needs);
  };
  if (startContent) add(0, [0, 0, startContent], null);
  const known = Array.from({ length: agents }, () => new Set());
  const editsOf = [];
  txns.forEach(({ parents = [], agent = 0, patches }, txn) => {
    const others = [];
    for (const todo = [...parents]; todo.length > 0; ) {
      const parent = todo.pop();
      if (known[agent].has(parent)) continue;
      known[agent].add(parent);
      others.push(parent);
      todo.push(...txns[parent].parents);
    }
    known[agent].add(txn);
    const needs = others.sort((a, b) => a - b).flatMap((other) => editsOf[other]);
    editsOf.push(patches.map((patch, i) => {
      add(agent, patch, i === 0 && needs.length > 0 ? needs : null);
      return trace.at.length - 1;
    }));
  });
  return trace;
}
