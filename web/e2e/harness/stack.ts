// A real local stack: the `inklog dev` process, with the built editor.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const BINARY = process.env["INKLOG_BIN"] ?? here("../../../target/debug/inklog");
const EDITOR = here("../../editor/dist");

export class Stack {
  private constructor(
    private _process: ChildProcess,
    /** `http://127.0.0.1:…` */
    readonly url: string,
    private readonly _data: string,
  ) {}

  static async start(): Promise<Stack> {
    if (!existsSync(BINARY)) throw new Error(`no ${BINARY}: cargo build -p inklog-cli, or name the binary in INKLOG_BIN`);
    if (!existsSync(EDITOR)) throw new Error(`no ${EDITOR}: npm --prefix web run build`);
    const data = mkdtempSync(join(tmpdir(), "inklog-e2e-"));
    const [process, url] = await run(data, "0");
    return new Stack(process, url, data);
  }

  /** As if the machine's power went: SIGKILL. */
  async kill(): Promise<void> {
    const ended = once(this._process, "exit");
    this._process.kill("SIGKILL");
    await ended;
  }

  /** Starts again on the same data and the same port. */
  async restart(): Promise<void> {
    [this._process] = await run(this._data, new URL(this.url).port);
  }

  /** Loses all data, as a folder that was put back, or another server at the address: starts again without any. */
  async forget(): Promise<void> {
    await this.kill();
    rmSync(this._data, { recursive: true, force: true });
    await this.restart();
  }

  async stop(): Promise<void> {
    if (this._process.exitCode === null && this._process.signalCode === null) await this.kill();
    rmSync(this._data, { recursive: true, force: true });
  }

  /** A document's text, read from one of the stores. */
  async text(doc: string, from: "live" | "log"): Promise<string> {
    const answer = await fetch(`${this.url}/_inklog/docs/${doc}?from=${from}`);
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { text: string }).text;
  }
}

async function run(data: string, port: string): Promise<[ChildProcess, string]> {
  const child = spawn(BINARY, ["dev", "--data", data, "--port", port, "--editor", EDITOR], { stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  child.stderr!.on("data", (chunk) => said.push(String(chunk)));
  for await (const line of createInterface(child.stdout!)) {
    const url = /^ready:.*?(http:\/\/[^\s/]+)/.exec(line)?.[1];
    if (url) return [child, url];
  }
  throw new Error(`inklog dev ended before it was ready:\n${said.join("")}`);
}
