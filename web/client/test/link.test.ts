// The connection, by itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { InklogError, Token, WebSocketLike } from "../src/index.js";
import { Link } from "../src/link.js";
import { jwt } from "./sim/jwt.js";
import { envOf } from "./sim/network.js";
import { World, settle } from "./sim/world.js";

interface FakeSocket extends WebSocketLike {
  url: string;
  protocols: string[] | undefined;
  isClosed: boolean;
}

interface Given {
  random?: () => number;
  token?: () => Token | Promise<Token>;
  /** What asking the server without a WebSocket comes to. */
  fetch?: (url: string, options: RequestInit) => Promise<unknown>;
  navigator?: { onLine: boolean };
}

function link({ random = () => 1, token, fetch, navigator }: Given = {}) {
  const world = new World(1);
  const sockets: FakeSocket[] = [];
  const problems: (InklogError | null)[] = [];
  const told: string[] = [];
  class Socket implements FakeSocket {
    onopen: FakeSocket["onopen"] = null;
    onmessage: FakeSocket["onmessage"] = null;
    onclose: FakeSocket["onclose"] = null;
    onerror: FakeSocket["onerror"] = null;
    isClosed = false;
    constructor(
      readonly url: string,
      readonly protocols: string[] | undefined = undefined,
    ) {
      sockets.push(this);
    }
    send() {}
    close() {
      if (this.isClosed) return;
      this.isClosed = true;
      this.onclose?.({});
    }
  }
  const env = { ...envOf(world, { dead: false }), Math: { random }, fetch, navigator };
  const options = { url: "ws://x/dev", docId: "d", WebSocket: Socket, ...(token && { token }) };
  const core = {
    connected: () => void told.push("connected"),
    received: (frame: string) => void told.push(frame),
    overheard: (frame: string) => void told.push(`overheard ${frame}`),
    disconnected: () => void told.push("disconnected"),
    turnedAway: (isForbidden: boolean) => void told.push(isForbidden ? "forbidden" : "turned away"),
  };
  const link = new Link(options, env, core, () => {}, (problem) => void problems.push(problem));
  /** Time goes to what is due. */
  const next = async () => {
    const waited = Math.max(0, link.deadline - world.now);
    world.now += waited;
    link.tick(world.now);
    await settle();
    return waited;
  };
  const last = () => sockets.at(-1)!;
  /** The newest socket opens, and the document is synced over it. */
  const works = () => {
    last().onopen!({});
    link.online();
  };
  const open = () => sockets.map(({ isClosed }, i) => (isClosed ? -1 : i)).filter((i) => i >= 0);
  return { link, sockets, last, works, next, open, world, problems, told };
}

/** Closed before it was open, as a browser tells it. */
async function fails(socket: FakeSocket): Promise<void> {
  socket.isClosed = true;
  socket.onerror!({});
  socket.onclose!({ code: 1006 });
  await settle();
}

const codes = (problems: (InklogError | null)[]) => problems.flatMap((problem) => problem?.code ?? []);

test("after a loss it connects again, with pauses that double up to 30 s, each with full jitter", async () => {
  const { link: one, last, next } = link();
  await next();
  const pauses: number[] = [];
  for (let i = 0; i < 9; i++) {
    last().onclose!({});
    assert.equal(one.status, "offline");
    pauses.push(await next());
  }
  assert.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  const { last: lastOf, next: later } = link({ random: () => 0.25 });
  await later();
  lastOf().onclose!({});
  assert.equal(await later(), 125);
});

test("the token travels as a subprotocol, and is asked for before each connection, also after a refusal", async () => {
  let asked = 0;
  const { link: one, sockets, next, problems, told } = link({ token: () => `t.${++asked}` });
  await next();
  assert.deepEqual(sockets[0]!.protocols, ["inklog", "inklog.jwt.t.1"]);
  assert.equal(sockets[0]!.url, "ws://x/dev");
  sockets[0]!.onerror!({ message: "Unexpected server response: 401" });
  sockets[0]!.onclose!({});
  assert.equal(one.status, "refused");
  assert.deepEqual(codes(problems), ["unauthorized"]);
  assert.ok(told.includes("turned away"));
  await next();
  assert.deepEqual(sockets[1]!.protocols, ["inklog", "inklog.jwt.t.2"]);
});

