// What a document says of itself, as state of a component: read, not only heard.
import "./dom.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { act } from "react";
import { renderToString } from "react-dom/server";
import { openDocument, type DocumentEvents, type Fork, type InklogDocument } from "@inklog/client";
import { useConnectionStatus, useDocument, useForks, useGap, usePresence, useProblem, useSaveStatus, useStorage, useText } from "../src/index.js";
import { LiveRoom as Room } from "../../client/test/sim/live.js";
import { Device } from "../../client/test/sim/device.js";
import { optionsOf, rendered, until } from "./render.js";

function Says({ doc }: { doc: InklogDocument | null }) {
  const { kind, reason } = useStorage(doc);
  const problem = useProblem(doc);
  const forks = useForks(doc);
  const gap = useGap(doc);
  return <p>{JSON.stringify({ kind, reason, problem: problem?.code ?? null, forks: forks.map(({ text }) => text), gap })}</p>;
}

const said = (host: HTMLElement) => JSON.parse(host.textContent!);

/** A document of which only the state matters. */
class Stated {
  readonly ready = Promise.resolve();
  storage: InklogDocument["storage"] = { kind: "opening", reason: null };
  problem: InklogDocument["problem"] = null;
  forks: readonly Fork[] = [];
  gap = false;
  private readonly _listeners = new Set<[name: string, tell: () => void]>();

  on(name: keyof DocumentEvents, tell: () => void): () => void {
    const entry = [name, tell] as [string, () => void];
    this._listeners.add(entry);
    return () => void this._listeners.delete(entry);
  }

  change(state: Partial<Pick<Stated, "storage" | "problem" | "forks" | "gap">>, event: keyof DocumentEvents): void {
    Object.assign(this, state);
    for (const [name, tell] of this._listeners) if (name === event) tell();
  }
}

test("what was so before a component came, and what changes after, both show", async () => {
  const stated = new Stated();
  const doc = stated as unknown as InklogDocument;
  stated.change({ storage: { kind: "memory", reason: "this device keeps nothing" } }, "storage");
  stated.change({ problem: { code: "token", message: "the token callback failed", retry: true } }, "problem");
  stated.change({ forks: [{ id: "1", text: "forgotten", at: 0 }] }, "forked");
  stated.change({ gap: true }, "gap");
  const { host, show, unmount } = await rendered(<Says doc={doc} />);
  assert.deepEqual(said(host), { kind: "memory", reason: "this device keeps nothing", problem: "token", forks: ["forgotten"], gap: true });
  await act(async () => stated.change({ storage: { kind: "device", reason: null } }, "storage"));
  await act(async () => stated.change({ problem: null }, "problem"));
  await act(async () => stated.change({ forks: [] }, "forked"));
  await act(async () => stated.change({ gap: false }, "gap"));
  const calm = { kind: "device", reason: null, problem: null, forks: [], gap: false };
  assert.deepEqual(said(host), calm);
  await show(<Says doc={null} />);
  assert.deepEqual(said(host), { ...calm, kind: "opening" });
  await unmount();
});

test("a document says where it keeps what is typed, and what keeps it from the server", async () => {
  const room = new Room();
  const tab = { dead: false, offline: true };
  let isTokenThere = false;
  const token = () => {
    if (!isTokenThere) throw new Error("nobody is signed in");
    return "fresh";
  };
  const doc = openDocument({ ...optionsOf(room), storage: new Device(room.network.world).storage(tab), WebSocket: room.network.socketOf(tab), token });
  const { host, unmount } = await rendered(<Says doc={doc} />);
  await until("kept", () => said(host).kind === "device");
  await until("no token", () => said(host).problem === "token");
  isTokenThere = true;
  await until("unreachable", () => said(host).problem === "unreachable");
  tab.offline = false;
  await until("online", () => doc.status === "online");
  assert.deepEqual(said(host), { kind: "device", reason: null, problem: null, forks: [], gap: false });
  await doc.close();
  await until("closed", () => doc.status === "closed");
  assert.equal(said(host).problem, null);
  await unmount();

  const memory = openDocument(optionsOf(room));
  const other = await rendered(<Says doc={memory} />);
  await until("in memory", () => said(other.host).kind === "memory" && said(other.host).reason);
  await other.unmount();
  await memory.close();
});

test("on a server nothing is opened, and every hook has something to show", () => {
  const room = new Room();
  function All() {
    const doc = useDocument(optionsOf(room));
    const { allSaved } = useSaveStatus(doc);
    return <main><Says doc={doc} />{[useText(doc), useConnectionStatus(doc), usePresence(doc).size, allSaved].join("|")}</main>;
  }
  const html = renderToString(<All />);
  assert.match(html, /opening.*\|connecting\|0\|true/);
  assert.equal(room.connections, 0);
});
