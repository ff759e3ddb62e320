// Tabs on one device, and their server.

import assert from "node:assert/strict";
import { InklogDocument, type InklogError, type OpenOptions, type Storage } from "../src/index.js";
import { Device } from "./sim/device.js";
import { Network, envOf } from "./sim/network.js";
import { Server } from "./sim/server.js";
import { World } from "./sim/world.js";

/** A server, a device and its tabs. */
export function room() {
  const world = new World(7);
  const server = new Server(world);
  const network = new Network(world, server);
  const device = new Device(world);
  const open = (options: Partial<OpenOptions> = {}) => {
    const tab = { dead: false, offline: false };
    const page = new EventTarget();
    const storage = device.storage(tab);
    const doc = new InklogDocument({ url: "ws://sim/dev", docId: "d", user: "me", storage, WebSocket: network.socketOf(tab), ...options }, envOf(world, tab, page));
    const errors: InklogError[] = [];
    doc.on("error", (error) => errors.push(error));
    const close = async () => {
      let isClosed = false;
      void doc.close().then(() => (isClosed = true));
      while (!isClosed) await world.runUntil(world.now + 100);
      device.kill(tab);
    };
    return { doc, tab, page, storage, errors, close };
  };
  const until = async (holds: () => boolean, ms = 600_000) => {
    for (const end = world.now + ms; !holds(); ) {
      if (world.now > end) assert.fail(`waited in vain for ${holds}`);
      await world.runUntil(world.now + 50);
    }
  };
  return { world, server, network, device, open, until };
}

/** A store whose calls can be made to fail, or never to end. */
export function moody(storage: Storage) {
  const mood: { read?: "fails" | "hangs" | undefined; write?: "fails" | "hangs" | undefined; lock?: "fails" | "hangs" } = {};
  const call = <T>(how: "fails" | "hangs" | undefined, what: () => Promise<T>): Promise<T> => {
    if (how === "hangs") return new Promise(() => {});
    return how ? Promise.reject(new Error("QuotaExceededError")) : what();
  };
  const it: Storage = {
    read: (prefix) => call(mood.read, () => storage.read(prefix)),
    write: (changes) => call(mood.write, () => storage.write(changes)),
    lock: (name) => call(mood.lock, () => storage.lock(name)),
  };
  return { mood, storage: it };
}
