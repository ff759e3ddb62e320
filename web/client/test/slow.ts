// A slow line: a TCP proxy that lets through so many bytes a second from the server to the client.

import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { once } from "node:events";

export interface SlowLine {
  /** `ws://host:port/stage` */
  url: string;
  close(): void;
}

const TICK_MS = 50;

export async function slowLine(to: string, bytesPerSecond: number): Promise<SlowLine> {
  const { hostname, port, pathname } = new URL(to);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    upstream.pause();
    const timer = setInterval(() => {
      let room = (bytesPerSecond * TICK_MS) / 1000;
      while (room > 0) {
        const size = Math.min(room, upstream.readableLength || room);
        const bytes: Buffer | null = upstream.read(size) ?? upstream.read();
        if (!bytes) break;
        room -= bytes.length;
        client.write(bytes);
      }
    }, TICK_MS);
    client.on("close", () => clearInterval(timer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
