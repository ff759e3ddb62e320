// The connection, by itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { InklogError, WebSocketLike } from "../src/index.js";
import { Link } from "../src/link.js";
import { envOf } from "./sim/network.js";
import { World, settle } from "./sim/world.js";

interface FakeSocket extends WebSocketLike {
  url: string;
}

function link(random = () => 1, token?: () => string) {
  const world = new World(1);
  const sockets: FakeSocket[] = [];
  const problems: (InklogError | null)[] = [];
  class Socket implements FakeSocket {
    onopen = null;
    onmessage = null;
    onclose: ((event: any) => void) | null = null;
    onerror = null;
    constructor(readonly url: string) {
      sockets.push(this);
    }
    send() {}
    close() {
      this.onclose?.({});
    }
  }
  const env = { ...envOf(world, { dead: false }), Math: { random } };
  const options = { url: "ws://x/dev", docId: "d", WebSocket: Socket, ...(token && { token }) };
  const link = new Link(options, env, { connected() {}, received() {}, disconnected() {} }, () => {}, (problem) => void problems.push(problem));
  /** Time goes to what is due. */
  const next = async () => {
    const waited = Math.max(0, link.deadline - world.now);
    world.now += waited;
    link.tick(world.now);
    await settle();
    return waited;
  };
  return { link, sockets, next, world, problems };
}

test("after a loss it connects again, with pauses that double up to 30 s, each with full jitter", async () => {
  const { link: one, sockets, next } = link();
  await next();
  const pauses: number[] = [];
  for (let i = 0; i < 9; i++) {
    sockets.at(-1)!.onclose!({});
    assert.equal(one.status, "offline");
    pauses.push(await next());
  }
  assert.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  const { sockets: others, next: later } = link(() => 0.25);
  await later();
  others.at(-1)!.onclose!({});
  assert.equal(await later(), 125);
});

test("the token is asked for before each connection, also after a refusal", async () => {
  let asked = 0;
  const { link: one, sockets, next } = link(undefined, () => `t/${++asked}`);
  await next();
  assert.equal(sockets[0]!.url, "ws://x/dev?token=t%2F1");
  sockets[0]!.onerror!({ message: "Unexpected server response: 401" });
  sockets[0]!.onclose!({});
  assert.equal(one.status, "refused");
  await next();
  assert.equal(sockets[1]!.url, "ws://x/dev?token=t%2F2");
});

test("a connection is made anew before the gateway's two hours, and an attempt without an answer is given up", async () => {
  const { link: one, sockets, next } = link(() => 0.999);
  await next();
  assert.equal(await next(), 15_000);
  await next();
  sockets.at(-1)!.onopen!({});
  one.status = "online";
  const lifetime = await next();
  assert.ok(lifetime > 100 * 60_000 && lifetime < 118 * 60_000);
  assert.equal(await next(), 0);
  assert.equal(one.status, "connecting");
});

test("the network's coming back is not waited for", async () => {
  const { link: one, sockets, next } = link();
  await next();
  for (let i = 0; i < 6; i++) {
    sockets.at(-1)!.onclose!({});
    await next();
  }
  one.offline();
  assert.equal(one.status, "offline");
  one.again();
  assert.equal(await next(), 0);
});
