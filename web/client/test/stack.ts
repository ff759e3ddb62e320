// The real local stack, as a process.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const BIN = process.env.INKLOG_BIN ?? resolve(import.meta.dirname, "../../../target/debug/inklog");

export class Stack {
  private constructor(
    private readonly process: ChildProcess,
    /** `ws://host:port/stage` */
    readonly url: string,
  ) {}

  /** Starts `inklog dev`; comes back when it accepts connections. */
  static async start(...args: string[]): Promise<Stack> {
    if (!existsSync(BIN)) throw new Error(`${BIN} is not there: cargo build -p inklog-cli, or say where with INKLOG_BIN`);
    const child = spawn(BIN, ["dev", ...args], { stdio: ["ignore", "pipe", "ignore"] });
    for await (const line of createInterface({ input: child.stdout })) {
      const url = /^ready: .*?(ws:\S+)/.exec(line)?.[1];
      if (url) return new Stack(child, url);
    }
    throw new Error(`inklog dev ended before it was ready (exit code ${child.exitCode})`);
  }

  get port(): string {
    return new URL(this.url).port;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
  }
}
