// A Hocuspocus server: node hocuspocus.mjs PORT [SQLITE_FILE]
import { Server } from "@hocuspocus/server";

const [port, database] = process.argv.slice(2);
const extensions = [];
if (database) {
  const { SQLite } = await import("@hocuspocus/extension-sqlite");
  extensions.push(new SQLite({ database }));
}
const server = new Server({ port: Number(port), address: "127.0.0.1", extensions, quiet: true, stopOnSignals: true });
await server.listen();
console.log("ready:");
