// The simulated server in real time, for tests of what runs by the real clock: what takes a second there takes ten
// milliseconds here.

import { Network } from "./network.js";
import { Server } from "./server.js";
import { World } from "./world.js";

const FASTER = 100;

class LiveWorld extends World {
  override after(ms: number, run: () => void): ReturnType<World["after"]> {
    setTimeout(() => {
      this.now += ms;
      run();
    }, ms / FASTER);
    return { at: 0, order: 0, run };
  }
}

export class LiveRoom {
  readonly world: World = new LiveWorld(5);
  readonly server: Server;
  readonly network: Network;
  /** How many connections were made. */
  connections = 0;
  readonly WebSocket;

  constructor() {
    const { world } = this;
    this.server = new Server(world);
    this.network = new Network(world, this.server);
    const room = this;
    this.WebSocket = class extends this.network.socketOf({ dead: false, offline: false }) {
      constructor(url: string, protocols?: string[]) {
        super(url, protocols);
        room.connections += 1;
      }
    };
  }
}
