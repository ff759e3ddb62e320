import "./dom.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { act } from "react";
import { openDocument, type InklogDocument } from "@inklog/client";
import { presenceOf } from "@inklog/client/presence";
import { useConnectionStatus, useDocument, useHistory, usePresence, useSaveStatus, useText, type HistoryEvent } from "../src/index.js";
import { LiveRoom as Room } from "../../client/test/sim/live.js";
import { optionsOf, rendered, until } from "./render.js";

let shown: InklogDocument | null = null;
const renders: string[] = [];

function Show({ options }: { options: ReturnType<typeof optionsOf> }) {
  const doc = useDocument(options);
  shown = doc;
  const text = useText(doc);
  const status = useConnectionStatus(doc);
  const { allSaved, unsent, sent } = useSaveStatus(doc);
  const others = usePresence(doc);
  const line = `${status}|${text}|${allSaved ? "saved" : unsent + sent}|${[...others.values()].map(({ user }) => user).join()}`;
  renders.push(line);
  return <p>{line}</p>;
}

test("a document is opened once under StrictMode, and shows what happens to it", async () => {
  const room = new Room();
  const { host, unmount } = await rendered(<Show options={optionsOf(room)} />);
  assert.equal(host.textContent, "connecting||saved|");
  await until("online", () => host.textContent === "online||saved|");
  assert.equal(room.connections, 1);
  await act(async () => shown!.insert(0, "Hello"));
  await until("saved", () => host.textContent === "online|Hello|saved|");
  assert.ok(renders.includes("online|Hello|5|"), "until then, five characters are not saved");

  const ben = openDocument({ ...optionsOf(room), user: "ben" });
  presenceOf(ben).set({ name: "Ben" });
  await ben.synced;
  ben.insert(5, " there");
  await until("the other and their text show", () => host.textContent === "online|Hello there|saved|ben");
  await ben.close();
  await until("the other has gone", () => host.textContent === "online|Hello there|saved|");

  const doc = shown!;
  await unmount();
  await until("closed", () => doc.status === "closed");
  assert.equal(room.connections, 2);
});

test("text typed just before a remount is not lost", async () => {
  const room = new Room();
  const options = optionsOf(room);
  const { host, show, unmount } = await rendered(<Show key="a" options={options} />);
  await until("online", () => host.textContent === "online||saved|");
  await act(async () => shown!.insert(0, "typed"));
  await show(<Show key="b" options={options} />);
  await until("saved", () => host.textContent === "online|typed|saved|");
  assert.equal(room.server.whole().toString(), "typed");
  assert.equal(room.connections, 1);
  await unmount();
});

test("two components share a document; another docId opens another, and closes the first", async () => {
  const room = new Room();
  const options = optionsOf(room);
  const { host, show, unmount } = await rendered(<><Show options={options} /><Show options={options} /></>);
  await until("online", () => host.textContent === "online||saved|online||saved|");
  assert.equal(room.connections, 1);
  const first = shown!;
  await show(<Show options={{ ...options, docId: "other" }} />);
  await until("the first is closed", () => first.status === "closed");
  assert.equal(shown?.docId, "other");
  await unmount();
});

test("the token is always the latest one", async () => {
  const room = new Room();
  const asked: string[] = [];
  const base = optionsOf(room);
  const token = (name: string) => () => (asked.push(name), name);
  function WithToken({ name }: { name: string }) {
    return <p>{useConnectionStatus(useDocument({ ...base, token: token(name) }))}</p>;
  }
  const { host, show, unmount } = await rendered(<WithToken name="first" />);
  await until("online", () => host.textContent === "online");
  await show(<WithToken name="second" />);
  room.network.cut();
  await until("asked again", () => asked.length > 1);
  assert.deepEqual(asked.slice(0, 2), ["first", "second"]);
  await unmount();
});

const EVENTS: HistoryEvent[] = [
  { agent: "ada", after: 0, at: 1, ops: [{ type: "insert", id: "ada-0", text: "Helo", left: null }] },
  { agent: "ben", after: 0, at: 2, ops: [{ type: "insert", id: "ben-0", text: "l", right: "ada-2" }] },
  { agent: "ada", after: 4, at: 3, ops: [{ type: "delete", id: "ada-4", target: "ada-0" }, { type: "insert", id: "ada-5", text: "J", right: "ada-1" }] },
];

