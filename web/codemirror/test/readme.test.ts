import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");

test("the README's quick start compiles and runs", () => {
  const [, code] = /```ts\n([\s\S]+?)```/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];
  assert.ok(code, "the README has a quick start");
  const folder = join(root, "test", `quick-start-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(join(folder, "editor.ts"), code);
    writeFileSync(join(folder, "main.ts"), MAIN);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ extends: "../../tsconfig.json", include: ["*.ts"] }));
    execFileSync(process.execPath, [join(root, "../node_modules/typescript/bin/tsc"), "-p", folder], { stdio: "pipe" });
    const run = ["--conditions=@inklog/source", "--import", "tsx", join(folder, "main.ts")];
    const said = execFileSync(process.execPath, run, { cwd: root, encoding: "utf8", timeout: 60_000 });
    assert.match(said, /^From the other side\. Typed here\.$/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Somebody else's text shows in it, and what is typed in it reaches them. */
const MAIN = `
import "../dom.js";
import { openDocument } from "@inklog/client";
import { LiveRoom } from "../../../client/test/sim/live.js";

const room = new LiveRoom();
globalThis.WebSocket = room.WebSocket as never;
const other = openDocument({ url: "ws://127.0.0.1:8080/dev", docId: "minutes", storage: null });
await other.synced;
other.insert(0, "From the other side.");
const { doc, editor } = await import("./editor.js");
await doc.synced;
const timer = setInterval(() => {
  if (editor.state.doc.toString() !== "From the other side.") return;
  clearInterval(timer);
  other.on("change", () => {
    console.log(other.text);
    process.exit(0);
  });
  editor.dispatch({ changes: { from: 20, insert: " Typed here." } });
}, 5);
`;
