// The rules of the CRDT, written as plainly as can be: a tree of nodes, walked whole for every question. What the real
// one is held against.
import type { WireEvent, WireOp } from "../../src/crdt/index.js";

interface Node {
  agent: string;
  seq: number;
  char: string | null;
  left: Node[];
  right: Node[];
}

const idOf = (agent: string, seq: number) => `${agent}-${seq}`;
const split = (id: string): [string, number] => {
  const dash = id.lastIndexOf("-");
  return [id.slice(0, dash), Number(id.slice(dash + 1))];
};
const textOf = (op: WireOp) => (op.type === "insert" ? (op.text ?? op.char ?? "") : "");
const countOf = (op: WireOp) => (op.type === "insert" ? [...textOf(op)].length : (op.len ?? 1));

export class Oracle {
  readonly version = new Map<string, number>();
  readonly #start: Node = { agent: "", seq: -1, char: null, left: [], right: [] };
  readonly #nodes = new Map<string, Node>();
  readonly #events = new Map<string, WireEvent>();

  /** Takes events in any order. */
  apply(event: WireEvent): void {
    this.#events.set(`${event.agent} ${event.after}`, event);
    while ([...this.#events].some(([key, waiting]) => this.#isReady(waiting) && this.#perform(key, waiting)));
  }

  #isReady({ agent, after, ops }: WireEvent): boolean {
    if (after !== (this.version.get(agent) ?? 0)) return false;
    return ops.every((op) => {
      const ref = op.type === "delete" ? op.target : (op.left ?? op.right ?? null);
      if (ref === null) return true;
      const [owner, seq] = split(ref);
      const last = op.type === "delete" ? seq + countOf(op) : seq + 1;
      return owner === agent || last <= (this.version.get(owner) ?? 0);
    });
  }

  #perform(key: string, { agent, ops }: WireEvent): boolean {
    this.#events.delete(key);
    for (const op of ops) {
      const [, seq] = split(op.id);
      if (op.type === "delete") this.#delete(op.target, countOf(op));
      else this.#insert(agent, seq, op);
      this.version.set(agent, seq + countOf(op));
    }
    return true;
  }

  #insert(agent: string, seq: number, op: WireOp & { type: "insert" }): void {
    const ref = op.left ?? op.right ?? null;
    let parent = ref === null ? this.#start : this.#nodes.get(ref);
    if (!parent) return;
    let side: "left" | "right" = op.right === undefined ? "right" : "left";
    for (const char of textOf(op)) {
      const node: Node = { agent, seq, char, left: [], right: [] };
      parent[side].push(node);
      parent[side].sort((a, b) => (a.agent === b.agent ? a.seq - b.seq : a.agent < b.agent ? -1 : 1));
      this.#nodes.set(idOf(agent, seq++), node);
      parent = node;
      side = "right";
    }
  }

  #delete(target: string, len: number): void {
    const [agent, seq] = split(target);
    for (let i = 0; i < len; i++) {
      const node = this.#nodes.get(idOf(agent, seq + i));
      if (node) node.char = null;
    }
  }

  toString(): string {
    let text = "";
    const todo: { node: Node; self: boolean }[] = [{ node: this.#start, self: false }];
    for (let step; (step = todo.pop()); ) {
      const { node, self } = step;
      if (self) text += node.char ?? "";
      else {
        const below = (nodes: Node[]) => nodes.map((kid) => ({ node: kid, self: false }));
        todo.push(...[...below(node.left), { node, self: true }, ...below(node.right)].reverse());
      }
    }
    return text;
  }
}
