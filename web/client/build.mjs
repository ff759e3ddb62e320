// Builds `dist`: the code, module by module, so that an application's bundler leaves out what it does not use. The
// declarations are `tsc`'s.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Writes the code to a folder. */
export async function build(outdir) {
  await esbuild.build({ entryPoints: [at("src/**/*.ts")], outdir, format: "esm", target: "es2022", sourcemap: true });
}

if (process.argv[1] === at("build.mjs")) {
  rmSync(at("dist"), { recursive: true, force: true });
  await build(at("dist"));
}
