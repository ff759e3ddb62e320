// One random session: people in CodeMirror type, select, paste, undo, go offline, crash and come back. After each
// step every editor shows its document, and at the end all show the same, with everybody's cursor in the same place.
import { EditorSelection } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { normalise } from "../../client/src/lines.js";
import { Device } from "../../client/test/sim/device.js";
import { redo, remoteCursors, undo } from "../src/index.js";
import { Room, type Desk } from "./room.js";

const PIECES = ["a", "b", "c", " ", "\n", "\n", "é", "😀", "𠀀", "word ", "line\n"];
/** What an input method makes of one word, bit by bit. */
const WORDS = [["に", "にほ", "にほん", "日本"], ["n", "ni", "你", "你好"], ["´", "é"], ["か", "", "き"]];
/** What other programs write into a document. */
const RETURNS = ["\r\n", "\r", "\n", "\r\n\r\n", "x\r\ny", "\n\r"];

interface Word {
  desk: Desk;
  from: number;
  text: string;
  /** What it becomes. */
  next: string[];
}

export class EditorSession {
  readonly room: Room;
  readonly seen: Record<string, number> = {};
  /** One editor misses an edit: the session must fail. */
  sabotage = false;
  private readonly devices: { device: Device; user: string }[];
  private desks: Desk[] = [];
  /** The word that somebody is composing. */
  private word: Word | null = null;

  constructor(seed: number) {
    this.room = new Room(seed);
    const { random } = this.room.world;
    this.devices = Array.from({ length: 2 + random.below(2) }, (_, i) => ({
      device: new Device(this.room.world, random.pick([1, 8, 60])),
      user: `user${i}`,
    }));
    const bad = random.pick([0, 0.02, 0.1]);
    this.room.network.weather = { delay: random.pick([5, 50, 800]), lost: bad, twice: bad, refused: bad };
    this.room.server.faults = { failure: bad, lostBroadcast: 2 * bad, poison: random.chance(0.2) ? 0.03 : 0 };
  }

  async run(): Promise<void> {
    const { room } = this;
    const { random } = room.world;
    try {
      for (const { device, user } of this.devices) this.desks.push(this.open(device, user));
      if (this.sabotage) this.spoil(this.desks[0]!);
      const steps = 15 + random.below(50);
      for (let i = 0; i < steps; i++) {
        await room.calm(random.pick([0, 1, 3, 20, 200, 200, 1_000, 7_000]));
        await this.act();
        this.check();
      }
      await this.end();
    } finally {
      for (const desk of this.desks) {
        desk.view.destroy();
        desk.device.kill(desk);
      }
    }
  }

  /** The editor misses the first edit that others make. */
  private spoil({ view }: Desk): void {
    const dispatch = view.dispatch.bind(view) as (...specs: any[]) => void;
    (view as any).dispatch = (...specs: any[]) => {
      if (specs[0]?.changes && specs[0].annotations && !view.state.readOnly) delete (view as any).dispatch;
      else dispatch(...specs);
    };
  }

  private count(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1;
  }

  private async act(): Promise<void> {
    const { room, devices } = this;
    const { random } = room.world;
    const away = devices.filter(({ user }) => !this.desks.some(({ doc }) => doc.user === user));
    if (away.length && random.chance(0.3)) {
      const { device, user } = random.pick(away);
      this.desks.push(this.open(device, user));
      return;
    }
    if (this.desks.length === 0) return;
    const desk = random.pick(this.desks);
    const dice = random.below(108);
    if (this.word?.desk === desk && dice < 93) return this.compose(this.word);
    if (dice < 40) this.type(desk);
    else if (dice < 52) this.replace(desk);
    else if (dice < 57) this.ranges(desk);
    else if (dice < 69) this.select(desk);
    else if (dice < 75) (this.count("undo"), undo(desk.view));
    else if (dice < 78) (this.count("redo"), redo(desk.view));
    else if (dice < 83) this.program(desk);
    else if (dice < 85) this.paste(desk);
    else if (dice < 88) (this.count("offline"), desk.setOffline(!desk.offline));
    else if (dice < 91) (this.count("cut"), room.network.cut(random.chance(0.5) ? desk : undefined));
    else if (dice < 93) this.leave(desk, false);
    else if (dice < 95) this.leave(desk, true);
    else if (dice < 97) room.server.fold(random.below(20));
    else if (dice < 98) room.server.loseLiveState();
    else if (dice < 100) desk.page.dispatchEvent(new globalThis.Event("pagehide"));
    else if (!this.word && !desk.view.state.readOnly) this.beginWord(desk);
  }

