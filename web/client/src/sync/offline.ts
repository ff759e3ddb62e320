// What is here: the document, the events that are not known to be durable, and what the store is to hold. Knows of
// no connection; the core, which does, goes on from here.

import { type Change, type LocalOp, TextDoc, type WireEvent, find } from "../crdt/index.js";
import type { Access, DocumentEvents, InklogError } from "../types.js";
import { type AccessRecord, accessKey } from "./access.js";
import { ahead } from "./compare.js";
import { type Kept, Keeper, type StoredAgent, isEventKey } from "./keeper.js";
import { type OutEvent, type Outbox, judge, newOutbox, push, startOf, wireEvent } from "./outbox.js";
import { deletedIn, typedIn } from "./reoffer.js";
import { type Rename, succeed } from "./rename.js";

/** What is told to the document's listeners: the public events, and some that only its own parts hear. */
export interface Told extends DocumentEvents {
  /** The document has what the server had when it was asked. */
  synced: null;
  /** Ids have new names. */
  renamed: Rename;
  /** The document was begun anew: ids of before mean nothing any more. */
  renewed: null;
  /** The connection does not answer any more (`again`), or the server does not let this client in, and says why. */
  link: "again" | InklogError;
}

/** A server's state. */
export interface ServerState {
  base: Uint8Array;
  /** Those that the base lacks. */
  events: WireEvent[];
  cursor: string | undefined;
  log: string | undefined;
  /** Base and events together. */
  doc: TextDoc;
  /** The user, if it is another one than before. */
  newUser?: string | undefined;
}

export type Update = { [K in keyof Told]: [name: K, value: Told[K]] }[keyof Told];

export class OfflineDocument implements Kept {
  doc = new TextDoc();
  /** The agents whose events are sent from here; the last is the one that writes. */
  outboxes: Outbox[];
  updates: Update[] = [];
  /** Where the document stands in what the server has. */
  cursor: string | undefined;
  /** The name of the log that the durable text is from; `undefined`: no server has said. */
  log: string | undefined;
  /** What the user may do with the document; `null`: no server has said. */
  access: Access = null;
  readonly keeper: Keeper;
  readonly #told = new Set<string>();
  /** Told of a text that the server forgot, as the document showed it, and of the log that had it. */
  putAside: ((text: string, log: string | undefined) => void) | undefined;
  /** Told of each local edit before it is made; what it returns is told the ops. */
  note: ((at: number, del: number, ins: string) => (ops: readonly LocalOp[]) => void) | undefined;

  /** `agentOf` makes a new agent of a user. `server`: the address that what is kept here belongs to. */
  constructor(readonly docId: string, public user: string, readonly agentOf: (user: string) => string, readonly server?: string) {
    this.outboxes = [newOutbox(this.newAgent())];
    this.keeper = new Keeper(this);
  }

  protected readonly newAgent = (): string => this.agentOf(this.user);

  /** The agent that writes. */
  get own(): Outbox {
    return this.outboxes.at(-1)!;
  }

  /** Whether all that the document holds is durable. */
  get settled(): boolean {
    return this.outboxes.every(({ events, doubtful }) => !events.length && !doubtful);
  }

  /** Of each agent, how far the document is durable. */
  protected durable(): Map<string, number> {
    const durable = new Map(this.doc.version);
    for (const outbox of this.outboxes) {
      if (startOf(outbox) === 0) durable.delete(outbox.agent);
      else if (durable.has(outbox.agent)) durable.set(outbox.agent, startOf(outbox));
    }
    return durable;
  }

  /** Ids that are typed and not known to be durable. */
  get unsaved(): number {
    return this.outboxes.reduce((sum, outbox) => sum + outbox.end - startOf(outbox), 0);
  }

  /** Their visible text: its pieces, in the order of the text. */
  unsavedText(): string[] {
    const typedFrom = new Map(this.outboxes.filter(({ events }) => events.length).map((outbox) => [outbox.agent, startOf(outbox)]));
    return typedIn(this.doc, this.doc, typedFrom).map(({ text }) => text);
  }

  // --- Editing