test("without a token, nobody needs one", async () => {
  for (const none of [null, undefined, ""]) {
    const { last, next } = link({ token: () => none });
    await next();
    assert.equal(last().protocols, undefined);
  }
});

test("what cannot be a subprotocol is a problem, and the callback is called again", async () => {
  for (const bad of ["a b", "ä", "a,b", "a/b", "a\n", {} as string]) {
    let asked = 0;
    const { sockets, next, problems } = link({ token: () => (asked++ ? "good" : bad) });
    await next();
    assert.equal(sockets.length, 0, bad);
    assert.match(problems.at(-1)!.message, /^the token callback failed: it must return a JWT, text/);
    assert.deepEqual(codes(problems), ["token"]);
    await next();
    await next();
    assert.deepEqual(sockets[0]?.protocols, ["inklog", "inklog.jwt.good"]);
  }
});

test("a refused client asks ever less often, up to 5 min, and at once when it is told to", async () => {
  const { link: one, last, next, sockets, problems } = link({ token: () => "t" });
  await next();
  const pauses: number[] = [];
  for (let i = 0; i < 12; i++) {
    last().onerror!({ message: "Unexpected server response: 401" });
    last().onclose!({});
    assert.equal(one.status, "refused");
    pauses.push(await next());
  }
  assert.deepEqual(pauses.slice(-4), [128_000, 256_000, 300_000, 300_000]);
  assert.ok(problems.every((problem) => problem!.retry));
  const before = sockets.length;
  last().onclose!({});
  one.renew();
  assert.equal(await next(), 0);
  assert.equal(sockets.length, before + 1);
});

test("a connection is made anew before the gateway's two hours, and an attempt without an answer is given up", async () => {
  const { link: one, works, open, next } = link({ random: () => 0.999 });
  await next();
  assert.equal(await next(), 15_000);
  await next();
  works();
  const lifetime = await next();
  assert.ok(lifetime > 110 * 60_000 && lifetime < 118 * 60_000);
  assert.deepEqual([one.status, open().length], ["online", 2]);
});

test("before its token expires, a connection is replaced by another, which is used once it is open", async () => {
  const { link: one, sockets, works, next, open, world, told } = link({ token: () => jwt({ iat: world.now / 1_000, exp: world.now / 1_000 + 3_600 }) });
  await next();
  works();
  const waited = await next();
  assert.ok(waited >= 42 * 60_000 && waited <= 48 * 60_000, `after ${waited} ms`);
  assert.deepEqual([one.status, open()], ["online", [0, 1]]);
  sockets[0]!.onmessage!({ data: "on the old one" });
  sockets[1]!.onopen!({});
  sockets[0]!.onmessage!({ data: "meanwhile" });
  one.online();
  assert.deepEqual(open(), [0, 1], "it stays until the other has told what was broadcast meanwhile");
  one.online();
  assert.deepEqual(open(), [1]);
  assert.deepEqual(told, ["connected", "on the old one", "connected", "overheard meanwhile"]);
  assert.equal(one.status, "online");
});

test("where the new connection fails, open or not, the old one goes on, and it is tried again ever less often", async () => {
  const { link: one, sockets, works, last, next, open, world, told, problems } = link({ token: () => jwt({ iat: world.now / 1_000, exp: world.now / 1_000 + 3_600 }) });
  await next();
  works();
  await next();
  await fails(last());
  assert.deepEqual([await next(), sockets.length], [500, 3]);
  // Open, but not synced.
  last().onopen!({});
  assert.deepEqual(told, ["connected", "connected"]);
  await fails(last());
  assert.deepEqual(told, ["connected", "connected", "connected"], "the document joins on the old one again");
  assert.deepEqual([await next(), sockets.length], [1_000, 4]);
  // The server does not let it in.
  last().onopen!({});
  one.refused({ code: "unauthorized", message: "no", retry: false });
  assert.deepEqual([one.status, open()], ["online", [0]]);
  assert.equal(await next(), 2_000);
  // It does not answer.
  assert.equal(await next(), 15_000);
  assert.equal(await next(), 4_000);
  assert.deepEqual(codes(problems), []);
  works();
  one.online();
  assert.deepEqual([one.status, open()], ["online", [5]]);
});

