// The applications in examples/, as processes of their own, with a fresh key.
import { type ChildProcess, spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const APPS = {
  node: [process.execPath, here("../../../examples/node/server.mjs")],
  python: ["python3", here("../../../examples/python/server.py")],
} as const;

/** A folder with a `keys.json` of one key for HS256. */
export class Keys {
  readonly folder = mkdtempSync(join(tmpdir(), "inklog-keys-"));
  readonly file = join(this.folder, "keys.json");
  readonly kid = randomBytes(6).toString("hex");
  readonly secret = randomBytes(32);

  constructor() {
    const key = { kty: "oct", alg: "HS256", use: "sig", kid: this.kid, k: this.secret.toString("base64url") };
    writeFileSync(this.file, JSON.stringify({ keys: [key] }));
  }

  /** A token of these claims that ends in so many seconds. */
  sign(claims: object, seconds: number): string {
    const iat = Math.floor(Date.now() / 1000);
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const body = `${part({ alg: "HS256", typ: "JWT", kid: this.kid })}.${part({ ...claims, iat, exp: iat + seconds })}`;
    return `${body}.${createHmac("sha256", this.secret).update(body).digest("base64url")}`;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

export class App {
  private constructor(
    private readonly _process: ChildProcess,
    /** `http://127.0.0.1:…` */
    readonly url: string,
  ) {}

  /** `editor` is where the documents are; tokens live for `seconds`. */
  static async start(kind: keyof typeof APPS, keys: Keys, editor: string, seconds = 3600): Promise<App> {
    const [command, ...args] = APPS[kind];
    const env = { ...process.env, PORT: "0", EDITOR: editor, KEYS: keys.file, TOKEN_SECONDS: String(seconds) };
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const said: string[] = [];
    child.stderr.on("data", (chunk) => said.push(String(chunk)));
    for await (const line of createInterface(child.stdout)) {
      const url = /^ready: (http:\S+)/.exec(line)?.[1];
      if (url) return new App(child, url);
    }
    throw new Error(`the application ended before it was ready:\n${said.join("")}`);
  }

  /** A port that is free at present. */
  static async freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return port;
  }

  /** The settings for the editor, as in examples/config.json. */
  get config(): object {
    return { signIn: `${this.url}/sign-in`, token: `${this.url}/token`, share: `${this.url}/share` };
  }

  stop(): void {
    this._process.kill("SIGKILL");
  }
}
