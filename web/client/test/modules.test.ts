// How the modules of the client hang together.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const SRC = join(import.meta.dirname, "../src");
const FILES = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** What a module imports of its own package, types included. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), "utf8");
  const paths = [...text.matchAll(/(?:from|import\() ?"(\.[^"]+)\.js"/g)].map(([, path]) => path!);
  return paths.map((path) => join(dirname(file), `${path}.ts`));
}

test("no module imports itself, by whatever way round", () => {
  const done = new Set<string>();
  const visit = (file: string, above: readonly string[]) => {
    assert.ok(!above.includes(file), `a circle: ${[...above.slice(above.indexOf(file)), file].join(" → ")}`);
    if (done.has(file)) return;
    for (const next of importsOf(file)) visit(next, [...above, file]);
    done.add(file);
  };
  for (const file of FILES) visit(file, []);
  assert.ok(done.size > 30);
});
