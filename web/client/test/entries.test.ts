// Every entry can be imported where there is nothing but the language: on a server that renders, in jsdom, in a worker.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";
import { build } from "esbuild";

const root = `${import.meta.dirname}/..`;
const { exports } = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as { exports: Record<string, { "@inklog/source": string }> };

/** What an entry exports, in a context without any global of a platform. */
async function load(source: string): Promise<any> {
  const { outputFiles } = await build({
    entryPoints: [`${root}/${source}`],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "entry",
    target: "es2022",
  });
  const context = vm.createContext({});
  vm.runInContext(outputFiles[0]!.text, context);
  return vm.runInContext("entry", context);
}

for (const [entry, { "@inklog/source": source }] of Object.entries(exports)) {
  test(`importing @inklog/client${entry.slice(1)} touches no global of a platform`, async () => {
    assert.ok(Object.keys(await load(source)).length > 0);
  });
}

test("a text of any length is read where there is no TextDecoder", async () => {
  const { TextDoc } = await load(exports["./crdt"]!["@inklog/source"]);
  for (const length of [1, 2, 4095, 4096, 4097, 100_000]) {
    for (const part of ["a", "é", "漢", "x😀"]) {
      const doc = new TextDoc();
      doc.insert("me", 0, part.repeat(length));
      assert.equal(doc.toString(), part.repeat(length), `${part} × ${length}`);
    }
  }
});
