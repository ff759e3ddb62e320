// First, simple version: every operation walks the whole document.
import { MAX_DELETE, idCount, opText } from "./compose.js";
import { EventError } from "./errors.js";
import { idText, isAgent, parseId } from "./id.js";
import type { Anchor, Applied, Change, IdRange, WireEvent, WireOp } from "./types.js";

interface Node {
  agent: string;
  seq: number;
  char: string | null;
  kids: [Node[], Node[]];
}

const node = (agent: string, seq: number, char: string | null): Node => ({ agent, seq, char, kids: [[], []] });
const before = (a: Node, b: Node) => (a.agent === b.agent ? a.seq < b.seq : a.agent < b.agent);

export class TextDoc {
  readonly version = new Map<string, number>();
  readonly #root = node("", -1, null);
  readonly #byId = new Map<string, Node>();
  #waiting: WireEvent[] = [];
  #order: Node[] | null = [];

  static decode(_bytes: Uint8Array): TextDoc {
    throw new Error("not there yet");
  }
  encode(): Uint8Array {
    throw new Error("not there yet");
  }
  mergeState(_bytes: Uint8Array, _changes?: Change[]): void {
    throw new Error("not there yet");
  }

  #nodes(): Node[] {
    if (this.#order) return this.#order;
    const out: Node[] = [];
    const todo: (Node | [Node])[] = [this.#root];
    for (let at; (at = todo.pop()); ) {
      if (Array.isArray(at)) out.push(at[0]);
      else todo.push(...[...at.kids[0], [at] as [Node], ...at.kids[1]].reverse());
    }
    return (this.#order = out.slice(1));
  }

  get length(): number {
    return this.toString().length;
  }
  toString(): string {
    return this.#nodes().map((n) => n.char ?? "").join("");
  }
  slice(from: number, to: number): string {
    return this.toString().slice(from, to);
  }
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** How many units stand before a node. */
  #indexOf(of: Node): number {
    let at = 0;
    for (const n of this.#nodes()) {
      if (n === of) break;
      at += n.char?.length ?? 0;
    }
    return at;
  }

  /** The place in the order of the visible node that holds unit `at`; -1 beyond the end. */
  #nodeAt(at: number): number {
    let i = 0;
    return this.#nodes().findIndex((n) => (i += n.char?.length ?? 0) > at);
  }

  insert(agent: string, at: number, text: string): WireOp {
    const seq = this.version.get(agent) ?? 0;
    const all = this.#nodes();
    const beforeAt = at > 0 ? this.#nodeAt(at - 1) : -1;
    const half = beforeAt >= 0 && this.#indexOf(all[beforeAt]!) + all[beforeAt]!.char!.length > at;
    if (half) return this.insert(agent, at - 1, text);
    const left = all[beforeAt] ?? this.#root;
    const next = all[beforeAt + 1];
    const anchor = left.kids[1].length
      ? { right: idText(next!.agent, next!.seq) }
      : { left: left === this.#root ? null : idText(left.agent, left.seq) };
    const op: WireOp = { type: "insert", id: idText(agent, seq), text: text.toWellFormed(), ...anchor };
    this.apply({ agent, after: seq, ops: [op] });
    return op;
  }

  delete(agent: string, at: number, len: number): WireOp[] {
    const ops: WireOp[] = [];
    const start = this.version.get(agent) ?? 0;
    let seq = start;
    for (const { agent: owner, seq: first, len: ids } of this.ids(at, len)) {
      for (let done = 0; done < ids; done += MAX_DELETE) {
        const n = Math.min(MAX_DELETE, ids - done);
        ops.push({ type: "delete", id: idText(agent, seq), target: idText(owner, first + done), len: n });
        seq += n;
      }
    }
    if (ops.length) this.apply({ agent, after: start, ops });
    return ops;
  }

  apply(event: WireEvent, changes: Change[] = []): Applied {
    if (!isAgent(event.agent) || event.ops.length === 0) throw new EventError("no agent or no ops");
    const end = this.version.get(event.agent) ?? 0;
    if (event.after < end) return "repeat";
    if (event.after > end || !this.#ready(event)) {
      if (!this.#waiting.some((w) => w.agent === event.agent && w.after === event.after)) this.#waiting.push(event);
      return "waits";
    }
    for (const op of event.ops) this.#perform(op, changes);
    const last = event.ops[event.ops.length - 1]!;
    this.version.set(event.agent, parseId(last.id).seq + idCount(last));
    this.#release(changes);
    return "now";
  }

  #release(changes: Change[]): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const event of waiting) this.apply(event, changes);
  }

  #ready(event: WireEvent): boolean {
    return event.ops.every((op) => {
      const ref = op.type === "delete" ? op.target : (op.left ?? op.right);
      if (ref == null) return true;
      const id = parseId(ref);
      const end = id.seq + (op.type === "delete" ? (op.len ?? 1) : 1);
      return id.agent === event.agent || end <= (this.version.get(id.agent) ?? 0);
    });
  }

