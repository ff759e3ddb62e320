// What a client or a server chooses for itself, and a story cannot know: it is named where it is first met, and the name
// stands for it from then on.

import assert from "node:assert/strict";
import type { Frame } from "./story.js";

const NAME = /\{([a-z]\w*)\}/g;

export class Names {
  readonly #values = new Map<string, string>();
  readonly #refs = new Map<string, unknown>();

  /** What is expected, with every name that is met for the first time standing for what is there instead. */
  met(expected: any, actual: any): any {
    if (typeof expected === "string") {
      if (typeof actual === "string") this.#learn(expected, actual);
      return this.#filled(expected);
    }
    if (Array.isArray(expected)) return expected.map((one, i) => this.met(one, actual?.[i]));
    if (typeof expected !== "object" || expected === null) return expected;
    // What names an agent comes before what is said of it.
    return Object.fromEntries(
      Object.entries(expected).map(([key, value]) => {
        const name = this.#filled(key);
        return [name, this.met(value, actual?.[name])];
      }),
    );
  }

  /** A value in which names stand for what they stand for. */
  filled(value: any): any {
    return this.met(value, undefined);
  }

  /** A request that the client made: its `ref`, whatever it is, has a name from now on. */
  requested(expected: Frame, actual: Frame): void {
    if (typeof expected.ref !== "string" || actual.ref === undefined) return;
    this.#refs.set(expected.ref, actual.ref);
    actual.ref = expected.ref;
  }

  /** The `ref` of the last request of this name. */
  refOf(name: string): unknown {
    assert.ok(this.#refs.has(name), `no request is called ${name}`);
    return this.#refs.get(name);
  }

  #learn(expected: string, actual: string): void {
    const unknown: string[] = [];
    const pattern = expected.split(NAME).map((part, i) => {
      if (i % 2 === 0) return escaped(part);
      const value = this.#values.get(part);
      if (value !== undefined) return escaped(value);
      unknown.push(part);
      return "(\\S+)";
    });
    const found = new RegExp(`^${pattern.join("")}$`).exec(actual);
    if (!found) return;
    for (const [i, name] of unknown.entries()) {
      const value = found[i + 1]!;
      // What is new is not what another name stands for.
      if (![...this.#values.values()].includes(value)) this.#values.set(name, value);
    }
  }

  #filled(text: string): string {
    return text.replace(NAME, (whole, name) => this.#values.get(name) ?? whole);
  }
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
