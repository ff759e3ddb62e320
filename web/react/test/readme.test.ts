import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");

test("the README's examples compile, and its quick start runs", () => {
  const [code, ...others] = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/```tsx\n([\s\S]+?)```/g)].map(([, code]) => code);
  assert.ok(code, "the README has a quick start");
  const folder = join(root, "test", `quick-start-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(join(folder, "minutes.tsx"), code);
    others.forEach((code, i) => writeFileSync(join(folder, `example-${i}.tsx`), code!));
    writeFileSync(join(folder, "main.tsx"), MAIN);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ extends: "../../tsconfig.json", include: ["*.tsx"] }));
    const bin = (name: string) => join(root, "../node_modules/.bin", name);
    execFileSync(bin("tsc"), ["-p", folder], { stdio: "pipe" });
    const said = execFileSync(process.execPath, ["--conditions=@inklog/source", "--import", "tsx", join(folder, "main.tsx")], { cwd: root, encoding: "utf8" });
    assert.match(said, /^online, all saved, 0 others here A new line\.$/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** A page with it: its button is pressed, and its words waited for. */
const MAIN = `
import "../dom.js";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { LiveRoom as Room } from "../../../client/test/sim/live.js";
import { Minutes } from "./minutes.js";

globalThis.IS_REACT_ACT_ENVIRONMENT = false;
const room = new Room();
globalThis.WebSocket = room.WebSocket as never;
const host = document.body.appendChild(document.createElement("div"));
createRoot(host).render(<StrictMode><Minutes /></StrictMode>);
let pressed = false;
const timer = setInterval(() => {
  const button = host.querySelector("button");
  if (!pressed && button && !button.disabled && host.textContent!.startsWith("online")) {
    pressed = true;
    button.click();
  }
  if (/all saved.*A new line/s.test(host.textContent!) && !/not all saved/.test(host.textContent!)) {
    clearInterval(timer);
    console.log(host.querySelector("p")!.textContent + " " + host.querySelector("pre")!.textContent!.trim());
    process.exit(0);
  }
}, 5);
declare global { var IS_REACT_ACT_ENVIRONMENT: boolean; }
`;
