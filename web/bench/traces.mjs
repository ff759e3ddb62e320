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

/** `{agents, edits: [{agent, needs, patches}], end}`: each edit is typed by an agent who knows all its own edits before
 * and those in `needs`, indexes of others' edits that have to be brought first. */
export function read(name) {
  const trace = JSON.parse(gunzipSync(readFileSync(join(folder, `${name}.json.gz`))));
  const { txns, endContent, startContent = "" } = trace;
  // Positions count code points; what is here counts UTF-16 units.
  if (/[\ud800-\udfff]/.test(endContent + startContent)) throw new Error(`${name}: characters beyond the BMP`);
  if (!trace.numAgents) {
    const edits = txns.flatMap(({ patches }) => patches.map((patch) => ({ agent: 0, needs: [], patches: [patch] })));
    if (startContent) edits.unshift({ agent: 0, needs: [], patches: [[0, 0, startContent]] });
    return { agents: 1, edits, end: endContent };
  }
  const known = Array.from({ length: trace.numAgents }, () => new Set());
  const edits = txns.map(({ parents, agent, patches }, at) => {
    const needs = [];
    const todo = [...parents];
    for (let parent; (parent = todo.pop()) !== undefined; ) {
      if (known[agent].has(parent)) continue;
      known[agent].add(parent);
      needs.push(parent);
      todo.push(...txns[parent].parents);
    }
    known[agent].add(at);
    return { agent, needs: needs.sort((a, b) => a - b), patches };
  });
  return { agents: trace.numAgents, edits, end: endContent };
}
