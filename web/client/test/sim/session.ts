// One random session: tabs on devices type, delete, undo, close, crash and come back, over a bad network to a server
// with troubles of its own. Then the faults stop, and all must come out equal, with everything typed there once.

import { InklogDocument, ReadOnlyError, type Anchor, type Change, type Edit, type Token } from "../../src/index.js";
import { presenceOf } from "../../src/presence.js";
import { undoOf } from "../../src/undo.js";
import type { WireEvent } from "../../src/crdt/index.js";
import { sameEvent } from "./events.js";
import { Device, type Tab } from "./device.js";
import { Gate, type Right } from "./gate.js";
import { Network, envOf } from "./network.js";
import { Server } from "./server.js";
import { World } from "./world.js";

/** What types into a document: the document itself, or an editor bound to it. */
export interface Editor {
  /** What the person sees. */
  text(): string;
  edit(edit: Edit): void;
  undo(): void;
  redo(): void;
  /** Cursors to compare at the end; `null` where it keeps none. */
  cursor?(): number | null;
  destroy?(): void;
}

export interface SessionOptions {
  /** Binds an editor to a document that was just opened. */
  bind?: (doc: InklogDocument) => Editor;
  /** How many things happen before the faults stop. */
  steps?: number;
  /** Whether the server demands tokens; else some sessions' does. `"short"`: tokens live 20 s, and nobody's right changes. */
  tokens?: boolean | "short";
}

const plain = (doc: InklogDocument): Editor => {
  const undoStack = undoOf(doc);
  return {
    text: () => doc.text,
    edit: (edit) => doc.edit([edit]),
    undo: () => void undoStack.undo(),
    redo: () => void undoStack.redo(),
  };
};

/** One open document, and what is known of it from outside. */
class OpenTab implements Tab {
  dead = false;
  closing = false;
  offline = false;
  readonly page = new EventTarget();
  readonly doc: InklogDocument;
  readonly editor: Editor;
  /** The text as the changes tell it. */
  shadow = "";
  readonly typed = new Set<string>();
  readonly errors: string[] = [];

  constructor(
    readonly session: Session,
    readonly device: Device,
    readonly user: string,
  ) {
    const { world, network, gate } = session;
    // With a token, the server knows the user.
    const who = gate ? { token: () => session.tokenOf(this), ...(world.random.chance(0.5) && { user }) } : { user };
    this.doc = new InklogDocument(
      { url: "ws://sim/dev", docId: "d", storage: device.storage(this), WebSocket: network.socketOf(this), ...who },
      envOf(world, this, this.page),
    );
    this.doc.on("change", ({ changes, origin }) => this.follow(changes, origin));
    this.doc.on("error", ({ code, message }) => this.errors.push(`${code}: ${message}`));
    this.editor = (session.options.bind ?? plain)(this.doc);
  }

  private follow(changes: Change[], origin: string): void {
    for (const { at, del, ins } of changes) {
      if (origin !== "remote") for (const char of this.shadow.slice(at, at + del)) this.session.deleted.add(char);
      if (origin === "undo" || origin === "redo") for (const char of ins) this.session.restored.add(char);
      this.shadow = this.shadow.slice(0, at) + ins + this.shadow.slice(at + del);
    }
  }

  check(): void {
    if (this.shadow !== this.doc.text) throw new Error(`the changes tell ${this.shadow}, the text is ${this.doc.text}`);
    if (this.editor.text() !== this.doc.text) throw new Error(`the editor shows another text than the document has`);
    const { access, save, problem, status } = this.doc;
    const isHeld = !save.allSaved && (access === "none" || access === "read" || status === "refused");
    if (isHeld && !(save.blocked && problem)) throw new Error(`what waits for a right is not told: ${JSON.stringify([access, save, problem])}`);
    const unsaved = this.doc.unsavedText();
    if (save.allSaved && unsaved.length) throw new Error("what is saved is told as unsaved");
    if (unsaved.some((text) => !this.doc.text.includes(text))) throw new Error("what is unsaved is not in the text");
  }
}

export class Session {
  readonly world: World;
  readonly server: Server;
  readonly network: Network;
  /** In some sessions, the server demands tokens, and rights change. */
  readonly gate: Gate | null = null;
  /** Characters that somebody deleted, or brought back by undo or redo. */
  readonly deleted = new Set<string>();
  readonly restored = new Set<string>();
  /** Characters that a crash may have taken before the store had them. */
  private readonly excused = new Set<string>();
  /** What somebody wrote under an agent of a tab, and what that tab had not saved then. */
  private readonly foreigners: { agent: string; from: number; to: number; unsaved: Set<string> }[] = [];
  private readonly everTyped = new Set<string>();
  private readonly devices: { device: Device; user: string }[];
  private tabs: OpenTab[] = [];
  private readonly anchors: Anchor[] = [];
  private chars = 0;
  private foreign = 0;
  /** The server forgets now and then, in some sessions: what it forgot, and was saved, is lost to it. */
  private readonly forgets: boolean;
  private forgot = false;
  private closing = 0;
  /** Share of failures of the token callback. */
  private signInFails = 0;
  readonly seen: Record<string, number> = {};

