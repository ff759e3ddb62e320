// The packages as they are published: packed, unpacked beside an application, and used there. Needs their `dist`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";

const WEB = resolve(import.meta.dirname, "..");
const PACKAGES = ["client", "codemirror", "react"];
/** In here what the packages need is found: React, CodeMirror, TypeScript. */
let application;
/** By package: where it is installed, its files, and its `package.json`. */
const installed = {};

before(() => {
  application = mkdtempSync(join(WEB, "scripts/application-"));
  for (const name of PACKAGES) {
    const folder = join(application, "node_modules/@inklog", name);
    mkdirSync(folder, { recursive: true });
    const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", application];
    const [{ filename }] = JSON.parse(execFileSync("npm", pack, { cwd: join(WEB, name), encoding: "utf8" }));
    execFileSync("tar", ["-xzf", join(application, filename.replace("@", "").replace("/", "-")), "-C", folder, "--strip-components=1"]);
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1));
    installed[name] = { folder, files, json: JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) };
  }
});
after(() => rmSync(application, { recursive: true, force: true }));

const read = (name, file) => readFileSync(join(installed[name].folder, file), "utf8");
const filesOf = (name, end) => installed[name].files.filter((file) => file.endsWith(end));

for (const name of PACKAGES) {
  test(`${name}: a tarball has its license, its README, and what was built of each module, and no more`, () => {
    const modules = readdirSync(join(WEB, name, "src"), { recursive: true })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => file.slice(0, -".ts".length));
    const built = modules.flatMap((module) => [".d.ts", ".js", ".js.map"].map((end) => `dist/${module}${end}`));
    assert.deepEqual(installed[name].files.sort(), ["LICENSE", "README.md", "package.json", ...built].sort());
    assert.equal(read(name, "LICENSE"), readFileSync(join(WEB, "../LICENSE"), "utf8"));
  });

  test(`${name}: no link of the README leaves the package`, () => {
    const readme = read(name, "README.md");
    const headings = [...readme.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => "#" + heading.toLowerCase().replace(/[^\w\s-]/g, "").replace(/\s/g, "-"));
    const links = [...readme.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)|(?:href|src)="([^"]+)"/gm)].map((found) => found[1] ?? found[2] ?? found[3]);
    for (const link of links) {
      if (link.startsWith("https://")) continue;
      assert.ok(link.startsWith("#") ? headings.includes(link) : installed[name].files.includes(link.replace(/^\.\/|#.*$/g, "")), link);
    }
  });

  test(`${name}: every source map brings its sources`, () => {
    for (const file of filesOf(name, ".js")) {
      const [, map] = /\/\/# sourceMappingURL=(\S+)\s*$/.exec(read(name, file)) ?? [];
      assert.ok(map, file);
      const { sources, sourcesContent, mappings } = JSON.parse(read(name, join(file, "..", map)));
      // A module of types alone has no code that could be mapped.
      assert.equal(sources.length, mappings ? 1 : 0, file);
      const real = sources.map((source) => readFileSync(resolve(WEB, name, file, "..", source), "utf8"));
      assert.deepEqual(sourcesContent, real, file);
    }
  });

  test(`${name}: says what it is to whoever resolves it`, () => {
    const { json, files } = installed[name];
    assert.equal(json.type, "module");
    assert.equal(json.license, "Apache-2.0");
    assert.equal(json.engines.node, ">=20.19");
    for (const [entry, conditions] of Object.entries(json.exports)) {
      // `types` before what it describes; `default`, and no `import`, so that `require` finds it, too.
      assert.deepEqual(Object.keys(conditions), ["@inklog/source", "types", "default"], entry);
      for (const condition of ["types", "default"]) assert.ok(files.includes(conditions[condition].slice(2)), conditions[condition]);
    }
  });
}

test("react: whoever imports it from a server component imports client components", () => {
  for (const file of filesOf("react", ".js")) {
    const code = read("react", file);
    const isClient = code.startsWith('"use client";');
    assert.equal(isClient, file === "dist/index.js" || / from "react"/.test(code), file);
  }
});

/** Every entry of every package. */
const entries = () => PACKAGES.flatMap((name) => Object.keys(installed[name].json.exports).map((entry) => `@inklog/${name}${entry.slice(1)}`));

test("an application finds every entry, with import and with require", () => {
  const say = "console.log(Object.keys(all).join());";
  const run = (file, code) => {
    writeFileSync(join(application, file), code);
    return execFileSync(process.execPath, [file], { cwd: application, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  };
  for (const entry of entries()) {
    const imported = run("main.mjs", `import * as all from ${JSON.stringify(entry)};${say}`);
    const required = run("main.cjs", `const all = require(${JSON.stringify(entry)});${say}`);
    assert.match(imported, /\w/, entry);
    assert.deepEqual(required.trim().split(",").filter((name) => !/^(__esModule|module\.exports|default)$/.test(name)), imported.trim().split(","), entry);
  }
});

test("an application's TypeScript finds the types of every entry", () => {
  const imports = (how) => entries().map((entry, i) => how(`all${i}`, JSON.stringify(entry))).join("\n");
  const used = entries().map((_, i) => `all${i}`).join(", ");
  const esm = `${imports((name, entry) => `import * as ${name} from ${entry};`)}\nexport const all = [${used}];\n${USE}`;
  writeFileSync(join(application, "main.mts"), esm);
  writeFileSync(join(application, "main.ts"), esm);
  writeFileSync(join(application, "main.cts"), `${imports((name, entry) => `import ${name} = require(${entry});`)}\nexport const all = [${used}];\n`);
  const tsc = join(WEB, "node_modules/typescript/bin/tsc");
  const check = (...options) => {
    try {
      execFileSync(process.execPath, [tsc, "--ignoreConfig", "--noEmit", "--strict", "--target", "es2022", "--lib", "es2024,dom,dom.iterable", "--types", "react", ...options], { cwd: application, encoding: "utf8" });
    } catch (error) {
      assert.fail(error.stdout);
    }
  };
  check("--module", "node16", "main.mts");
  check("--module", "nodenext", "main.mts", "main.cts");
  check("--module", "esnext", "--moduleResolution", "bundler", "main.ts");
});

const USE = `
import { openDocument } from "@inklog/client";
import { presenceOf } from "@inklog/client/presence";
import { usePresence } from "@inklog/react";
interface Me { name: string; cursor: number | null }
export function check(doc: ReturnType<typeof openDocument>, me: Me): string[] {
  presenceOf<Me>(doc).set(me);
  // @ts-expect-error
  presenceOf<Me>(doc).set({ name: "Ada" });
  return [...usePresence<Me>(doc).values()].map(({ state }) => state.name);
}
`;
