// What `useDocument` is asked for, and what it makes of it.
import "./dom.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, Suspense, useEffect, useState } from "react";
import { openDocument, type InklogDocument } from "@inklog/client";
import { presenceOf } from "@inklog/client/presence";
import { useConnectionStatus, useDocument, useDocumentError, usePresence, useText, type DocumentOptions } from "../src/index.js";
import { LiveRoom as Room } from "../../client/test/sim/live.js";
import { Device } from "../../client/test/sim/device.js";
import { optionsOf, rendered, until } from "./render.js";

let shown: InklogDocument | null = null;

function Show({ options }: { options: DocumentOptions }) {
  shown = useDocument(options);
  const error = useDocumentError(options);
  const status = useConnectionStatus(shown);
  return <p>{error ? error.message : shown ? `${shown.docId} ${status}` : "none"}</p>;
}

/** What `console.error` is told meanwhile. */
async function complaints(during: () => Promise<void>): Promise<string[]> {
  const said: string[] = [];
  const real = console.error;
  console.error = (...words: unknown[]) => void said.push(words.map(String).join(" "));
  try {
    await during();
  } finally {
    console.error = real;
  }
  return said;
}

test("without a docId nothing is opened, until there is one", async () => {
  const room = new Room();
  const options = optionsOf(room);
  const said = await complaints(async () => {
    const { host, show, unmount } = await rendered(<Show options={{ ...options, docId: undefined }} />);
    assert.equal(host.textContent, "none");
    await show(<Show options={{ ...options, docId: null }} />);
    assert.equal(host.textContent, "none");
    assert.equal(room.connections, 0);
    await show(<Show options={options} />);
    await until("open", () => host.textContent === "d online");
    const doc = shown!;
    await show(<Show options={{ ...options, docId: null }} />);
    assert.equal(host.textContent, "none");
    await until("closed", () => doc.status === "closed");
    assert.equal(room.connections, 1);
    await unmount();
  });
  assert.deepEqual(said, []);
});

test("a docId, url or user that none can have leaves the page standing, says why once, and is over with a good one", async () => {
  for (const [bad, why] of [[{ docId: "bad name" }, /^docId/], [{ docId: "" }, /^docId/], [{ docId: ".." }, /^docId/], [{ url: "" }, /^url/], [{ docId: "x".repeat(129) }, /^docId/], [{ user: "Ada Lovelace" }, /^user/]] as const) {
    const room = new Room();
    const options = optionsOf(room);
    const said = await complaints(async () => {
      const { host, show, unmount } = await rendered(<><h1>Still here: </h1><Show options={{ ...options, ...bad } as DocumentOptions} /></>);
      assert.match(host.querySelector("p")!.textContent!, why);
      assert.equal(host.querySelector("h1")!.textContent, "Still here: ");
      assert.equal(room.connections, 0);
      await show(<><h1>Still here: </h1><Show options={options} /></>);
      await until("open", () => host.querySelector("p")!.textContent === "d online");
      await unmount();
    });
    assert.deepEqual(said.map((line) => /^useDocument opened nothing: (docId|url|user) /.test(line)), [true], String(said));
  }
});

test("options for another document never give the one before, not even for one render", async () => {
  const [here, there] = [new Room(), new Room()];
  const given: [wanted: string, got: string][] = [];
  function Watch({ options }: { options: DocumentOptions & { name: string } }) {
    const doc = useDocument(options);
    if (doc) given.push([options.name, names.get(doc) ?? options.name]);
    if (doc) names.set(doc, names.get(doc) ?? options.name);
    return <p>{useConnectionStatus(doc)}</p>;
  }
  const names = new Map<InklogDocument, string>();
  const [first, second] = [{ ...optionsOf(here), name: "here" }, { ...optionsOf(there), name: "there" }];
  const { host, show, unmount } = await rendered(<Watch options={first} />);
  await until("online", () => host.textContent === "online");
  await show(<Watch options={second} />);
  await until("online there", () => host.textContent === "online" && names.size === 2);
  for (const [wanted, got] of given) assert.equal(got, wanted);
  await unmount();
});

