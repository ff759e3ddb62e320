// The simulated server as the stories know one.

import { TextDoc, type WireEvent } from "../../src/crdt/index.js";
import { bytesOf } from "../../src/sync/answer.js";
import { Server, type Peer } from "../sim/server.js";
import { World } from "../sim/world.js";
import type { Frame } from "./story.js";

/** A part's limit, in bytes of JSON, and a message's: what a client must be able to take. */
const MESSAGE_BYTES_MAX = 128 * 1024;

class Connection implements Peer {
  readonly came: Frame[] = [];
  constructor(readonly id: number) {}

  push(frame: object): void {
    const text = JSON.stringify(frame);
    if (Buffer.byteLength(text) > MESSAGE_BYTES_MAX) throw new Error("the server sends a message that is too large");
    this.came.push(JSON.parse(text));
  }
}

export class Room {
  readonly #world = new World(1);
  readonly #server = new Server(this.#world);
  readonly #connections = new Map<string, Connection>();

  async send(name: string, text: string): Promise<void> {
    this.#server.receive(this.#connection(name), text);
    await this.#settle();
  }

  async close(name: string): Promise<void> {
    this.#server.leave(this.#connection(name));
    this.#connections.delete(name);
    await this.#settle();
  }

  /** What has come to each connection since the last call, with answers in parts put together. */
  came(): Record<string, Frame[]> {
    const came = [...this.#connections].map(([name, { came }]) => [name, united(came.splice(0))] as const);
    return Object.fromEntries(came.filter(([, frames]) => frames.length));
  }

  #connection(name: string): Connection {
    let found = this.#connections.get(name);
    if (!found) this.#connections.set(name, (found = new Connection(this.#connections.size)));
    return found;
  }

  async #settle(): Promise<void> {
    while (await this.#world.step());
  }
}

/** Frames with each answer whole, and with broadcasts as one. */
function united(frames: Frame[]): Frame[] {
  const whole: Frame[] = [];
  const events: WireEvent[] = [];
  const parts: Frame[] = [];
  for (const frame of frames) {
    if (frame.action === "REMOTE_OP") events.push(...frame.events);
    else if (frame.parts === undefined) whole.push(frame);
    else if (parts.push(frame) === frame.parts) whole.push(answerOf(parts.splice(0)));
  }
  if (parts.length) throw new Error(`${parts.length} parts of ${parts[0]!.parts} came`);
  if (events.length) whole.push({ action: "REMOTE_OP", docId: frames.find(({ action }) => action === "REMOTE_OP")!.docId, events });
  return whole;
}

function answerOf(parts: Frame[]): Frame {
  const [first, last] = [parts[0]!, parts.at(-1)!];
  parts.forEach((part, i) => {
    const isSound = part.part === i + 1 && part.protocol === 1 && typeof part.log === "string" && part.log === first.log;
    const isSame = part.action === first.action && part.ref === first.ref && part.stateId === first.stateId;
    if (!isSound || !isSame) throw new Error(`not a part of one answer: ${JSON.stringify(part)}`);
  });
  const { action, docId, ref } = first;
  const { cursor, missing = null, access, user = null } = last;
  const events: WireEvent[] = parts.flatMap(({ events = [] }) => events);
  const answer = { action, docId, ref, cursor, missing, access, user };
  if (action === "OP_REPLAY") return { ...answer, events };
  const doc = TextDoc.decode(bytesOf(parts.map(({ state = "" }) => state).join("")));
  for (const event of events) doc.apply(event);
  return { ...answer, text: doc.toString(), version: Object.fromEntries(doc.version) };
}