let past: ReturnType<typeof useHistory> | null = null;

function Past({ doc, source }: { doc: InklogDocument; source?: () => Promise<readonly HistoryEvent[] | null> }) {
  past = useHistory(doc, source && { source });
  return <p>{`${past.supported}|${past.events.length}|${past.error?.message ?? ""}`}</p>;
}

test("the history gives the text after any event, and what that changed", async () => {
  const doc = openDocument(optionsOf(new Room()));
  let events: readonly HistoryEvent[] = EVENTS.slice(0, 2);
  const source = async () => events;
  const { host, unmount } = await rendered(<Past doc={doc} source={source} />);
  await until("here", () => host.textContent === "true|2|");
  assert.deepEqual([0, 1, 2].map((n) => past!.at(n).text), ["", "Helo", "Hello"]);
  assert.deepEqual(past!.at(2).changes, [{ at: 2, del: 0, ins: "l" }]);
  events = EVENTS;
  await act(async () => past!.refresh());
  await until("refreshed", () => host.textContent === "true|3|");
  assert.deepEqual([3, 1, 2, 99].map((n) => past!.at(n).text), ["Jello", "Helo", "Hello", "Jello"]);
  await unmount();
  await doc.close();
});

test("a server without a history says so; a failure is told", async () => {
  const doc = openDocument(optionsOf(new Room()));
  const none = async () => null;
  const { host, show, unmount } = await rendered(<Past doc={doc} source={none} />);
  await until("unsupported", () => host.textContent === "false|0|");
  const fails = async () => Promise.reject(new Error("no power"));
  await show(<Past doc={doc} source={fails} />);
  await until("told", () => host.textContent === "undefined|0|no power");
  await unmount();
  await doc.close();
});

test("a history that could not be had offline comes by itself once the server is reached", async () => {
  const room = new Room();
  const tab = { dead: false, offline: true };
  const doc = openDocument({ ...optionsOf(room), WebSocket: room.network.socketOf(tab) });
  let asked = 0;
  const source = async () => {
    asked++;
    if (tab.offline) throw new Error("no network");
    return EVENTS;
  };
  const { host, unmount } = await rendered(<Past doc={doc} source={source} />);
  await until("told", () => host.textContent === "undefined|0|no network" && doc.status === "offline");
  tab.offline = false;
  await until("here", () => host.textContent === "true|3|");
  const before = asked;
  room.network.cut();
  await until("again online", () => doc.status !== "online");
  await until("again online", () => doc.status === "online");
  assert.equal(asked, before, "what is here is not asked for again");
  await unmount();
  await doc.close();
});

test("by default a local stack is asked, and nobody else", async () => {
  const asked: string[] = [];
  const real = globalThis.fetch;
  globalThis.fetch = async (url) => {
    asked.push(String(url));
    return new Response(JSON.stringify(EVENTS), { headers: { "content-type": "application/json" } });
  };
  const doc = openDocument(optionsOf(new Room(), "a.b~c"));
  try {
    const { host, unmount } = await rendered(<Past doc={doc} />);
    await until("here", () => host.textContent === "true|3|");
    // StrictMode asks twice.
    assert.equal(asked[0], "http://127.0.0.1:8080/_inklog/docs/a.b~c/events");
    await unmount();
    const before = asked.length;
    (globalThis as any).location = { origin: "https://inklog.example" };
    const elsewhere = await rendered(<Past doc={doc} />);
    await until("unsupported", () => elsewhere.host.textContent === "false|0|");
    assert.equal(asked.length, before);
    await elsewhere.unmount();
    (globalThis as any).location = { origin: "null" };
    const nowhere = await rendered(<Past doc={doc} />);
    await until("unsupported", () => nowhere.host.textContent === "false|0|");
    await nowhere.unmount();
  } finally {
    globalThis.fetch = real;
    await doc.close();
  }
});
