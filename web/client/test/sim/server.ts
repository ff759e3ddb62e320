// A server that keeps the design's rules: a log with one event per agent and place, live state that follows it late,
// cursors that go stale, broadcasts that get lost, a compaction with floors; and that can fail in the design's ways.

import { TextDoc, type WireEvent, type WireOp } from "../../src/crdt/index.js";
import { opEnd, sameEvent } from "./events.js";
import { agentOf, faultOf, read } from "./faults.js";
import type { Gate, Identity } from "./gate.js";
import type { World } from "./world.js";

export interface Peer {
  id: number;
  /** Whose connection it is, where the server demands a token. */
  identity?: Identity | null;
  /** It was told that it may only read. */
  isReader?: boolean;
  push(frame: object): void;
}

export interface Faults {
  /** Share of requests that are answered with a failure, before or after what they ask for was done. */
  failure: number;
  /** Share of broadcasts that get lost. */
  lostBroadcast: number;
  /** Share of events that are refused for good. */
  poison: number;
}

/** One connection shows so many agents. */
const PRESENCE_AGENTS_MAX = 8;

/** A part holds so many events, in so many bytes. */
const PART_EVENTS_MAX = 20;
const PART_BYTES_MAX = 100_000;

interface Logged extends WireEvent {
  at: number;
  user?: string;
  name?: string;
}

export class Server {
  readonly log: Logged[] = [];
  /** Frames that break the protocol. */
  readonly faulty: string[] = [];
  faults: Faults = { failure: 0, lostBroadcast: 0, poison: 0 };
  private readonly places = new Map<string, Logged>();
  private readonly poisoned = new Map<string, boolean>();
  private readonly floors = new Map<string, number>();
  private readonly registered = new Map<number, Peer>();
  private readonly shown = new Map<string, { peer: number; state: unknown; user?: string; name?: string }>();
  /** Without one, everybody may do everything. */
  gate: Gate | null = null;
  /** Messages that were not answered for lack of a right. */
  refusals = 0;
  private generation = 1;
  /** The log's name. */
  name = "log-1";
  private names = 1;
  /** How often it was put back. */
  lives = 0;
  /** The live state: a base, and the events since; `from` counts those that are not kept any more. */
  private base = new TextDoc();
  private tail: Logged[] = [];
  private from = 0;

  constructor(private readonly world: World) {}

  /** The log's document, as a replica that has everything shows it. */
  whole(): TextDoc {
    const doc = new TextDoc();
    for (const event of this.log) doc.apply(event);
    return doc;
  }

  /** Where an agent's chain ends. */
  endOf(agent: string): number {
    return Math.max(0, ...this.log.filter((event) => event.agent === agent).map(({ ops }) => opEnd(ops.at(-1)!)));
  }

  leave(peer: Peer): void {
    this.registered.delete(peer.id);
    for (const [agent, { peer: id }] of this.shown) {
      if (id !== peer.id) continue;
      this.shown.delete(agent);
      this.tellOthers(peer, { action: "REMOTE_PRESENCE", docId: "d", agent, state: null });
    }
  }

  receive(peer: Peer, text: string): void {
    if (Buffer.byteLength(text) > 32_768) throw new Error("a frame is too large");
    const { random } = this.world;
    const message = read(text);
    const { docId, ref } = message ?? {};
    const fault = faultOf(message);
    if (fault) {
      this.faulty.push(text);
      peer.push({ action: "ERROR", docId, ref, code: fault, message: `refused: ${fault}`, retry: false });
      return;
    }
    const answer = (fields: object) => peer.push({ docId, ref, ...fields });
    // Told that it may only read, a client is not to try.
    if (peer.isReader && message.action === "SEND_OP") this.faulty.push(`without the right to: ${text}`);
    const refusal = this.gate?.refuse(peer.identity ?? null, message);
    if (refusal) {
      this.refusals++;
      const [code, message] = refusal;
      answer({ action: "ERROR", code, message, retry: false });
      return;
    }
    const fail = () => {
      if (random.chance(0.5)) peer.push({ message: "Internal server error", connectionId: "c", requestId: "r" });
      else answer({ action: "ERROR", code: "unavailable", message: "try again", retry: true });
    };
    if (message.action === "PING") return peer.push({ action: "PONG", ref });
    const fails = random.chance(this.faults.failure);
    if (fails && random.chance(0.5)) return fail();
    if (message.action === "SEND_OP") this.sendOp(peer, message.op ? this.chained(message.op) : message, fails ? fail : answer);
    else if (message.action === "PRESENCE") this.presence(peer, message, answer);
    else if (message.action === "LEAVE_DOC") this.leave(peer);
    else if (fails) fail();
    else this.sync(peer, message, answer);
  }

