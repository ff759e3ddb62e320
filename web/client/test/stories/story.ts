// Stories: what happens to a client, and what it does then, as data that every client replays. The format is described
// in tests/stories/README.md. Here they are read, and what is not understood is refused.

import { readFileSync, readdirSync } from "node:fs";

/** One thing that happens, and what follows from it. */
export interface Step {
  connect?: true;
  disconnect?: true;
  /** A frame, or text that is none. */
  receive?: Frame | string;
  edit?: { at?: number; del?: number; ins?: string };
  /** ms that pass. */
  time?: number;
  store?: "slow" | "done" | "fails" | "works";
  restart?: true;
  look?: boolean;
  wake?: true;

  send?: Frame[];
  tell?: Told[];
  text?: string;
  unsaved?: number;
  sending?: number;
  synced?: boolean;
  gap?: boolean;
  agent?: string;
}

export type Frame = Record<string, any>;

/** What the application is told. */
export type Told =
  | { problem: string; retry: boolean }
  | { aside: string }
  | { connection: "dead" | "refused" };

export interface Story {
  name: string;
  rule: string;
  steps: Step[];
}

type Check = (value: any) => boolean;

const isTrue: Check = (value) => value === true;
const isFlag: Check = (value) => typeof value === "boolean";
const isText: Check = (value) => typeof value === "string";
const isCount: Check = (value) => Number.isInteger(value) && value >= 0;
const isObject: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isListOf = (check: Check): Check => (value) => Array.isArray(value) && value.every(check);
const isOneOf = (...words: string[]): Check => (value) => words.includes(value);
/** An object with these fields, those with a `?` if they are there, and no others. */
export const isOf = (fields: Record<string, Check>): Check => (value) =>
  isObject(value) &&
  Object.keys(value).every((name) => name in fields || `${name}?` in fields) &&
  Object.entries(fields).every(([name, check]) =>
    name.endsWith("?") ? !(name.slice(0, -1) in value) || check(value[name.slice(0, -1)]) : name in value && check(value[name]),
  );

const ACTIONS: Record<string, Check> = {
  connect: isTrue,
  disconnect: isTrue,
  receive: (value) => isText(value) || isObject(value),
  edit: isOf({ "at?": isCount, "del?": isCount, "ins?": isText }),
  time: isCount,
  store: isOneOf("slow", "done", "fails", "works"),
  restart: isTrue,
  look: isFlag,
  wake: isTrue,
};

const isTold: Check = (value) =>
  isOf({ problem: isText, retry: isFlag })(value) ||
  isOf({ aside: isText })(value) ||
  isOf({ connection: isOneOf("dead", "refused") })(value);

const EXPECTATIONS: Record<string, Check> = {
  send: isListOf(isObject),
  tell: isListOf(isTold),
  text: isText,
  unsaved: isCount,
  sending: isCount,
  synced: isFlag,
  gap: isFlag,
  agent: isText,
};

/** What happens in a step, by name. */
export const actionOf = (step: Step): string => Object.keys(step).find((name) => name in ACTIONS)!;

function checkStep(step: any): void {
  const names = isObject(step) ? Object.keys(step) : [];
  const isSound =
    names.filter((name) => name in ACTIONS).length === 1 &&
    names.every((name) => (ACTIONS[name] ?? EXPECTATIONS[name])?.(step[name]));
  if (!isSound) throw new Error(`not understood: ${JSON.stringify(step)}`);
}

/** The files of a folder of stories, by name, as JSON in which definitions stand in place of their names. */
export function* filesIn(folder: URL): Generator<[file: string, content: any]> {
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith(".json")) continue;
    const { define = {}, ...content } = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
    yield [file, defined(content, define)];
  }
}

/** Puts definitions in the place of their names, and a list that is named inside a list, element by element. */
function defined(value: any, define: Record<string, any>): any {
  if (typeof value === "string" && value.startsWith("@")) {
    if (!(value.slice(1) in define)) throw new Error(`${value} is not defined`);
    return defined(define[value.slice(1)], define);
  }
  if (Array.isArray(value)) {
    return value.flatMap((one) => {
      const whole = defined(one, define);
      return typeof one === "string" ? whole : [whole];
    });
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, defined(one, define)]));
}

/** The stories of a client, by file. */
export function* storiesIn(folder: URL): Generator<[file: string, stories: Story[]]> {
  for (const [file, content] of filesIn(folder)) {
    const isFile = isOf({ about: isText, stories: isListOf(isOf({ name: isText, rule: isText, steps: (value) => Array.isArray(value) && value.length > 0 })) });
    if (!isFile(content)) throw new Error(`${file} is no file of stories`);
    for (const { name, steps } of content.stories) {
      try {
        steps.forEach(checkStep);
      } catch (error) {
        throw new Error(`${file}: ${name}: ${(error as Error).message}`);
      }
    }
    yield [file, content.stories];
  }
}
