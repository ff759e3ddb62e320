// The core as the stories know a client: the only place that is to change with it.

import { accessKey } from "../../src/sync/access.js";
import { Core } from "../../src/sync/core.js";
import { type Batch, type StoredAgent, agentPrefix, chainKey, readAgent, readChain } from "../../src/sync/keeper.js";
import type { Frame, Step, Told } from "./story.js";

/** How the client calls it when the server sends what cannot be read. */
const UNREADABLE = "bad_message";
/** Nothing in a story lets time stand still this often. */
const TURNS_MAX = 10_000;

export class StoryClient {
  #core: Core;
  #now = 0;
  #agents = 0;
  readonly #told: Told[] = [];
  readonly #frames: Frame[] = [];
  /** The text as the changes tell it. */
  #shown = "";
  // The device.
  readonly #records = new Map<string, any>();
  #store: "prompt" | "slow" | "broken" = "prompt";
  /** What a slow store has not done yet. */
  #writing: Batch | null = null;
  /** Earlier runs may have left what they could not send. */
  #adoptDue = false;

  constructor() {
    this.#core = this.#newCore();
  }

  #newCore(): Core {
    // Jitter comes out in the middle, so that every pause is known.
    const core = new Core("d", "alice", (user) => (this.#agents++ ? `${user}~${this.#agents}` : user), () => 0.5);
    core.visible = false;
    core.putAside = (aside) => void this.#told.push({ aside });
    return core;
  }

  /** Makes happen what a step says. */
  does(step: Step): void {
    const core = this.#core;
    if (step.connect) core.connected(this.#now);
    else if (step.disconnect) core.disconnected();
    else if (step.receive !== undefined) core.received(typeof step.receive === "string" ? step.receive : JSON.stringify(step.receive), this.#now);
    else if (step.edit) this.#edit(step.edit);
    else if (step.time !== undefined) this.#pass(step.time);
    else if (step.store) this.#turnStore(step.store);
    else if (step.restart) this.#restart();
    else if (step.look !== undefined) core.visible = step.look;
    else core.woke(this.#now);
    this.#settle();
  }

  /** What the client has sent since the last call. */
  sent(): Frame[] {
    return this.#frames.splice(0);
  }

  /** What the application has been told since the last call. */
  told(): Told[] {
    return this.#told.splice(0);
  }

  /** What can be asked at any time. */
  get state() {
    const { access, doc, pending, synced, gap, own } = this.#core;
    const text = doc.toString();
    return { text, unsaved: pending.all, sending: pending.sent, synced, gap, agent: own.agent, access, shown: this.#shown };
  }

  #edit({ at = this.#core.doc.length, del = 0, ins = "" }: NonNullable<Step["edit"]>): void {
    this.#core.change("local", (changes) => this.#core.edit(at, del, ins, changes));
  }

  #pass(ms: number): void {
    const end = this.#now + ms;
    for (let turns = 0, due; (due = this.#core.deadline()) <= end; turns++) {
      if (turns > TURNS_MAX) throw new Error(`something is due at ${due} again and again`);
      this.#now = Math.max(this.#now, due);
      this.#settle();
    }
    this.#now = end;
  }

  /** Until nothing follows any more from what has happened. */
  #settle(): void {
    const core = this.#core;
    core.tick(this.#now);
    for (const frame of core.frames.splice(0)) this.#frames.push(JSON.parse(frame));
    for (const [name, value] of core.updates.splice(0)) {
      if (name === "change") for (const { at, del, ins } of value.changes) this.#shown = this.#shown.slice(0, at) + ins + this.#shown.slice(at + del);
      else if (name === "error") this.#told.push({ problem: value.code === UNREADABLE ? "unreadable" : value.code, retry: value.retry });
      else if (name === "link") {
        if (value !== "again") this.#told.push({ problem: value.code, retry: value.retry });
        this.#told.push({ connection: value === "again" ? "dead" : "refused" });
        // Whoever holds the socket closes it.
        core.disconnected();
      }
      else this.#adoptDue ||= name === "synced";
    }
    if (this.#write() || this.#adopt()) this.#settle();
  }

  // --- The store, as a document uses it

  /** Hands over what there is to keep; says whether anything may follow from that. */
  #write(): boolean {
    if (this.#writing) return false;
    const batch = this.#core.keeper.takeBatch(this.#now);
    if (!batch) return false;
    // Copied as it is now, as a store does.
    this.#writing = structuredClone(batch);
    if (this.#store === "slow") return false;
    this.#stored();
    return true;
  }

  #stored(): void {
    const { id, changes } = this.#writing!;
    this.#writing = null;
    if (this.#store !== "broken") for (const [key, value] of changes) value === undefined ? this.#records.delete(key) : this.#records.set(key, value);
    this.#core.keeper.stored(id);
  }

  #turnStore(how: NonNullable<Step["store"]>): void {
    if (how === "slow") this.#store = "slow";
    else if (how === "done") {
      this.#store = "prompt";
      if (this.#writing) this.#stored();
    } else if (how === "fails") {
      this.#store = "broken";
      this.#writing = null;
      this.#core.abandonStore();
    } else {
      this.#store = "prompt";
      const keys = new Map(this.#storedAgents().map(({ agent, keys }) => [agent, [...keys]]));
      this.#core.resumeStore(keys);
    }
  }

  #restart(): void {
    this.#writing = null;
    this.#store = "prompt";
    this.#shown = "";
    this.#core = this.#newCore();
    const access = this.#records.get(accessKey("d"));
    if (access) this.#core.recall(access);
    this.#core.load(this.#storedAgents());
  }

  /** Goes on with what earlier runs could not send, once all that is known here is kept; says whether there was any. */
  #adopt(): boolean {
    if (!this.#adoptDue || this.#writing || this.#store === "broken") return false;
    this.#adoptDue = false;
    const { outboxes, user } = this.#core;
    const orphans = this.#storedAgents().filter(
      (stored) => stored.agent.split("~")[0] === user && stored.events.length && this.#core.isOfLog(stored) && !outboxes.some(({ agent }) => agent === stored.agent),
    );
    if (orphans.length) this.#core.adopt(orphans, this.#now);
    return orphans.length > 0;
  }

  #storedAgents(): StoredAgent[] {
    const records = structuredClone([...this.#records].sort());
    const chains = records.filter(([key]) => key.startsWith(chainKey("d", "")));
    return chains.map(([key, chain]) => {
      const agent = key.slice(chainKey("d", "").length);
      const own = records.filter(([key]) => key.startsWith(agentPrefix("d", agent)));
      return readAgent("d", agent, readChain(chain), own, true);
    });
  }
}