  /** Replaces `del` units at `at` by `ins`, within {@link change}. */
  edit(at: number, del: number, ins: string, changes: Change[]): void {
    const { agent } = this.own;
    const made = this.note?.(at, del, ins);
    const ops: LocalOp[] = del ? this.doc.delete(agent, at, del) : [];
    // What replaces something is one change with it, and has the text as it was inserted.
    const change: Change = { at, del, ins: "" };
    if (ins) {
      const op = this.doc.insert(agent, at, ins);
      change.ins = op.text!;
      ops.push(op);
    }
    for (const op of ops) this.push(op);
    if (ops.length) changes.push(change);
    made?.(ops);
  }

  /**
   * Makes local changes, and tells them. Where another wrote under this agent's name, they may let in what waited for
   * ids that both have used: that is told as well.
   */
  change(origin: DocumentEvents["change"]["origin"], make: (changes: Change[]) => void): void {
    const before = this.doc.isAwaited(this.own.agent) ? this.doc.toString() : null;
    const changes = this.telling(origin, make);
    if (before === null) return;
    // What the changes told lead to, in a document of its own, so that many in a large text take no square of time.
    const told = new TextDoc();
    if (before) told.insert("t", 0, before);
    for (const { at, del, ins } of changes) {
      told.delete("t", at, del);
      if (ins) told.insert("t", at, ins);
    }
    this.replaced(told.toString());
  }

  /**
   * Changes the document and tells of it: both happen, or neither. After an exception, whose work may be half done, the
   * document is what the store and the outboxes have, and that is told as one change.
   */
  protected telling(origin: DocumentEvents["change"]["origin"], make: (changes: Change[]) => void): Change[] {
    const changes: Change[] = [];
    const { length } = this.doc;
    try {
      make(changes);
    } catch (error) {
      this.#restore();
      const whole = { at: 0, del: length, ins: this.doc.toString() };
      this.updates.push(["change", { changes: [whole], origin: "remote" }]);
      throw error;
    }
    if (changes.length) this.updates.push(["change", { changes, origin }]);
    return changes;
  }

