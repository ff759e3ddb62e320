// Writes each text of the built editor compressed beside it (`.br`, `.gz`), for a server that can hand those out.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const TEXT = /\.(css|html|js|svg|webmanifest)$/;

export function compressed(): Plugin {
  let out = "";
  return {
    name: "inklog-compressed",
    apply: "build",
    configResolved: (config) => void (out = join(config.root, config.build.outDir)),
    closeBundle: {
      // The service worker is written by then.
      order: "post",
      sequential: true,
      handler() {
        for (const name of readdirSync(out, { recursive: true, encoding: "utf8" })) {
          if (!TEXT.test(name)) continue;
          const text = readFileSync(join(out, name));
          writeFileSync(join(out, `${name}.br`), brotliCompressSync(text));
          writeFileSync(join(out, `${name}.gz`), gzipSync(text, { level: 9 }));
        }
      },
    },
  };
}
