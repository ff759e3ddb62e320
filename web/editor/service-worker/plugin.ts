// Writes the service worker beside the built editor, with the list of what belongs to it.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

/** Kept when it is used, not before: few need it. */
const LATER = /latin-ext.*\.woff2$|\.map$/;
/** Not part of the application: the page for paths that lead nowhere, and the settings of this one site. */
const NOT_OURS = /^(sw\.js|404\.(html|css)|config\.json)$/;

export function serviceWorker(): Plugin {
  let out = "";
  return {
    name: "inklog-service-worker",
    apply: "build",
    configResolved: (config) => void (out = join(config.root, config.build.outDir)),
    closeBundle: {
      sequential: true,
      handler() {
        const names = readdirSync(out, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name).slice(out.length + 1).replaceAll("\\", "/"))
          .filter((name) => !NOT_OURS.test(name) && !LATER.test(name))
          .sort();
        const hash = createHash("sha256");
        for (const name of names) hash.update(name).update(readFileSync(join(out, name)));
        const files = names.map((name) => (name === "index.html" ? "/" : `/${name}`));
        const entry = /<script type="module"[^>]* src="([^"]+)"/.exec(readFileSync(join(out, "index.html"), "utf8"))?.[1];
        if (!entry) throw new Error("index.html starts no script: the service worker could not tell it from another page");
        const worker = readFileSync(new URL("./sw.js", import.meta.url), "utf8")
          .replace('"%VERSION%"', JSON.stringify(hash.digest("hex").slice(0, 12)))
          .replace('["%FILES%"]', JSON.stringify(files))
          .replace('"%ENTRY%"', JSON.stringify(entry));
        writeFileSync(join(out, "sw.js"), worker);
      },
    },
  };
}
