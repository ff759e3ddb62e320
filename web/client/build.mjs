// Builds `dist`: module by module, with short names for the properties that only this package uses, the same in all of
// it. The declarations are `tsc`'s.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";

/** None of these may be a name of the API, of the wire, of what is stored, or of the platform: test/dist.test.ts plays a
 * session with what comes out. One that is missing here only costs bytes. */
const INTERNAL = `
  abandonStore admit advance agents append base blocked bury byName chain chars check child closed connected
  connection copy core count dead deadline deleteIds depth disconnected doubtful drained eachNode eachPiece env failed
  first flush foreign frames free heir hold hurry idOf inFlight index insertAfter isDelete keepOnly
  keeper keeps kept lane lanes last load locate lost lostAt lowDepth lowGap lv lvOf lvs mergeStored moves newAgent no
  node nodes note off own parent pause pending place prefix prev prune quietAt rangeOf ranges rebase rebuild
  received recent refSeq release rename renew replaced rest run runAt seek sendAt settled showings shown siblings socket
  stored sum sync syncAt take takeBatch takeOver tell tellChanges tick tree tries turns units updates varint visit
  waiting answers applyAll asWhole beginAnew calm chainEnd deadAt durable heardAt isAwaited isOfLog keepUnsent known
  loadAll loaded logKept mark markAt movedTo patience putAside record replay restart restore resumeStore savedKept
  syncedAt telling unsaved visible woke adopt takeIn early`;

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

const options = {
  format: "esm",
  target: "es2022",
  mangleProps: new RegExp(`^(${INTERNAL.trim().split(/\s+/).join("|")})$`),
};

/** Writes the code to a folder, module by module: what an application does not use, its bundler leaves out. */
export async function build(outdir) {
  // What is used most in all of it gets the shortest names.
  const entry = { entryPoints: [at("src/index.ts")], bundle: true, minify: true, write: false };
  const { mangleCache } = await esbuild.build({ ...options, ...entry, mangleCache: {} });
  await esbuild.build({ ...options, entryPoints: [at("src/**/*.ts")], outdir, sourcemap: true, mangleCache });
}

if (process.argv[1] === at("build.mjs")) {
  rmSync(at("dist"), { recursive: true, force: true });
  await build(at("dist"));
}
