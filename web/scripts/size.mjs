// The size of the built `@inklog/client` in an application: bundled, minified and gzipped. The limit is on what
// `openDocument` brings: the CRDT, sync, reconnecting and the outbox in IndexedDB. It keeps that from growing. What an
// application imports beside it comes on top, and is shown; what the client itself loads only when it is needed does not
// count.
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** In bytes: what clear code takes now. To be lowered whenever the client gets smaller. */
const LIMIT = 23_700;

const size = async (source) => {
  const result = await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL("../client", import.meta.url)) },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    splitting: true,
    metafile: true,
    outdir: "/",
    absWorkingDir: "/",
    write: false,
  });
  const { outputs } = result.metafile;
  const loaded = new Set(Object.keys(outputs).filter((file) => outputs[file].entryPoint?.endsWith("<stdin>")));
  for (const file of loaded) {
    for (const { kind, path } of outputs[file].imports) if (kind === "import-statement") loaded.add(path);
  }
  const bytesOf = (file) => result.outputFiles.find(({ path }) => path === `/${file}`).contents;
  return [...loaded].reduce((sum, file) => sum + gzipSync(bytesOf(file), { level: 9 }).length, 0);
};

const DOCUMENT = 'export { openDocument } from "@inklog/client";';
const ENTRIES = {
  undo: "undoOf",
  presence: "presenceOf",
  textarea: "bindTextarea",
};
const from = (entry) => `export { ${ENTRIES[entry]} } from "@inklog/client/${entry}";`;

const client = await size(DOCUMENT);
const crdt = await size('export { TextDoc, pushOp } from "@inklog/client/crdt"');
console.log(`@inklog/client: ${client} bytes minified and gzipped (limit ${LIMIT}), ${crdt} of them are the CRDT`);
for (const entry of Object.keys(ENTRIES)) {
  console.log(`@inklog/client/${entry}: ${(await size(DOCUMENT + from(entry))) - client} bytes more`);
}
console.log(`all of it: ${await size(DOCUMENT + Object.keys(ENTRIES).map(from).join(""))} bytes`);
if (client > LIMIT) {
  console.error(`That is ${client - LIMIT} bytes too many: see what grew with \`npx esbuild --bundle --minify --analyze\`.`);
  process.exitCode = 1;
}
