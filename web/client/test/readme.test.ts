// The README's examples; test/stack.test.ts runs the first.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");

test("the README's examples compile", () => {
  const examples = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!);
  assert.ok(examples.length >= 5);
  const folder = join(root, "test", `examples-${process.pid}`);
  mkdirSync(folder);
  try {
    examples.forEach((code, i) => {
      const given = /\bconst doc\b/.test(code) ? "" : 'import type { InklogDocument } from "@inklog/client";\ndeclare const doc: InklogDocument;\n';
      writeFileSync(join(folder, `example-${i}.ts`), given + code);
    });
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ extends: "../../tsconfig.json", include: ["*.ts"] }));
    execFileSync(process.execPath, [resolve(root, "../node_modules/typescript/bin/tsc"), "-p", folder], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    assert.fail((error as { stdout?: string }).stdout || String(error));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