  /** A lone op as an event: what there is already, or what goes on after that. */
  private chained(op: WireOp): WireEvent {
    const agent = agentOf(op.id);
    const there = this.log.find((event) => event.agent === agent && opEnd(event.ops.at(-1)!) >= opEnd(op));
    return { agent, after: there?.after ?? this.endOf(agent), ops: [op] };
  }

  private sendOp(peer: Peer, { agent, after, ops }: any, answer: (fields: object) => void): void {
    const event: Logged = { agent, after, ops, at: this.world.now, ...nameOf(peer) };
    const place = `${agent} ${after}`;
    const there = this.places.get(place);
    const refuse = (code: string) => answer({ action: "ERROR", code, message: `refused: ${code}`, retry: false });
    if (there ? !sameEvent(there, event) : after < (this.floors.get(agent) ?? 0)) return refuse("conflict");
    if (!there) {
      if (!this.poisoned.has(place)) this.poisoned.set(place, this.world.random.chance(this.faults.poison));
      if (this.poisoned.get(place)) return refuse("bad_op");
      this.append(event, peer);
    }
    answer({ action: "OP_ACK", agent, after, end: opEnd(ops.at(-1)) });
  }

  /** Makes an event durable; the rest follows by and by. */
  append(event: Logged, sender?: Peer): void {
    this.places.set(`${event.agent} ${event.after}`, event);
    this.log.push(event);
    const { world } = this;
    world.after(world.random.below(300), () => void (this.log.includes(event) && this.tail.push(event)));
    world.after(world.random.below(300), () => {
      if (!this.log.includes(event)) return;
      for (const peer of this.registered.values()) {
        if (peer === sender || !this.reaches(peer) || world.random.chance(this.faults.lostBroadcast)) continue;
        peer.push({ action: "REMOTE_OP", docId: "d", events: [event] });
      }
    });
  }

  private presence(peer: Peer, { agent, state }: any, answer: (fields: object) => void): void {
    if (!this.registered.has(peer.id)) {
      answer({ action: "ERROR", code: "not_joined", message: "join first", retry: false });
      return;
    }
    const isShown = this.shown.has(agent);
    const ofPeer = [...this.shown.values()].filter(({ peer: id }) => id === peer.id).length;
    if (state && !isShown && ofPeer === PRESENCE_AGENTS_MAX) {
      answer({ action: "ERROR", code: "rate_limited", message: "too many agents", retry: true });
      return;
    }
    if (state) this.shown.set(agent, { peer: peer.id, state, ...nameOf(peer) });
    else if (!this.shown.delete(agent)) return;
    this.tellOthers(peer, { action: "REMOTE_PRESENCE", docId: "d", agent, state, ...nameOf(peer) });
  }

  private tellOthers(but: Peer, frame: object): void {
    for (const peer of this.registered.values()) if (peer.id !== but.id && this.reaches(peer)) peer.push(frame);
  }

  /** A registration ends with its token. */
  private reaches({ identity = null }: Peer): boolean {
    return !this.gate || this.gate.isValid(identity);
  }