test("where the old connection ends first, the one on its way takes its place", async () => {
  const { link: one, sockets, works, last, next, open, world } = link({ token: () => jwt({ iat: world.now / 1_000, exp: world.now / 1_000 + 60 }) });
  await next();
  works();
  await next();
  sockets[0]!.close();
  assert.equal(one.status, "connecting");
  last().onopen!({});
  one.online();
  assert.deepEqual([one.status, open()], ["online", [1]]);
});

test("whom the server does not let in any more connects again at once, once, with a fresh token", async () => {
  const { link: one, sockets, works, next, problems } = link({ token: () => "opaque" });
  const unauthorized = { code: "unauthorized", message: "the token has expired", retry: false };
  await next();
  works();
  one.refused(unauthorized);
  assert.deepEqual([one.status, await next(), sockets.length], ["connecting", 0, 2]);
  works();
  one.refused(unauthorized);
  assert.equal(one.status, "refused");
  assert.deepEqual(problems.at(-1), { ...unauthorized, retry: true });
  assert.ok((await next()) > 0);
});

test("who has no rights under a new token does not go on with the old one", async () => {
  const { link: one, works, last, next, open } = link({ token: () => "opaque" });
  await next();
  works();
  one.renew();
  await settle();
  last().onopen!({});
  one.refused({ code: "forbidden", message: "no access", retry: false });
  assert.deepEqual([one.status, open()], ["refused", []]);
});

test("a browser cannot tell a server that refuses a token from none: whether one answers there is looked at", async () => {
  let answers = true;
  const asked: unknown[] = [];
  const fetch = async (...how: unknown[]) => {
    asked.push(how);
    if (!answers) throw new TypeError("Failed to fetch");
  };
  const { link: one, last, next, problems } = link({ token: () => "t", fetch });
  await next();
  await fails(last());
  assert.equal(one.status, "offline", "one failure is nothing yet");
  assert.deepEqual([problems, asked], [[], []]);
  await next();
  await fails(last());
  assert.equal(one.status, "refused");
  assert.deepEqual(codes(problems), ["unauthorized"]);
  assert.match(problems.at(-1)!.message, /^ws:\/\/x\/dev answers, but does not let you in/);
  assert.equal(problems.at(-1)!.retry, true);
  // A page of another origin may ask like this, and what a cache has says nothing.
  assert.deepEqual(asked, [["http://x/dev", { mode: "no-cors", cache: "no-store", credentials: "omit" }]]);
  answers = false;
  await next();
  await fails(last());
  assert.equal(one.status, "offline");
  assert.equal(problems.at(-1)!.code, "unreachable");
  assert.match(problems.at(-1)!.message, /^cannot reach ws:\/\/x\/dev: /);
});

test("where no token was given, a failure is a failure", async () => {
  const { link: one, last, next } = link({ fetch: async () => {} });
  for (let i = 0; i < 3; i++) {
    await next();
    await fails(last());
  }
  assert.equal(one.status, "offline");
});

test("the network's coming back is not waited for", async () => {
  const { link: one, last, next } = link();
  await next();
  for (let i = 0; i < 6; i++) {
    last().onclose!({});
    await next();
  }
  one.offline();
  assert.equal(one.status, "offline");
  one.again();
  assert.equal(await next(), 0);
});

