// The wire between tabs and the server: every message takes its own time, so that two may overtake each other; some
// get lost, some come twice, and a connection may end at any moment, on one side first.

import type { Env } from "../../src/link.js";
import type { WebSocketConstructor, WebSocketLike } from "../../src/index.js";
import type { Tab } from "./device.js";
import type { Identity } from "./gate.js";
import type { Peer, Server } from "./server.js";
import type { World } from "./world.js";

export interface Weather {
  /** A message takes up to this long, in ms. */
  delay: number;
  lost: number;
  twice: number;
  /** Share of upgrades that are refused. */
  refused: number;
}

export class Network {
  weather: Weather = { delay: 50, lost: 0, twice: 0, refused: 0 };
  /** How many connections were begun. */
  attempts = 0;
  private readonly sockets = new Set<Socket>();
  /** The tabs see what a browser's see of an upgrade that was refused: nothing. */
  isBrowser = false;

  constructor(
    readonly world: World,
    readonly server: Server,
  ) {}

  /** The `WebSocket` of one tab. */
  socketOf(tab: Tab & { offline: boolean }): WebSocketConstructor {
    const network = this;
    return class extends Socket {
      constructor(_url: string, protocols?: string[]) {
        super(network, tab, ++network.attempts, protocols);
        network.sockets.add(this);
      }
    };
  }

  /** Carries something over. */
  carry(deliver: () => void): void {
    const { world, weather } = this;
    if (world.random.chance(weather.lost)) return;
    world.after(1 + world.random.below(weather.delay), deliver);
    if (world.random.chance(weather.twice)) world.after(1 + world.random.below(3 * weather.delay), deliver);
  }

  /** Ends the connections of a tab, or all. */
  cut(tab?: Tab): void {
    for (const socket of this.sockets) if (!tab || socket.tab === tab) socket.end();
  }

  /** Ends the connections of a user. */
  expel(user: string): void {
    for (const socket of this.sockets) if (socket.identity?.user === user) socket.end();
  }

  drop(socket: Socket): void {
    this.sockets.delete(socket);
  }
}

class Socket implements WebSocketLike, Peer {
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: any) => void) | null = null;
  onclose: ((event: any) => void) | null = null;
  onerror: ((event: any) => void) | null = null;
  identity: Identity | null = null;
  isReader = false;
  private state: "opening" | "open" | "ended" = "opening";

  constructor(
    private readonly network: Network,
    readonly tab: Tab & { offline: boolean },
    readonly id: number,
    protocols: string[] | undefined,
  ) {
    const { world, weather } = network;
    world.after(1 + world.random.below(weather.delay), () => {
      if (this.state !== "opening" || tab.dead) return;
      if (tab.offline) return this.end();
      const { gate } = network.server;
      this.identity = gate?.admit(protocols) ?? null;
      if ((gate && !this.identity) || world.random.chance(weather.refused)) {
        // A browser does not say why.
        this.onerror?.(network.isBrowser ? {} : { message: "Unexpected server response: 401" });
        return this.end();
      }
      this.state = "open";
      this.onopen?.({});
    });
  }

  send(data: string): void {
    if (this.state === "opening") throw new Error("the socket is not open");
    const { server } = this.network;
    const { lives } = server;
    // What was on its way to a server that was put back is gone.
    const arrive = () => void (server.lives === lives && server.receive(this, data));
    if (this.state === "open" && !this.tab.offline) this.network.carry(arrive);
  }

  push(frame: object): void {
    const data = JSON.stringify(frame);
    this.network.carry(() => {
      if (this.state === "open" && !this.tab.dead && !this.tab.offline) this.onmessage?.({ data });
    });
  }

  close(): void {
    this.end();
  }

  end(): void {
    if (this.state === "ended") return;
    this.state = "ended";
    this.network.drop(this);
    const { world, server } = this.network;
    // $disconnect is best effort.
    if (world.random.chance(0.8)) world.after(world.random.below(2_000), () => server.leave(this));
    world.after(0, () => void (this.tab.dead || this.onclose?.({ code: 1006 })));
  }
}

/** The surroundings of one tab; dead, it hears of nothing any more. `fetch` finds the server where the tab is online. */
export function envOf(world: World, tab: Tab & { offline?: boolean }, page?: EventTarget): Env {
  return {
    performance: { now: () => world.now },
    Date: { now: () => world.now },
    Math: { random: world.random.next },
    setTimeout: (run, ms) => world.after(ms, () => void (tab.dead || run())),
    clearTimeout: (timer) => {
      if (timer) timer.dead = true;
    },
    addEventListener: page?.addEventListener.bind(page),
    fetch: () =>
      new Promise((resolve, reject) => {
        world.after(10, () => void (tab.dead || (tab.offline ? reject(new TypeError("Failed to fetch")) : resolve({}))));
      }),
    removeEventListener: page?.removeEventListener.bind(page),
  };
}