  constructor(
    seed: number,
    readonly options: SessionOptions = {},
  ) {
    this.world = new World(seed);
    this.server = new Server(this.world);
    this.network = new Network(this.world, this.server);
    const { random } = this.world;
    this.forgets = random.chance(0.2);
    this.devices = Array.from({ length: 1 + random.below(3) }, (_, i) => ({
      device: new Device(this.world, random.pick([1, 8, 60])),
      user: random.chance(0.3) ? "same" : `user${i}`,
    }));
    const bad = random.pick([0, 0.02, 0.1]);
    if (this.options.tokens ?? random.chance(0.4)) this.guard(this.gate = this.server.gate = new Gate(this.world));
    this.network.weather = {
      delay: random.pick([5, 50, 800]),
      lost: random.chance(0.5) ? bad : 0,
      twice: random.chance(0.5) ? bad : 0,
      refused: bad,
    };
    if (this.gate) this.signInFails = bad;
    this.server.faults = {
      failure: random.chance(0.5) ? bad : 0,
      lostBroadcast: random.chance(0.5) ? 3 * bad : 0,
      poison: random.chance(0.3) ? 0.05 : 0,
    };
  }

  async run(): Promise<void> {
    const { random } = this.world;
    for (const { device, user } of this.devices) this.open(device, user);
    const steps = this.options.steps ?? 20 + random.below(60);
    for (let i = 0; i < steps; i++) {
      await this.world.runUntil(this.world.now + random.pick([0, 1, 3, 20, 200, 200, 1_000, 7_000]));
      await this.act();
      for (const tab of this.tabs) tab.check();
    }
    await this.calm();
  }

  private guard(gate: Gate): void {
    const { random } = this.world;
    this.network.isBrowser = random.chance(0.5);
    gate.skew = random.pick([0, -3_600_000, 3_600_000, 7_000]);
    gate.lifetime = this.options.tokens === "short" ? 20_000 : random.pick([20_000, 60_000, 3_600_000]);
    gate.isOpaque = random.chance(0.2);
    for (const { user } of this.devices) gate.allow(user, "write");
  }

  /** What the application's callback comes to. */
  async tokenOf({ user }: OpenTab): Promise<Token> {
    const { random } = this.world;
    await new Promise<void>((done) => this.world.after(random.below(300), done));
    if (random.chance(this.signInFails / 2)) throw new Error("the application does not answer");
    return random.chance(this.signInFails / 2) ? null : this.gate!.sign(user);
  }

  /** Somebody's right becomes another, at once or with the next token. */
  private changeRight(gate: Gate): void {
    const { random } = this.world;
    const { user } = random.pick(this.devices);
    const right = random.pick<Right | null>([null, "read", "write", "write", "manage"]);
    gate.allow(user, right);
    this.count(`right ${right}`);
    if (random.chance(0.4)) return;
    this.count("revoke");
    gate.revoke(user);
    if (random.chance(0.8)) this.network.expel(user);
  }

  private count(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1;
  }

  private open(device: Device, user: string): void {
    this.tabs.push(new OpenTab(this, device, user));
    this.count("open");
  }

  /** Something happens. */
  private async act(): Promise<void> {
    const { random } = this.world;
    const tab = this.tabs.length ? random.pick(this.tabs) : undefined;
    const dice = random.below(100);
    if (this.gate && this.options.tokens !== "short" && random.chance(0.06)) return this.changeRight(this.gate);
    if (tab && this.gate && random.chance(0.02)) return tab.doc.reconnect();
    if (!tab || dice < 3) {
      const { device, user } = random.pick(this.devices);
      if (this.tabs.length < 5) this.open(device, user);
    } else if (tab.doc.readOnly && dice < 73) this.tryToEdit(tab, dice);
    else if (dice < 55) this.type(tab);
    else if (dice < 65) this.delete(tab);
    else if (dice < 70) tab.editor.undo();
    else if (dice < 73) tab.editor.redo();
    else if (dice < 77) this.anchors.push(tab.doc.anchor(random.below(tab.doc.length + 1), random.pick([-1, 1])));
    else if (dice < 80) presenceOf(tab.doc).set({ at: random.below(100) });
    else if (dice < 83) this.crash(tab);
    else if (dice < 85) this.close(tab);
    else if (dice < 89) this.setOffline(tab, !tab.offline);
    else if (dice < 91) this.network.cut(random.chance(0.5) ? tab : undefined);
    else if (dice < 94) this.server.fold(random.below(20));
    else if (dice < 96) this.server.loseLiveState();
    else if (this.forgets && dice < 97 && random.chance(0.5)) this.forget();
    else if (dice < 97) this.restartServer();
    else if (dice < 98) this.server.compact(this.world.now - 60_000);
    else if (random.chance(0.3)) this.impersonate(tab);
    else tab.page.dispatchEvent(new Event("pagehide"));
  }

