// Writes the service worker beside the built editor, with the list of what belongs to it.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

/** Kept when it is used, not before: few need it. */
const LATER = /latin-ext.*\.woff2$|\.map$/;

export function serviceWorker(): Plugin {
  let out = "";
  return {
    name: "inklog-service-worker",
    apply: "build",
    configResolved: (config) => void (out = join(config.root, config.build.outDir)),
    closeBundle() {
      const names = readdirSync(out, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(out.length + 1).replaceAll("\\", "/"))
        .filter((name) => name !== "sw.js" && !LATER.test(name))
        .sort();
      const hash = createHash("sha256");
      for (const name of names) hash.update(name).update(readFileSync(join(out, name)));
      const files = names.map((name) => (name === "index.html" ? "/" : `/${name}`));
      const worker = readFileSync(new URL("./sw.js", import.meta.url), "utf8")
        .replace('"%VERSION%"', JSON.stringify(hash.digest("hex").slice(0, 12)))
        .replace('["%FILES%"]', JSON.stringify(files));
      writeFileSync(join(out, "sw.js"), worker);
    },
  };
}