test("what once worked is told as unreachable after six attempts, what never did after two, and while the system has no network, nothing is", async () => {
  for (const [wasOnline, attempts] of [[true, 6], [false, 2]] as const) {
    const { last, works, next, problems } = link();
    await next();
    if (wasOnline) {
      works();
      last().onclose!({});
      await next();
    }
    let failures = 0;
    do {
      failures++;
      await fails(last());
      await next();
    } while (!codes(problems).length);
    // That it ended is the first.
    assert.equal(failures + Number(wasOnline), attempts);
    assert.deepEqual([problems.at(-1)!.code, problems.at(-1)!.retry], ["unreachable", true]);
  }
  const { last, next, problems } = link({ navigator: { onLine: false } });
  for (let i = 0; i < 10; i++) {
    await next();
    await fails(last());
  }
  assert.deepEqual(problems, []);
});

test("a server that opens connections and ends them can be reached", async () => {
  const { last, next, problems } = link();
  for (let i = 0; i < 10; i++) {
    await next();
    last().onopen!({});
    last().onclose!({});
  }
  assert.deepEqual(problems, []);
});

test("who does not answer is told from a token that does not come", async () => {
  const { next, problems, link: one } = link();
  for (let i = 0; i < 2; i++) {
    await next();
    assert.equal(one.status, "connecting");
    assert.equal(await next(), 15_000);
    assert.equal(one.status, "offline");
  }
  assert.match(problems.at(-1)!.message, /^cannot reach ws:\/\/x\/dev \(no answer\)/);
  let come!: (token: string) => void;
  const late = link({ token: () => new Promise((resolve) => (come = resolve)) });
  await late.next();
  assert.equal(await late.next(), 15_000);
  assert.match(late.problems.at(-1)!.message, /^the token callback takes too long/);
  assert.equal(late.problems.at(-1)!.retry, true);
  // The next attempt asks for one of its own.
  come("t");
  await settle();
  assert.deepEqual(late.sockets, []);
  const errors = [[new Error("no user"), "no user"], ["signed out", "signed out"], [new Error(""), "Error"]] as const;
  for (const [error, words] of errors) {
    const failing = link({ token: () => Promise.reject(error) });
    await failing.next();
    assert.deepEqual(failing.problems, [{ code: "token", message: `the token callback failed: ${words}`, retry: true }]);
  }
});

test("after a connection that worked, pauses are short again", async () => {
  const { last, works, next } = link();
  await next();
  for (let i = 0; i < 6; i++) {
    last().onclose!({});
    await next();
  }
  works();
  last().onclose!({});
  assert.equal(await next(), 500);
});

test("a connection that was replaced is not gone back to once it is over", async () => {
  for (const endsItself of [true, false]) {
    const { link: one, sockets, works, last, next, open, told } = link();
    await next();
    works();
    one.renew();
    await settle();
    last().onopen!({});
    one.online();
    if (endsItself) sockets[0]!.close();
    else one.online();
    assert.deepEqual(open(), [1]);
    sockets[0]!.onmessage!({ data: "late" });
    assert.ok(!told.includes("overheard late"));
    last().close();
    assert.equal(one.status, "offline");
    await next();
    assert.equal(sockets.length, 3);
    works();
    assert.equal(one.status, "online");
  }
});

test("who was never let in is refused at once", async () => {
  const { link: one, last, next, problems } = link({ token: () => "t" });
  await next();
  last().onopen!({});
  one.refused({ code: "unauthorized", message: "no", retry: false });
  assert.equal(one.status, "refused");
  assert.deepEqual(problems, [{ code: "unauthorized", message: "no", retry: true }]);
});

test("what is closed stays closed, with all that was on its way", async () => {
  const { link: one, works, next, open } = link();
  await next();
  works();
  one.renew();
  await settle();
  assert.deepEqual(open(), [0, 1]);
  one.close();
  assert.deepEqual([one.status, open(), one.deadline], ["closed", [], Infinity]);
  one.again();
  one.refused({ code: "forbidden", message: "no", retry: false });
  one.send("nothing");
  assert.deepEqual([one.status, one.deadline], ["closed", Infinity]);
});

test("without a network, no attempt goes on", async () => {
  const { link: one, works, next, open } = link();
  await next();
  works();
  one.renew();
  await settle();
  one.offline();
  assert.deepEqual([one.status, open()], ["offline", []]);
});
