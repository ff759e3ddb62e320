// A real local stack: the `inklog dev` process, with the built editor.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const BINARY = process.env["INKLOG_BIN"] ?? here("../../../target/debug/inklog");
/** The folder of the built editor. */
export const EDITOR = here("../../editor/dist");

/** What `inklog dev` is told besides. */
interface Settings {
  /** Default: {@link EDITOR}. */
  editor?: string;
  /** Default: one that is free. */
  port?: number;
  /** Further arguments. */
  args?: readonly string[];
}

export class Stack {
  private constructor(
    private _process: ChildProcess,
    /** `http://127.0.0.1:…` */
    readonly url: string,
    private readonly _data: string,
    private readonly _settings: Settings,
    /** What its processes wrote to stderr. */
    readonly said: string[],
  ) {}

  static async start(settings: Settings = {}): Promise<Stack> {
    if (!existsSync(BINARY)) throw new Error(`no ${BINARY}: cargo build -p inklog-cli, or name the binary in INKLOG_BIN`);
    if (!existsSync(EDITOR)) throw new Error(`no ${EDITOR}: npm --prefix web run build`);
    const data = mkdtempSync(join(tmpdir(), "inklog-e2e-"));
    const said: string[] = [];
    const [process, url] = await run(data, String(settings.port ?? 0), settings, said);
    return new Stack(process, url, data, settings, said);
  }

  /** Runs a command of `inklog` on the stack. */
  async command(...args: string[]): Promise<void> {
    await promisify(execFile)(BINARY, [...args, "--url", this.url]);
  }

  /** As if the machine's power went: SIGKILL. */
  async kill(): Promise<void> {
    const ended = once(this._process, "exit");
    this._process.kill("SIGKILL");
    await ended;
  }

  /** Starts again on the same data and the same port. */
  async restart(): Promise<void> {
    [this._process] = await run(this._data, new URL(this.url).port, this._settings, this.said);
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

async function run(data: string, port: string, { editor = EDITOR, args = [] }: Settings, said: string[]): Promise<[ChildProcess, string]> {
  const child = spawn(BINARY, ["dev", "--data", data, "--port", port, "--editor", editor, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  child.stderr!.on("data", (chunk) => said.push(String(chunk)));
  for await (const line of createInterface(child.stdout!)) {
    const url = /^ready:.*?(http:\/\/[^\s/]+)/.exec(line)?.[1];
    if (url) return [child, url];
  }
  throw new Error(`inklog dev ended before it was ready:\n${said.join("")}`);
}
