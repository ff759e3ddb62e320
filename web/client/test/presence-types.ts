// What may be shown to others, as far as types can say; `npm run typecheck` is the test. Nothing here is run.

import type { Anchor, InklogDocument, JsonObject } from "../src/index.js";
import { presenceOf } from "../src/presence.js";

interface Me {
  name: string;
  color?: string;
  cursor: Anchor | null;
  marks: readonly { from: Anchor; tags: string[] }[];
}

export function states(doc: InklogDocument, me: Me, anchor: Anchor, some: JsonObject): void {
  const presence = presenceOf<Me>(doc);
  presence.set(me);
  presence.set({ name: "Ada", cursor: anchor, marks: [{ from: anchor, tags: [] }] });
  presence.set(null);
  for (const { user, state } of presence.others.values()) {
    const [name, color, cursor]: [string, string | undefined, Anchor | null] = [state.name, state.color, state.cursor];
    void [user, name, color, cursor];
    // @ts-expect-error: nobody said that they show this
    void state.nickname;
  }

  // Without a type, whatever is an object in JSON.
  const any = presenceOf(doc);
  any.set(me);
  any.set(some);
  any.set({ name: "Ada", at: { line: 1, selection: undefined } });
  for (const { state } of any.others.values()) void state["name"];

  // A tree of any depth.
  interface Tree {
    label: string;
    children: Tree[];
  }
  presenceOf<Tree>(doc).set({ label: "root", children: [] });
  any.set({} as Tree);
  presenceOf<JsonObject>(doc).set(some);
}

class Person {
  constructor(readonly name: string) {}
  greet(): void {}
}

export function refused(doc: InklogDocument, me: Me): void {
  const presence = presenceOf<Me>(doc);
  // @ts-expect-error: `null` takes the state away
  presence.set(undefined);
  // @ts-expect-error: something is missing
  presence.set({ name: "Ada" });
  // @ts-expect-error: something is misspelt
  presence.set({ ...me, colour: "red" });
  // @ts-expect-error: an object
  presence.set("Ada");

  const any = presenceOf(doc);
  // @ts-expect-error: `null` takes the state away
  any.set(undefined);
  // @ts-expect-error: an object
  any.set("Ada");
  // @ts-expect-error: an object
  any.set(7);
  // @ts-expect-error: an object
  any.set(["Ada"]);
  // @ts-expect-error: an object
  any.set(() => me);
  // @ts-expect-error: JSON knows no functions
  any.set({ name: "Ada", greet() {} });
  // @ts-expect-error: JSON knows no symbols
  any.set({ name: Symbol("Ada") });
  // @ts-expect-error: JSON knows no bigints
  any.set({ at: 7n });
  // @ts-expect-error: JSON writes nothing of a Map
  any.set(new Map([["name", "Ada"]]));
  // @ts-expect-error: JSON writes nothing of a Map, wherever it is
  any.set({ marks: new Map([["name", "Ada"]]) });
  // @ts-expect-error: what comes is a string
  any.set({ since: new Date() });
  // @ts-expect-error: methods do not travel
  any.set(new Person("Ada"));
  // @ts-expect-error: in a list, JSON writes null for it
  any.set({ marks: ["a", undefined] });

  interface Odd {
    name: string;
    greet: () => void;
  }
  // @ts-expect-error: JSON knows no functions
  presenceOf<Odd>(doc);
  // @ts-expect-error: what comes is a string
  presenceOf<{ since: Date }>(doc);
  // @ts-expect-error: a state is an object
  presenceOf<string[]>(doc).set([]);
  // @ts-expect-error: JSON knows no bigints
  presenceOf<{ at: bigint | null }>(doc);
}