  private sync(peer: Peer, { action, cursor, version = {}, confirm }: any, answer: (fields: object) => void): void {
    this.registered.set(peer.id, peer);
    if (action === "JOIN_DOC") {
      for (const [agent, { peer: id, ...shown }] of this.shown) {
        if (id !== peer.id) peer.push({ action: "REMOTE_PRESENCE", docId: "d", agent, ...shown });
      }
    }
    const end = `${this.generation}-${this.from + this.tail.length}`;
    const [generation, offset] = (cursor ?? "0-0").split("-").map(Number);
    const covered = (event: Logged) => event.after < (version[event.agent] ?? 0);
    const isWhole = !cursor && [...this.base.version].every(([agent, end]) => end <= (version[agent] ?? 0));
    let messages: any[];
    if ((generation === this.generation && offset >= this.from) || (isWhole && action === "SYNC_STATE")) {
      const events = this.tail.slice(cursor ? offset - this.from : 0).filter((event) => !covered(event));
      messages = cut(events).map((events) => ({ action: "OP_REPLAY", events }));
    } else {
      const known = this.base.version;
      const events = this.tail.filter((event) => opEnd(event.ops.at(-1)!) > (known.get(event.agent) ?? 0));
      const state = Buffer.from(this.base.encode()).toString("base64");
      const stateId = String(this.world.random.next());
      messages = [
        ...(state.match(/.{1,600}/g) ?? []).map((state) => ({ state })),
        ...cut(events).map((events) => ({ events })),
      ].map((part) => ({ action: "DOC_STATE", stateId, format: "binary", ...part }));
    }
    const missing = confirm ? this.missing(version) : {};
    const { user, right: access = "manage" } = peer.identity ?? {};
    const told = { cursor: end, access, ...(user && { user }), ...missing };
    peer.isReader = access === "read";
    messages.forEach((message, i) => {
      const last = i + 1 === messages.length;
      const { name: log } = this;
      answer({ ...message, log, protocol: 1, part: i + 1, parts: messages.length, ...(last && told) });
    });
  }

  /** Where the log's chains end before what a client names, of the first eight agents that the live state lacks. */
  private missing(version: Record<string, number>): { missing?: Record<string, number> } {
    const live = (agent: string) => Math.max(this.base.version.get(agent) ?? 0, ...this.tail.filter((event) => event.agent === agent).map(({ ops }) => opEnd(ops.at(-1)!)));
    const asked = Object.keys(version).filter((agent) => version[agent]! > live(agent)).slice(0, 8);
    const ends = asked.map((agent) => [agent, this.endOf(agent)] as const).filter(([agent, end]) => end < version[agent]!);
    return ends.length ? { missing: Object.fromEntries(ends) } : {};
  }

  // --- What happens by itself

  /** Folds the tail into the base; keeps the newest `kept` events for cursors. */
  fold(kept: number): void {
    for (const event of this.tail) this.base.apply(event);
    // What still waits stays in the tail.
    if (this.base.waitingCount) {
      const settled = this.base.encode();
      this.base = TextDoc.decode(settled);
      return;
    }
    const gone = Math.max(0, this.tail.length - kept);
    this.tail.splice(0, gone);
    this.from += gone;
  }

  /** The live state is lost, and made again from the log. */
  loseLiveState(): void {
    this.generation++;
    this.base = this.whole();
    if (this.base.waitingCount) this.base = TextDoc.decode(this.base.encode());
    this.tail = this.log.filter((event) => opEnd(event.ops.at(-1)!) > (this.base.version.get(event.agent) ?? 0));
    this.from = 0;
  }

  /** The log is put back to what it was once, under its old name or another. */
  forget(kept: number, isNew: boolean): void {
    this.lives++;
    this.log.splice(kept);
    if (isNew) this.name = `log-${++this.names}`;
    this.places.clear();
    for (const event of this.log) this.places.set(`${event.agent} ${event.after}`, event);
    this.floors.clear();
    this.loseLiveState();
    this.forgetConnections();
  }

  /** Everybody's connection is lost, and with it who was registered. */
  forgetConnections(): void {
    this.registered.clear();
    this.shown.clear();
  }

  /** Events that are old, and that a snapshot holds, leave the log's table. */
  compact(olderThan: number): void {
    const { version } = this.whole();
    for (const [place, event] of this.places) {
      const end = opEnd(event.ops.at(-1)!);
      if (event.at > olderThan || end > (version.get(event.agent) ?? 0)) continue;
      this.places.delete(place);
      this.floors.set(event.agent, Math.max(end, this.floors.get(event.agent) ?? 0));
    }
  }
}

/** Who somebody is, as the server tells others. */
const nameOf = ({ identity }: Peer) => (identity ? { user: identity.user, name: identity.name } : {});

/** Cuts events into parts, of few each, so that there are several soon, and none too large for a message. */
function cut(events: Logged[]): Logged[][] {
  const parts: Logged[][] = [[]];
  let bytes = 0;
  for (const event of events) {
    const more = Buffer.byteLength(JSON.stringify(event));
    if (parts.at(-1)!.length === PART_EVENTS_MAX || bytes + more > PART_BYTES_MAX) [bytes] = [0, parts.push([])];
    parts.at(-1)!.push(event);
    bytes += more;
  }
  return parts;
}