  private open(device: Device, user: string): Desk {
    const desk: Desk = this.room.open(user, device, EditorView.updateListener.of(({ changes }) => {
      if (this.word?.desk === desk && !changes.empty) this.word.from = changes.mapPos(this.word.from, -1);
    }));
    // The new one has taken the focus.
    this.word?.desk.view.focus();
    return desk;
  }

  private beginWord(desk: Desk): void {
    const { view } = desk;
    const { main } = view.state.selection;
    // Nobody's caret is inside a pair.
    if ([main.from, main.to].some((at) => /^[\udc00-\udfff]/.test(view.state.sliceDoc(at, at + 1)))) return;
    this.count("word");
    view.focus();
    (view as any).inputState.composing = 1;
    const [first, ...next] = this.room.world.random.pick(WORDS) as [string, ...string[]];
    const { from } = view.state.selection.main;
    // Ranges beside the main one are not composed in.
    view.dispatch({ selection: view.state.selection.asSingle() });
    view.dispatch(view.state.replaceSelection(first), { userEvent: "input.type.compose.start" });
    this.word = { desk, from, text: first, next };
  }

  private async compose(word: Word): Promise<void> {
    const { view } = word.desk;
    const next = word.next.shift();
    if (next === undefined) return this.endWord();
    let same = 0;
    while (same < next.length && next[same] === word.text[same]) same++;
    const changes = { from: word.from + same, to: word.from + word.text.length, insert: next.slice(same) };
    view.dispatch({ changes, selection: { anchor: word.from + next.length }, userEvent: "input.type.compose" });
    word.text = next;
  }

  private async endWord(): Promise<void> {
    const { view } = this.word!.desk;
    (view as any).inputState.composing = -1;
    this.word = null;
    view.contentDOM.dispatchEvent(new (view.dom.ownerDocument.defaultView as any).CompositionEvent("compositionend"));
    await new Promise((done) => setTimeout(done, 2));
  }

  private some(pieces: readonly string[], max: number): string {
    const { random } = this.room.world;
    return Array.from({ length: 1 + random.below(max) }, () => random.pick(pieces)).join("");
  }

  private type({ view }: Desk): void {
    const insert = this.some(PIECES, 3);
    view.dispatch(view.state.replaceSelection(insert), { userEvent: "input.type" });
  }