  /** Makes of the document what may be quite another, and tells the difference, also before an exception. */
  #asWhole(make: () => void): void {
    const before = this.doc.toString();
    try {
      make();
    } finally {
      this.replaced(before);
    }
  }

  /** Puts the document together again from what is durable and what the outboxes have. */
  #restore(): void {
    const doc = new TextDoc();
    this.keeper.replay(doc);
    showTyped(doc, this.outboxes);
    this.doc = doc;
    this.cursor = undefined;
    this.updates.push(["renewed", null]);
  }

  /** Sets what this device last knew about the user's right; call it before `load`. */
  recall({ user, access }: AccessRecord): void {
    this.access = access;
    if (user === this.user) return;
    this.user = user;
    this.outboxes = [newOutbox(this.newAgent())];
  }

  /** The server has said what the user may do. */
  protected allow(access: Access): void {
    if (access === this.access) return;
    this.access = access;
    this.#keepAccess();
  }

  #keepAccess(): void {
    const record: AccessRecord = { user: this.user, access: this.access };
    this.keeper.record(accessKey(this.docId, this.server), record);
  }

  /** What the store has; the locks of the free ones are held by this tab, the others are only read. */
  load(agents: StoredAgent[]): void {
    this.#asWhole(() => this.#loadAll(agents));
  }

  #loadAll(all: StoredAgent[]): void {
    const byAge = [...all].sort((a, b) => (b.base?.at ?? -1) - (a.base?.at ?? -1));
    // Of several logs, that of the newest text: the server will say whether it is still its own.
    this.log = byAge.find(({ log }) => log)?.log;
    const agents = byAge.filter((stored) => this.isOfLog(stored));
    const newest = agents.find(({ base }) => base);
    if (newest && this.#mergeStored(newest)) this.cursor = newest.base!.cursor;
    this.#applyAll(newest?.recent ?? []);
    const known = new Map(this.doc.version);
    // What is saved shows, whichever tab wrote it.
    for (const { recent } of agents) this.#applyAll(recent);
    for (const stored of agents) if (stored !== newest) this.#mergeIfBehind(stored);
    // The log may since have forgotten what the newest base lacks, or what waits; a replay after its cursor would not show that.
    if (ahead(this.doc.version, known).length || this.doc.waitingCount) this.cursor = undefined;
    const free = agents.filter(({ free }) => free).sort((a, b) => b.events.length - a.events.length);
    const outboxes = this.#admit(free);
    // An agent goes on only where all that it ever wrote is here, and nothing was typed under another yet.
    const own = this.own.end ? undefined : outboxes.find(({ agent, end }) => this.#known(agent) === end);
    if (own) this.outboxes[this.outboxes.length - 1] = own;
    this.#takeOver(outboxes.filter((outbox) => outbox !== own));
    const stored = free.find(({ agent }) => agent === own?.agent);
    this.keeper.load(stored, newest, agents.filter((other) => other !== stored).flatMap(({ recent }) => recent));
  }

  /** Takes over the events of tabs that are no more. */
  protected takeIn(agents: StoredAgent[]): void {
    this.#asWhole(() => {
      for (const stored of agents) {
        for (const event of stored.recent) this.keeper.add(event);
        this.#mergeIfBehind(stored);
      }
      this.#takeOver(this.#admit(agents));
    });
  }

  /** Whether what an agent kept is of the log that the document is from, as far as both are known. */
  isOfLog({ log }: StoredAgent): boolean {
    return !log || !this.log || log === this.log;
  }

  /** The store takes nothing any more: the agent, whose record ends here, is not gone on with. */
  abandonStore(): void {
    this.keeper.failed();
    this.outboxes.push(newOutbox(this.newAgent()));
    this.prune();
  }

  /**
   * The store works again: it gets everything anew. `agents` are those that this tab has held since before, with the
   * keys that the store has of them.
   */
  resumeStore(agents: ReadonlyMap<string, string[]>): void {
    this.keeper.restart(({ agent }) => agents.get(agent) ?? []);
    if (this.access) this.#keepAccess();
    for (const [agent, keys] of agents) {
      if (this.outboxOf(agent)) continue;
      const outbox = { ...newOutbox(agent), keys: new Set(keys) };
      if (keys.length) this.keeper.drained(outbox, this.#known(agent));
    }
  }

  // --- What changes as a whole

  /** Takes out outboxes that have nothing to send. */
  protected prune(): void {
    this.outboxes = this.outboxes.filter((outbox) => outbox === this.own || outbox.events.length);
  }

  /** Begins again from the server's state, with what it does not have: under new ids where the old are refused. */
  protected rebuild({ base, events, cursor, doc: fresh }: ServerState): void {
    const before = this.doc.toString();
    // Where the server's state lags, what is typed may need what it lacks.
    this.keeper.replay(fresh);
    // The one that writes stays the last.
    this.outboxes = this.renew(this.outboxes);
    this.prune();
    showTyped(fresh, this.outboxes);
    this.doc = fresh;
    for (const event of events) this.keeper.add(event);
    this.keeper.rebase(base, cursor);
    this.replaced(before);
  }

  /**
   * The log is not the one, or not any more the one, that the document is from, or somebody else is signed in: begins anew
   * from the server's state. What was never saved is typed again, where the text around it is still there. What the store
   * had of it for a log of another name, or for another user, stays there, for them. What the log forgot is put aside.
   */
  protected beginAnew(server: ServerState, sameIds: boolean): void {
    const { doc: old, log, outboxes } = this;
    const { doc: fresh } = server;
    const before = old.toString();
    const { newUser } = server;
    const isOther = !!newUser || (!!server.log && server.log !== log);
    const isTyped = ({ loaded }: OutEvent) => !loaded || !isOther;
    const typedFrom = new Map<string, number>();
    for (const { agent, events } of outboxes) {
      const first = events.find(isTyped);
      if (first) typedFrom.set(agent, first.after);
    }
    const typed = typedIn(old, fresh, typedFrom);
    const deleted = sameIds ? outboxes.flatMap(({ events }) => deletedIn(events.filter(isTyped))) : [];
    for (const outbox of outboxes) {
      if (outbox.events[0] && !isTyped(outbox.events[0])) this.keeper.keepUnsent(outbox, typedFrom.get(outbox.agent));
      else this.keeper.remove(outbox);
    }
    if (newUser) {
      this.user = newUser;
      this.#keepAccess();
    }
    this.outboxes = [newOutbox(this.newAgent())];
    this.log = server.log ?? log;
    this.doc = fresh;
    this.keeper.recent = server.events;
    this.keeper.rebase(server.base, server.cursor);
    for (const { at, text } of typed.reverse()) this.edit(at, 0, text, []);
    for (const ids of deleted) for (const { at, len } of find(this.doc, ids).reverse()) this.edit(at, len, "", []);
    this.updates.push(["renewed", null]);
    this.replaced(before);
    // With the next batch, which also removes what was kept of it.
    if (before && before !== this.doc.toString() && !newUser) this.putAside?.(before, log);
  }

  protected outboxOf(agent: string): Outbox | undefined {
    return this.outboxes.find((outbox) => outbox.agent === agent);
  }

  /** The end of what is applied of an agent. */
  #known(agent: string): number {
    return this.doc.version.get(agent) ?? 0;
  }

  /** Applies stored events; one that cannot be read is as good as none. */
  #applyAll(events: WireEvent[]): void {
    for (const event of events) {
      try {
        this.doc.apply(event);
      } catch {
        // The server has it.
      }
    }
  }

  /** A base that cannot be read is as good as none: the server has it all, and what was typed is kept beside it. */
  #mergeStored({ base }: StoredAgent): boolean {
    try {
      if (base) this.doc.mergeState(base.state);
      return true;
    } catch {
      return false;
    }
  }

  /** A local edit that the document has already. */
  push(op: LocalOp): void {
    push(this.own, op, () => this.outboxes.filter((outbox) => outbox !== this.own).map(({ agent }) => agent));
  }

  /** Merges an agent's own base where the document lacks anything of it: what is unsent may need that base alone. */
  #mergeIfBehind(stored: StoredAgent): void {
    if (this.#known(stored.agent) < stored.end) this.#mergeStored(stored);
  }

  /** Adds what agents kept. */
  #admit(agents: StoredAgent[]): Outbox[] {
    for (const stored of agents) {
      const { agent, recent, events } = stored;
      // An event is sent when the log has the one before it.
      const durable = events.splice(0, Math.max(0, events.findLastIndex(({ sent }) => sent)));
      for (const event of durable) recent.push(wireEvent(agent, event));
      this.#applyAll(recent);
    }
    for (const outbox of agents) {
      // So far all that the document holds of the agent is durable.
      judge(outbox, this.doc, ({ events }) => void events.shift());
    }
    const admitted = this.renew(agents);
    showTyped(this.doc, admitted);
    return admitted;
  }

  /** Sends what there is to send of other agents. */
  #takeOver(outboxes: Outbox[]): void {
    // What is typed from now on is typed on these, too.
    const open = this.own.events.at(-1);
    if (open) open.closed = true;
    for (const outbox of outboxes) {
      if (outbox.events.length) this.outboxes.unshift(outbox);
      else if ([...outbox.keys].some(isEventKey)) this.keeper.drained(outbox, outbox.end);
    }
  }

  /** Gives heirs what has to get new ids. */
  protected renew(outboxes: Outbox[]): Outbox[] {
    const successions = succeed(outboxes, this.newAgent);
    return outboxes.flatMap((outbox) => {
      const found = successions.find((one) => one.outbox === outbox);
      if (!found) return [outbox];
      const { heir, rename } = found;
      this.updates.push(["renamed", rename]);
      outbox.end = rename.seq;
      outbox.foreign = false;
      this.keeper.remove(outbox, outbox.events.length ? rename.seq : undefined);
      return outbox.events.length ? [outbox, heir] : [heir];
    });
  }

  /** The document is another than before. */
  protected replaced(before: string): void {
    const after = this.doc.toString();
    if (after !== before) this.tellChanges([difference(before, after)]);
  }

  protected tellChanges(changes: Change[]): void {
    if (changes.length) this.updates.push(["change", { changes, origin: "remote" }]);
  }

  /** Tells of an error; while nothing gets better, of each only once. */
  tell(code: string, message: string, retry: boolean): void {
    const error = `${code} ${message}`;
    if (!this.#told.has(error)) this.updates.push(["error", { code, message, retry }]);
    this.#told.add(error);
  }

  /** Something went well: where nothing is left to be saved, what goes wrong from now on is news. */
  protected calm(): void {
    if (!this.unsaved) this.#told.clear();
  }
}

/** Applies what the outboxes have not sent. */
export function showTyped(doc: TextDoc, outboxes: Outbox[]): void {
  for (const { agent, events } of outboxes) for (const event of events) doc.apply(wireEvent(agent, event));
}

/** One change that makes `after` of `before`. */
function difference(before: string, after: string): Change {
  const shortest = Math.min(before.length, after.length);
  let [at, tail] = [0, 0];
  while (at < shortest && before[at] === after[at]) at++;
  while (tail < shortest - at && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return { at, del: before.length - at - tail, ins: after.slice(at, after.length - tail) };
}
