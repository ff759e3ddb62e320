// A document whose server demands a token.
import "./dom.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { act } from "react";
import type { InklogDocument } from "@inklog/client";
import { useAccess, useConnectionStatus, useDocument, useSaveStatus, useText, type DocumentOptions } from "../src/index.js";
import { Gate } from "../../client/test/sim/gate.js";
import { LiveRoom as Room } from "../../client/test/sim/live.js";
import { optionsOf, rendered, until } from "./render.js";

let shown: InklogDocument | null = null;

function Show({ options }: { options: DocumentOptions }) {
  const doc = useDocument(options);
  shown = doc;
  const { blocked } = useSaveStatus(doc);
  return <p>{[useConnectionStatus(doc), useAccess(doc), doc?.readOnly, useText(doc), blocked].join("|")}</p>;
}

function guarded() {
  const room = new Room();
  const gate = (room.server.gate = new Gate(room.world));
  const { user: _, ...options } = optionsOf(room);
  return { room, gate, options: { ...options, token: () => gate.sign("ada") } };
}

test("what the user may do shows, and follows", async () => {
  const { gate, options } = guarded();
  gate.allow("ada", "read");
  const { host, unmount } = await rendered(<Show options={options} />);
  assert.equal(host.textContent, "connecting||true||false");
  await until("it is known", () => host.textContent === "online|read|true||false");
  gate.allow("ada", "write");
  await act(async () => shown!.reconnect());
  await until("it may be written", () => host.textContent === "online|write|false||false");
  await act(async () => shown!.insert(0, "typed"));
  await until("it is saved", () => shown!.save.allSaved && host.textContent === "online|write|false|typed|false");
  await unmount();
});

test("without a token, typing need not wait for the server, and with one it is another document", async () => {
  const { gate, options } = guarded();
  gate.allow("ada", "write");
  const { token, ...plain } = options;
  const { host, show, unmount } = await rendered(<Show options={{ ...plain, user: "ada" }} />);
  assert.equal(shown!.readOnly, false);
  await until("it is refused", () => host.textContent === "refused|none|true||false");
  await show(<Show options={{ ...plain, user: "ada", token }} />);
  await until("it is signed in", () => host.textContent === "online|write|false||false");
  await unmount();
});
