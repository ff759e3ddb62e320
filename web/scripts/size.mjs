// The size of the built `@inklog/client` in an application: bundled, minified and gzipped. The limit is on what
// `openDocument` brings: the CRDT, sync, reconnecting and the outbox in IndexedDB. It keeps that from growing.
// What an application imports beside it comes on top, and is shown.
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** In bytes. To be lowered whenever the client gets smaller. */
const LIMIT = 20_400;

const size = async (source) => {
  const result = await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL("../client", import.meta.url)) },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    // Fetched when a text is brought back, not before.
    external: ["./restore.js"],
  });
  return gzipSync(result.outputFiles[0].contents, { level: 9 }).length;
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