  #perform(op: WireOp, changes: Change[]): void {
    const { agent, seq } = parseId(op.id);
    if (op.type === "delete") {
      const target = parseId(op.target);
      for (let i = 0; i < (op.len ?? 1); i++) this.#kill(idText(target.agent, target.seq + i), changes);
      return;
    }
    const ref = op.left ?? op.right;
    let parent = ref == null ? this.#root : this.#byId.get(ref);
    if (!parent) return;
    let side: 0 | 1 = op.right === undefined ? 1 : 0;
    const chars = op.len === undefined ? [...opText(op)] : Array<null>(op.len).fill(null);
    chars.forEach((char, i) => {
      const now = node(agent, seq + i, char);
      const kids: Node[] = parent!.kids[side];
      const at = kids.findIndex((kid) => before(now, kid));
      kids.splice(at < 0 ? kids.length : at, 0, now);
      this.#byId.set(idText(agent, seq + i), now);
      [parent, side, this.#order] = [now, 1, null];
      if (char !== null) changes.push({ at: this.#indexOf(now), del: 0, ins: char });
    });
  }

  #kill(id: string, changes: Change[]): void {
    const at = this.#byId.get(id);
    if (!at || at.char === null) return;
    changes.push({ at: this.#indexOf(at), del: at.char.length, ins: "" });
    at.char = null;
  }

  mergeOps(ops: WireOp[], version: Record<string, number>, changes: Change[] = []): void {
    for (const op of ops) {
      if (op.type !== "insert") throw new EventError("a state holds inserts");
      const { agent, seq } = parseId(op.id);
      const chars = op.len === undefined ? [...opText(op)] : Array<null>(op.len).fill(null);
      chars.forEach((char, i) => {
        const id = idText(agent, seq + i);
        if (this.#byId.has(id)) {
          if (char === null) this.#kill(id, changes);
          return;
        }
        const anchor = i > 0 ? { left: idText(agent, seq + i - 1) } : { left: op.left, right: op.right };
        const content = char === null ? { len: 1 } : { text: char };
        this.#perform({ type: "insert", id, ...anchor, ...content } as WireOp, changes);
      });
    }
    for (const [agent, end] of Object.entries(version)) {
      if (end > (this.version.get(agent) ?? 0)) this.version.set(agent, end);
    }
    this.#release(changes);
  }

  anchor(at: number, side: -1 | 1): Anchor {
    const found = side < 0 ? (at > 0 ? this.#nodeAt(at - 1) : -1) : this.#nodeAt(at);
    const n = this.#nodes()[found];
    return { id: n ? idText(n.agent, n.seq) : null, side };
  }

  position(anchor: Anchor): number {
    const n = anchor.id === null ? undefined : this.#byId.get(anchor.id);
    if (!n) return anchor.side < 0 ? 0 : this.length;
    return this.#indexOf(n) + (anchor.side < 0 ? (n.char?.length ?? 0) : 0);
  }

  ids(at: number, len: number): IdRange[] {
    const out: IdRange[] = [];
    let i = 0;
    for (const n of this.#nodes()) {
      const start = i;
      i += n.char?.length ?? 0;
      if (n.char === null || i <= at || start >= at + len) continue;
      const last = out[out.length - 1];
      if (last && last.agent === n.agent && last.seq + last.len === n.seq) last.len++;
      else out.push({ agent: n.agent, seq: n.seq, len: 1 });
    }
    return out;
  }

  find(range: IdRange): { at: number; len: number }[] {
    const out: { at: number; len: number }[] = [];
    let at = 0;
    for (const n of this.#nodes()) {
      const len = n.char?.length ?? 0;
      if (len && n.agent === range.agent && n.seq >= range.seq && n.seq < range.seq + range.len) {
        const last = out[out.length - 1];
        if (last && last.at + last.len === at) last.len += len;
        else out.push({ at, len });
      }
      at += len;
    }
    return out;
  }
}
