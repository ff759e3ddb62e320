// The client's simulated server, in real time: what takes a second there takes ten milliseconds here.
import { Network } from "../../client/test/sim/network.js";
import { Server } from "../../client/test/sim/server.js";
import { World } from "../../client/test/sim/world.js";

const FASTER = 100;

class LiveWorld extends World {
  override after(ms: number, run: () => void): ReturnType<World["after"]> {
    setTimeout(() => {
      this.now += ms;
      run();
    }, ms / FASTER);
    return { at: 0, no: 0, run };
  }
}

export class Room {
  readonly server: Server;
  readonly network: Network;
  readonly tab = { dead: false, offline: false };
  connections = 0;
  readonly WebSocket;

  constructor() {
    const world = new LiveWorld(5);
    this.server = new Server(world);
    this.network = new Network(world, this.server);
    const room = this;
    this.WebSocket = class extends this.network.socketOf(this.tab) {
      constructor(url: string) {
        super(url);
        room.connections += 1;
      }
    };
  }
}