  /** What may not be edited is not, by whatever means. */
  private tryToEdit(tab: OpenTab, dice: number): void {
    const before = tab.doc.text;
    try {
      if (dice < 30) tab.editor.undo();
      else if (dice < 40) tab.editor.redo();
      else tab.doc.insert(0, "nobody may type this");
      if (dice >= 40) throw new Error("an edit was taken that may not be made");
    } catch (error) {
      if (!(error instanceof ReadOnlyError)) throw error;
    }
    if (tab.doc.text !== before) throw new Error("a text was changed that may not be");
    this.count("refused edit");
  }

  /** Every character typed is another one, so that it can be counted. */
  private text(length: number): string {
    let text = "";
    while (length-- > 0) {
      const astral = this.chars % 7 === 0;
      const char = String.fromCodePoint((astral ? 0x20000 : 0x3400) + this.chars++);
      text += char;
    }
    return text;
  }

  private type(tab: OpenTab): void {
    const { random } = this.world;
    const text = this.text(random.pick([1, 1, 1, 2, 5, 30]));
    for (const char of text) {
      tab.typed.add(char);
      this.everTyped.add(char);
    }
    const at = random.chance(0.5) ? tab.doc.length : random.below(tab.doc.length + 1);
    tab.editor.edit({ at, del: 0, ins: text });
  }

  private delete(tab: OpenTab): void {
    const { random } = this.world;
    if (!tab.doc.length) return;
    const at = random.below(tab.doc.length);
    tab.editor.edit({ at, del: 1 + random.below(Math.min(8, tab.doc.length - at)), ins: random.chance(0.2) ? this.replacement(tab) : "" });
  }

  private replacement(tab: OpenTab): string {
    const text = this.text(2);
    for (const char of text) {
      tab.typed.add(char);
      this.everTyped.add(char);
    }
    return text;
  }

  private crash(tab: OpenTab): void {
    this.count("crash");
    tab.device.kill(tab);
    this.network.cut(tab);
    // What neither the store nor the server was given is lost with the tab.
    const kept = JSON.stringify([...tab.device.records].filter(([key]) => /\/e\d+$/.test(key))) + JSON.stringify(this.server.log);
    for (const char of tab.typed) if (!kept.includes(char)) this.excused.add(char);
    this.remove(tab);
  }

  private close(tab: OpenTab): void {
    this.count("close");
    this.remove(tab);
    tab.closing = true;
    this.closing++;
    void tab.doc.close().then(() => {
      tab.device.kill(tab);
      this.closing--;
    });
  }

  private remove(tab: OpenTab): void {
    this.tabs = this.tabs.filter((other) => other !== tab);
    tab.editor.destroy?.();
  }

  private setOffline(tab: OpenTab, offline: boolean): void {
    tab.offline = offline;
    if (this.world.random.chance(0.7)) tab.page.dispatchEvent(new Event(offline ? "offline" : "online"));
  }

  private forget(): void {
    this.count("forget");
    this.forgot = true;
    const { random } = this.world;
    this.network.cut();
    this.server.forget(random.below(this.server.log.length + 1), random.chance(0.6));
  }

  private restartServer(): void {
    this.count("restart");
    this.network.cut();
    this.server.forgetConnections();
  }

  /** A copy of this browser's profile writes under the same agent elsewhere. */
  private impersonate(tab: OpenTab): void {
    const { agent } = tab.doc;
    const after = this.server.endOf(agent);
    // A server knows agents only by what they wrote.
    if (after === 0 && this.world.random.chance(0.5)) return;
    this.count("impersonate");
    const text = "x".repeat(1 + this.world.random.below(3));
    this.foreign += text.length;
    const log = JSON.stringify(this.server.log);
    const unsaved = new Set([...tab.typed].filter((char) => !log.includes(char)));
    this.foreigners.push({ agent, from: after, to: after + text.length, unsaved });
    const op = { type: "insert" as const, id: `${agent}-${after}`, text, left: null };
    this.server.append({ agent, after, ops: [op], at: this.world.now });
  }

