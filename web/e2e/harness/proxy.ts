// A proxy in front of the stack, as companies have them: it can ask for a login, refuse, fail, or say nothing at all.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";

/** Answers instead of the stack; false leaves it to the stack, once it is said. */
export type Instead = (incoming: IncomingMessage, answer: ServerResponse) => boolean | Promise<boolean>;

export const LOGIN = "<!doctype html><title>Login</title><h1>Please log in</h1>";

/** `302` leads to a login page; `login` answers with one right away; `silence` never answers, `gone` breaks off. */
export type Mood = 302 | 401 | 403 | 500 | 502 | 503 | "login" | "silence" | "gone";

export class Proxy {
  url = "";
  /** Headers for every answer of the stack. */
  headers: Record<string, string> = {};
  private _instead: Instead = () => false;
  private readonly _sockets = new Set<Socket>();

  private constructor(
    private readonly _server: Server,
    private readonly _to: URL,
  ) {}

  static async start(to: string): Promise<Proxy> {
    const server = createServer();
    const proxy = new Proxy(server, new URL(to));
    server.on("request", (incoming, answer) => proxy._pass(incoming, answer));
    server.on("upgrade", (incoming, socket: Socket, head) => proxy._upgrade(incoming, socket, head));
    server.on("connection", (socket) => {
      proxy._sockets.add(socket);
      socket.on("close", () => proxy._sockets.delete(socket));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return proxy;
  }

  /** From now on. */
  instead(instead: Instead): void {
    this._instead = instead;
  }

  pass(): void {
    this._instead = () => false;
  }

  /** For everything, save what `login` leads to. */
  mood(mood: Mood): void {
    this._instead = (incoming, answer) => {
      if (mood === "gone") incoming.socket.destroy();
      else if (mood === "silence") return true;
      else if (mood === "login" || incoming.url === "/login") answer.writeHead(200, { "content-type": "text/html" }).end(LOGIN);
      else if (mood === 302) answer.writeHead(302, { location: "/login" }).end();
      else answer.writeHead(mood, { "content-type": "text/html" }).end(`<!doctype html><title>${mood}</title><h1>The proxy says ${mood}</h1>`);
      return true;
    };
  }

  async stop(): Promise<void> {
    this._server.close();
    for (const socket of this._sockets) socket.destroy();
  }

  private async _pass(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    if (await this._instead(incoming, answer)) return;
    const { hostname, port } = this._to;
    const onward = request({ hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers }, (got) => {
      answer.writeHead(got.statusCode!, { ...got.headers, ...this.headers });
      got.pipe(answer);
    });
    onward.on("error", () => answer.destroy());
    incoming.pipe(onward);
  }

  private async _upgrade(incoming: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    socket.on("error", () => socket.destroy());
    const answer = { writeHead: () => answer, end: () => void socket.destroy() } as unknown as ServerResponse;
    if (await this._instead(incoming, answer)) return;
    const onward = connect(Number(this._to.port), this._to.hostname, () => {
      const headers = incoming.rawHeaders.reduce((lines, part, at) => lines + part + (at % 2 ? "\r\n" : ": "), "");
      onward.write(`GET ${incoming.url} HTTP/1.1\r\n${headers}\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    this._sockets.add(onward);
    onward.on("error", () => socket.destroy());
    socket.on("close", () => onward.destroy());
  }
}