  /** Replaces anything, also parts of characters. */
  private replace({ view }: Desk): void {
    this.count("replace");
    const { random } = this.room.world;
    const { length } = view.state.doc;
    const from = random.below(length + 1);
    const to = Math.min(length, from + random.below(9));
    const insert = random.chance(0.4) ? this.some(PIECES, 2) : "";
    view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length } });
  }

  private ranges({ view }: Desk): void {
    const { random } = this.room.world;
    const { length } = view.state.doc;
    if (length < 4) return;
    this.count("two ranges");
    const middle = 1 + random.below(length - 2);
    const [a, b] = [random.below(middle), middle + random.below(length - middle)];
    const changes = [{ from: a, to: middle - (random.chance(0.5) ? 1 : 0), insert: "<" }, { from: b, to: length, insert: random.chance(0.5) ? "\n" : "" }];
    const made = changes.map((change) => ({ ...change, to: Math.max(change.from, change.to) }));
    view.dispatch({ changes: made, selection: { anchor: a, head: a + 1 } });
  }

  private select({ view }: Desk): void {
    const { random } = this.room.world;
    const at = () => random.below(view.state.doc.length + 1);
    const ranges = [EditorSelection.range(at(), at())];
    if (random.chance(0.2)) ranges.push(EditorSelection.cursor(at()));
    view.dispatch({ selection: EditorSelection.create(ranges, random.below(ranges.length)) });
  }

  /** Another program writes into the document, past the editor. */
  private program({ doc, view }: Desk): void {
    const { random } = this.room.world;
    if (view.state.readOnly) return;
    this.count("return");
    const at = random.below(doc.length + 1);
    doc.edit([{ at, del: random.below(Math.min(3, doc.length - at) + 1), ins: random.pick(RETURNS) }]);
  }

  private paste({ view }: Desk): void {
    this.count("paste");
    const { random } = this.room.world;
    view.dispatch(view.state.replaceSelection("pasted 😀 text\n".repeat(1 + random.below(random.chance(0.04) ? 4_000 : 30))), { userEvent: "input.paste" });
  }

  private leave(desk: Desk, crash: boolean): void {
    this.count(crash ? "crash" : "close");
    if (this.word?.desk === desk) this.word = null;
    this.desks = this.desks.filter((other) => other !== desk);
    if (crash) {
      desk.view.destroy();
      desk.device.kill(desk);
      this.room.network.cut(desk);
    } else desk.leave();
  }

  /** Every editor shows exactly its document, always; but for the line of a word that is not done. */
  private check(): void {
    if (this.room.thrown) throw this.room.thrown;
    for (const desk of this.desks) {
      const { doc, view, text } = desk;
      if (view.state.readOnly) continue;
      if (this.word?.desk === desk) {
        const { from, text: word } = this.word;
        const is = view.state.sliceDoc(from, from + word.length);
        if (is !== word) throw new Error(`the word ${word} has become ${is}`);
        if (text !== normalise(doc.text)) this.count("held");
        continue;
      }
      const wanted = normalise(doc.text);
      if (text !== wanted) throw new Error(`${doc.agent} shows another text than its document has: ${difference(text, wanted)}`);
    }
  }

  private async end(): Promise<void> {
    const { room } = this;
    if (this.word) await this.endWord();
    this.check();
    room.network.weather = { delay: 50, lost: 0, twice: 0, refused: 0 };
    room.server.faults = { failure: 0, lostBroadcast: 0, poison: 0 };
    for (const desk of this.desks) if (desk.offline) desk.setOffline(false);
    for (const { device, user } of this.devices)
      if (!this.desks.some(({ doc }) => doc.user === user)) this.desks.push(this.open(device, user));
    const limit = room.world.now + 60 * 60_000;
    do {
      if (room.world.now > limit) throw new Error(`no end: ${JSON.stringify(this.desks.map(({ doc }) => [doc.agent, doc.status, doc.save, doc.length]))}`);
      await room.calm(5_000);
    } while (!this.isDone());
    // Everybody's last move reaches the others.
    for (const desk of this.desks) this.select(desk);
    this.type(this.desks[0]!);
    await room.calm(400_000);
    this.check();
    this.compareCursors();
  }

  private isDone(): boolean {
    const text = this.room.server.whole().toString();
    return this.desks.every(({ doc }) => doc.save.allSaved && doc.status === "online" && doc.text === text);
  }

  private compareCursors(): void {
    for (const mine of this.desks) {
      const { anchor, head } = mine.view.state.selection.main;
      for (const other of this.desks) {
        if (other === mine) continue;
        if (other.text !== mine.text) throw new Error(`${other.doc.agent} and ${mine.doc.agent} show another text`);
        const shown = remoteCursors(other.view).find(({ agent }) => agent === mine.doc.agent);
        if (shown?.anchor !== anchor || shown.head !== head)
          throw new Error(`${mine.doc.agent} is at ${anchor}–${head}, and ${other.doc.agent} shows ${JSON.stringify(shown)}`);
        this.count("cursors");
      }
    }
  }
}

function difference(a: string, b: string): string {
  let at = 0;
  while (a[at] === b[at]) at++;
  const part = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 20));
  return `${part(a)} and ${part(b)} at ${at}`;
}
