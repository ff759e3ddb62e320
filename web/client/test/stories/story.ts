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
  access?: string | null;
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

/** What one connection sends to a server, and what all of them get. */
export interface ServerStep {
  by: string;
  /** A frame, or text that is none. */
  send?: Frame | string;
  /** Blanks make the frame as long as this. */
  bytes?: number;
  close?: true;
  /** By connection. */
  get?: Record<string, Frame[]>;
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
  access: (value) => value === null || isOneOf("none", "read", "write", "manage")(value),
};

/** What happens in a step, by name. */
export const actionOf = (step: Step): string => Object.keys(step).find((name) => name in ACTIONS)!;

const isStep: Check = (step) =>
  isObject(step) &&
  Object.keys(step).filter((name) => name in ACTIONS).length === 1 &&
  Object.entries(step).every(([name, value]) => (ACTIONS[name] ?? EXPECTATIONS[name])?.(value));

const isServerStep: Check = (step) =>
  isOf({ by: isText, "send?": (value) => isText(value) || isObject(value), "bytes?": isCount, "close?": isTrue, "get?": isObject })(step) &&
  "send" in step !== "close" in step &&
  Object.values(step.get ?? {}).every(isListOf(isObject));

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
  if (isOf({ repeat: isText, times: isCount })(value)) return value.repeat.repeat(value.times);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, defined(one, define)]));
}

/** The stories of a client, by file. */
export const storiesIn = (folder: URL): [file: string, stories: Story[]][] => filesIn(folder, isStep);

/** The stories of a server, by file. */
export const serverStoriesIn = (folder: URL): [file: string, stories: { name: string; rule: string; steps: ServerStep[] }[]][] =>
  filesIn(folder, isServerStep);

function filesIn(folder: URL, isStep: Check): [file: string, stories: any[]][] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return files.sort().map((file) => {
    const { define = {}, ...content } = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
    const isFile = isOf({ about: isText, stories: isListOf(isOf({ name: isText, rule: isText, steps: Array.isArray })) });
    const whole = defined(content, define);
    if (!isFile(whole)) throw new Error(`${file} is no file of stories`);
    for (const { name, steps } of whole.stories) {
      const odd = steps.find((step: any) => !isStep(step));
      if (odd || !steps.length) throw new Error(`${file}: ${name}: not understood: ${JSON.stringify(odd)}`);
    }
    return [file, whole.stories];
  });
}