  /** The faults stop: everything must come out equal. */
  private async calm(): Promise<void> {
    this.network.weather = { delay: 50, lost: 0, twice: 0, refused: 0 };
    this.server.faults = { failure: 0, lostBroadcast: 0, poison: 0 };
    this.signInFails = 0;
    for (const { user } of this.devices) this.gate?.allow(user, "write");
    for (const tab of this.tabs) if (tab.offline) this.setOffline(tab, false);
    for (const { device, user } of this.devices) {
      if (!this.tabs.some((tab) => tab.device === device && tab.user === user)) this.open(device, user);
    }
    // A token that does not say when it expires is used for an hour.
    const limit = this.world.now + (this.gate ? 150 : 60) * 60_000;
    this.checkCalls();
    while (!this.isDone()) {
      if (this.world.now > limit) throw new Error(`no end: ${this.state()}`);
      await this.world.runUntil(this.world.now + 5_000);
    }
    this.verify();
    for (const tab of this.tabs) tab.device.kill(tab);
  }

  /** Whatever was refused, nobody has tried again and again. */
  private checkCalls(): void {
    const { attempts } = this.network;
    const most = 200 + this.world.now / 500;
    if (attempts > most || this.server.refusals > most) throw new Error(`${attempts} connections, ${this.server.refusals} refusals in ${this.world.now} ms`);
    this.seen.held = (this.seen.held ?? 0) + this.tabs.filter(({ doc }) => doc.save.blocked).length;
  }

  private isDone(): boolean {
    const text = this.server.whole().toString();
    return (
      this.closing === 0 &&
      this.tabs.every(({ doc }) => doc.save.allSaved && doc.status === "online" && doc.text === text) &&
      this.devices.every(({ device }) => [...device.records].every((record) => this.isSent(device, record)))
    );
  }

  /** Whether a record is none of an event that only a device has. */
  private isSent(device: Device, [key, record]: [string, any]): boolean {
    const [, agent, after] = /^d\/(.+)\/e(\d+)$/.exec(key) ?? [];
    // What is for a log that is no more waits for ever.
    const { log = this.server.name } = (device.records.get(`d/~/${agent}`) ?? {}) as { log?: string };
    if (log !== this.server.name) return true;
    const isIt = (event: WireEvent) => event.agent === agent && event.after === Number(after) && sameEvent(event, record);
    return !agent || this.server.log.some(isIt);
  }

  private state(): string {
    const tabs = this.tabs.map(({ doc, errors }) => ({ agent: doc.agent, status: doc.status, access: doc.access, problem: doc.problem, save: doc.save, text: doc.text, errors: errors.slice(-3) }));
    const unsent = this.devices.flatMap(({ device }) => [...device.records].filter((record) => !this.isSent(device, record)).map(([key]) => key));
    return JSON.stringify({ unsent, server: this.server.whole().toString(), tabs }, null, 1);
  }

  /** Whether another wrote at the same place under the same ids, and that was deleted: no state tells such from one's own. */
  private isTaken(char: string): boolean {
    const whole = this.server.whole();
    return this.foreigners.some(({ agent, from, to, unsaved }) => {
      let isDeleted = false;
      whole.eachPiece(whole.ids.agent(agent), from, to, ({ dead }) => (isDeleted ||= !!dead));
      return isDeleted && unsaved.has(char);
    });
  }

  private verify(): void {
    if (this.server.faulty.length) throw new Error(`a client broke the protocol: ${this.server.faulty[0]}`);
    const text = this.server.whole().toString();
    for (const tab of this.tabs) {
      tab.check();
      for (const anchor of this.anchors) {
        const [here, there] = [tab.doc.position(anchor), this.tabs[0]!.doc.position(anchor)];
        if (here !== there) throw new Error(`anchor ${JSON.stringify(anchor)} is at ${here} and ${there}`);
      }
    }
    const count = new Map<string, number>();
    for (const char of text) count.set(char, (count.get(char) ?? 0) + 1);
    for (const [char, times] of count) {
      if (times > 1 && char !== "x" && !this.restored.has(char)) throw new Error(`${show(char)} is there ${times} times`);
    }
    if ((count.get("x") ?? 0) > this.foreign && !this.restored.has("x")) throw new Error("foreign text is doubled");
    for (const char of this.everTyped) {
      const gone = this.forgot || this.deleted.has(char) || this.restored.has(char) || this.excused.has(char) || this.isTaken(char);
      if (!count.has(char) && !gone) throw new Error(`${show(char)} is lost`);
    }
  }
}

const show = (char: string): string => `U+${char.codePointAt(0)!.toString(16)}`;