test("who asks first decides on the store and the socket; the token is the latest of whoever is left", async () => {
  const [room, other] = [new Room(), new Room()];
  const asked: string[] = [];
  const options = optionsOf(room);
  const token = (name: string) => () => (asked.push(name), name);
  const { host, show, unmount } = await rendered(
    <><Show key="a" options={{ ...options, token: token("a") }} /><Show key="b" options={{ ...options, WebSocket: other.WebSocket, token: token("b") }} /></>,
  );
  await until("online", () => host.textContent === "d onlined online");
  assert.deepEqual([room.connections, other.connections], [1, 0]);
  // The one who opened it leaves; the other's token changes.
  await show(<><Show key="b" options={{ ...options, token: token("b2") }} /></>);
  asked.length = 0;
  room.network.cut();
  await until("asked again", () => asked.length > 0);
  assert.deepEqual(asked, ["b2"]);
  await unmount();
});

test("a token that comes later than the document is used", async () => {
  const room = new Room();
  const options = optionsOf(room);
  let asked = 0;
  const { host, show, unmount } = await rendered(<Show options={options} />);
  await until("online", () => host.textContent === "d online");
  await show(<Show options={{ ...options, token: () => (asked++, "signed in") }} />);
  room.network.cut();
  await until("asked", () => asked > 0);
  await unmount();
});

test("what is typed offline outlives the component", async () => {
  const room = new Room();
  const tab = { dead: false, offline: true };
  const options = { ...optionsOf(room), storage: new Device(room.network.world).storage(tab), WebSocket: room.network.socketOf(tab) };
  function Text() {
    const doc = (shown = useDocument(options));
    return <p>{useText(doc)}</p>;
  }
  const first = await rendered(<Text />);
  const doc = shown!;
  await act(async () => doc.insert(0, "typed offline"));
  assert.equal(first.host.textContent, "typed offline");
  await first.unmount();
  await until("closed", () => doc.status === "closed");
  assert.deepEqual(room.server.log, []);
  const second = await rendered(<Text />);
  await until("back", () => second.host.textContent === "typed offline");
  assert.notEqual(shown, doc);
  tab.offline = false;
  await until("saved", () => shown!.save.allSaved);
  assert.equal(room.server.whole().toString(), "typed offline");
  await second.unmount();
});

test("an event handler that outlives the document gets an error, and the page goes on", async () => {
  const room = new Room();
  const { host, unmount } = await rendered(<Show options={optionsOf(room)} />);
  await until("online", () => host.textContent === "d online");
  const doc = shown!;
  await unmount();
  await until("closed", () => doc.status === "closed");
  assert.throws(() => doc.insert(0, "too late"), /the document d is closed/);
  assert.equal(doc.text, "");
  const { host: after, unmount: end } = await rendered(<Closed doc={doc} />);
  assert.equal(after.textContent, "closed||0");
  await end();
});

function Closed({ doc }: { doc: InklogDocument }) {
  return <p>{[useConnectionStatus(doc), useText(doc), usePresence(doc).size].join("|")}</p>;
}

test("asking who is here tells nobody in the middle of a render", async () => {
  const room = new Room();
  const [ada, ben] = ["ada", "ben"].map((user) => openDocument({ ...optionsOf(room), user })) as [InklogDocument, InklogDocument];
  presenceOf(ben).set({ name: "Ben" });
  await Promise.all([ada.synced, ben.synced]);
  await until("shown to Ada", () => ada.core.shown.size > 0);
  function Listens() {
    const [size, setSize] = useState(-1);
    useEffect(() => ada.on("presence", ({ size }) => setSize(size)), []);
    return <p>{size}</p>;
  }
  function Asks() {
    return <p>{usePresence<{ name: string }>(ada).values().next().value?.state.name}</p>;
  }
  const said = await complaints(async () => {
    const { host, show, unmount } = await rendered(<Suspense><Listens /></Suspense>);
    await show(<Suspense><Listens /><Asks /></Suspense>);
    await until("told", () => host.textContent === "1Ben");
    await unmount();
  });
  assert.deepEqual(said, []);
  await Promise.all([ada.close(), ben.close()]);
});
