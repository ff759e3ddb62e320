// A plain `<textarea>` on a shared document: the text both ways, the selection kept where it was, undo of one's own
// edits. A textarea says only that its text has become another, so its edits are found by comparing; and it loses an
// input method's half-written word when its text is set, so others' edits wait until the word is written.

import type { Anchor, Change } from "./crdt/index.js";
import type { DocumentEvents, InklogDocument } from "./index.js";
import { presenceOf, shortName } from "./presence.js";
import { undoOf } from "./undo.js";
import { LineMap, normalise, wellFormed, type View, type ViewChange } from "./lines.js";

export interface TextareaOptions {
  /** The user whom others see, with the caret. Without it, the textarea sets no presence. */
  user?: { name: string; color: string };
}

interface Held {
  start: number;
  end: number;
  from: Anchor;
  to: Anchor;
}

interface Shown {
  value: string;
  caret: number;
}

/** So many edits of others that wait are looked at one by one; of more only what they make of the text. */
const WAITING_MAX = 1_000;

/**
 * Binds a textarea to a document; returns a function that unbinds them. Until the document is ready, and after it is
 * closed, the textarea takes no input; otherwise `readOnly` and `disabled` decide, which belong to the application. While
 * `doc.readOnly` is true, `readOnly` is too, and afterwards what it was.
 */
export function bindTextarea(doc: InklogDocument, element: HTMLTextAreaElement, options: TextareaOptions = {}): () => void {
  const ending = new AbortController();
  let binding: TextareaBinding | null = null;
  const begin = () => {
    if (binding || ending.signal.aborted || doc.status === "closed") return;
    binding = new TextareaBinding(doc, element, options);
  };
  const step = (which: "undo" | "redo", event: Event) => {
    if (element.readOnly || element.matches(":disabled")) return;
    event.preventDefault();
    if (doc.status !== "closed") binding?.step(which);
  };
  const on = (target: EventTarget, type: string, listener: (event: any) => void) =>
    target.addEventListener(type, listener, { signal: ending.signal });
  // What cannot be refused before it is done, an input method's word, is taken back.
  let before = element.value;
  on(element, "beforeinput", (event: InputEvent) => {
    before = element.value;
    if (event.inputType === "historyUndo") step("undo", event);
    else if (event.inputType === "historyRedo") step("redo", event);
    else if (!binding || doc.readOnly || doc.status === "closed") event.preventDefault();
  });
  on(element, "input", () => {
    if (binding) binding.input();
    else element.value = before;
  });
  on(element, "keydown", (event: KeyboardEvent) => {
    if (!event.isComposing) binding?.hold("drag", false);
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing) return;
    const key = event.key.toLowerCase();
    if (key === "z") step(event.shiftKey ? "redo" : "undo", event);
    else if (key === "y" && !event.shiftKey) step("redo", event);
  });
  on(element, "compositionstart", () => binding?.hold("word", true));
  for (const type of ["compositionend", "blur"]) on(element, type, () => binding?.hold("word", false));
  on(element, "dragstart", () => binding?.hold("drag", true));
  for (const type of ["dragend", "pointerdown"]) on(element, type, () => binding?.hold("drag", false));
  for (const type of ["keyup", "pointerup", "focus", "select"]) on(element, type, () => binding?.select());
  on(element.ownerDocument, "selectionchange", () => binding?.select());
  /** The application's own setting, while it is overridden. */
  let ownReadOnly: boolean | null = null;
  const unlock = () => {
    if (ownReadOnly !== null) element.readOnly = ownReadOnly;
    ownReadOnly = null;
  };
  const lock = () => {
    if (!doc.readOnly) return unlock();
    ownReadOnly ??= element.readOnly;
    // An input method ends its word only when the element loses the focus.
    const isWriting = !!binding?.isComposing && element.ownerDocument.activeElement === element;
    if (isWriting) element.blur();
    element.readOnly = true;
    if (isWriting) element.focus();
    for (const what of ["word", "drag"] as const) binding?.hold(what, false);
  };
  lock();
  const stops = [
    unlock,
    doc.on("access", lock),
    doc.on("change", (change) => binding?.follow(change)),
    // A document that this device does not know yet can be begun without the server; its text joins what comes.
    doc.on("status", (status) => void (status === "offline" && begin())),
  ];
  ending.signal.addEventListener("abort", () => {
    for (const stop of stops) stop();
    binding?.end();
  });
  void doc.ready.then(begin);
  return () => ending.abort();
}

class TextareaBinding {
  readonly #doc: InklogDocument;
  readonly #element: HTMLTextAreaElement;
  readonly #options: TextareaOptions;
  #lines!: LineMap;
  /** The textarea's text as the document has it, or had it when others' edits began to wait. */
  #value!: string;
  /** The document's text then. */
  #text!: string;
  #held: Held | null = null;
  #own: "edit" | "step" | "late" | null = null;
  /** Why others' edits wait: an input method writes a word, or text is being dragged. */
  readonly #holds = new Set<"word" | "drag">();
  #waiting: Change[] = [];
  /** What the textarea showed after each input since others' edits wait. */
  #shown: Shown[] = [];

  constructor(doc: InklogDocument, element: HTMLTextAreaElement, options: TextareaOptions) {
    this.#doc = doc;
    this.#element = element;
    this.#options = options;
    // It takes notes from now on.
    undoOf(doc);
    this.#read();
    if (element.value !== this.#value) element.value = this.#value;
    this.select();
  }

  /** The textarea's text has become another. */
  input(): void {
    const { value, selectionEnd: caret } = this.#element;
    if (this.#isLocked) this.#catchUp();
    else if (this.#waiting.length > 0) this.#shown.push({ value, caret });
    else {
      const change = difference(this.#value, value, caret);
      if (!change) return;
      const insert = wellFormed(change.insert);
      const edit = this.#lines.local({ ...change, insert }, viewOf(this.#value));
      this.#value = splice(this.#value, change.from, change.to, insert);
      this.#text = splice(this.#text, edit.at, edit.at + edit.del, edit.ins);
      try {
        this.#edit("edit", [edit]);
      } catch (error) {
        this.#waiting = [];
        throw error;
      } finally {
        // Others' edits may have come with it, in the middle of a word.
        if (!this.#waiting.length) this.#catchUp();
      }
      this.select();
    }
  }

  get isComposing(): boolean {
    return this.#holds.has("word");
  }

  get #isLocked(): boolean {
    return this.#doc.readOnly || this.#doc.status === "closed";
  }

  /** The document has changed. */
  follow({ changes, origin }: DocumentEvents["change"]): void {
    if (this.#own === "edit" && origin === "local") this.#own = null;
    else if (this.#own === "late") return;
    else if (this.#holds.size > 0) {
      for (const change of changes) this.#waiting.push(change);
      if (this.#waiting.length > WAITING_MAX) this.#waiting = [difference(this.#text, this.#doc.text)].flatMap(changeOf);
    } else if (this.#own === "step" && origin !== "remote") {
      const { at, ins } = changes.at(-1)!;
      this.#catchUp();
      const place = this.#lines.toView(at + ins.length);
      this.#element.setSelectionRange(place, place);
      this.select();
    } else this.#catchUp(this.#held);
  }

  /** Others' edits wait from now on, or come, when nothing else holds them. */
  hold(what: "word" | "drag", isOn: boolean): void {
    const isHeld = this.#holds.size > 0;
    if (isOn) this.#holds.add(what);
    else this.#holds.delete(what);
    if (isHeld === this.#holds.size > 0) return;
    if (isOn) undoOf(this.#doc).composing = true;
    else {
      try {
        if (this.#waiting.length > 0) this.#release();
        else this.input();
      } finally {
        undoOf(this.#doc).composing = false;
      }
    }
  }

  /** Whether others' edits wait or not, the textarea is this binding's no more. */
  end(): void {
    if (this.#holds.size > 0) undoOf(this.#doc).composing = false;
  }

  step(which: "undo" | "redo"): void {
    this.#own = "step";
    try {
      const undoStack = undoOf(this.#doc);
      if (which === "undo") undoStack.undo();
      else undoStack.redo();
    } finally {
      this.#own = null;
    }
  }

  /** Remembers the selection as places in the text. */
  select(): void {
    const { selectionStart: start, selectionEnd: end, value } = this.#element;
    if (this.#holds.size > 0 || value !== this.#value || (this.#held?.start === start && this.#held.end === end)) return;
    const from = this.#doc.anchor(this.#lines.toDoc(start), start < end ? 1 : -1);
    const to = this.#doc.anchor(this.#lines.toDoc(end), -1);
    this.#held = { start, end, from, to };
    const { user } = this.#options;
    if (!user) return;
    const backward = this.#element.selectionDirection === "backward";
    const cursor = backward ? { anchor: to, head: from } : { anchor: from, head: to };
    presenceOf(this.#doc).set({ ...user, name: shortName(user.name), cursor });
  }

  /** What was done here while others' edits waited, is carried over these: both went on from the same text. */
  #release(): void {
    const doc = this.#doc;
    const lines = this.#lines;
    const { value, selectionEnd } = this.#element;
    const done = this.#isLocked ? [] : (isDrag(this.#value, this.#shown) ?? [difference(this.#value, value, selectionEnd)]);
    let held = this.#held;
    try {
      for (const change of done) {
        if (!change) continue;
        const [place, parts] = carried(lines.toDoc(change.from), lines.toDoc(change.to), this.#waiting);
        this.#edit("late", parts.reverse().map(([from, to]) => ({ at: from, del: to - from, ins: "" })));
        const { text } = doc;
        const now = new LineMap(text);
        const at = now.toView(place);
        const edit = now.local({ from: at, to: at, insert: wellFormed(change.insert) }, viewOf(normalise(text)));
        if (edit.ins) this.#edit("late", [edit]);
        const caret = doc.anchor(edit.at + edit.ins.length, -1);
        if (change.insert || !held) held = { start: -1, end: -1, from: caret, to: caret };
      }
    } finally {
      this.#waiting = [];
      this.#shown = [];
      this.#catchUp(held, held !== this.#held);
    }
    this.select();
  }

  #read(): void {
    this.#text = this.#doc.text;
    this.#lines = new LineMap(this.#text);
    this.#value = normalise(this.#text);
  }

  /** Shows the document's text, and the selection at its places; `always`, or when it is the held one. */
  #catchUp(held: Held | null = null, always = false): void {
    this.#read();
    const element = this.#element;
    const { selectionStart, selectionEnd, selectionDirection } = element;
    const change = difference(element.value, this.#value);
    if (change) element.setRangeText(change.insert, change.from, change.to, "preserve");
    if (!held || !(always || (held.start === selectionStart && held.end === selectionEnd))) return;
    const start = this.#lines.toView(this.#doc.position(held.from));
    const end = Math.max(start, this.#lines.toView(this.#doc.position(held.to)));
    if (element.selectionStart !== start || element.selectionEnd !== end)
      element.setSelectionRange(start, end, selectionDirection);
    this.#held = { ...held, start, end };
  }

  #edit(own: "edit" | "late", edits: Change[]): void {
    this.#own = own;
    try {
      this.#doc.edit(edits);
    } finally {
      this.#own = null;
    }
  }
}

const changeOf = (change: ViewChange | null): Change[] =>
  change ? [{ at: change.from, del: change.to - change.from, ins: change.insert }] : [];

/** Text that was moved, as two changes of the text before, the later one first; `null` when it was something else. */
function isDrag(before: string, [first, second, ...more]: readonly Shown[]): ViewChange[] | null {
  if (!first || !second || more.length > 0) return null;
  const gone = difference(before, first.value, first.caret);
  const come = difference(first.value, second.value, second.caret);
  if (!gone || gone.insert || !come || come.from < come.to) return null;
  if (come.from <= gone.from) return [gone, come];
  const from = come.from + gone.to - gone.from;
  return [{ ...come, from, to: from }, gone];
}

const viewOf = (value: string): View => ({
  isBreak: (at) => value[at] === "\n",
  get breaks() {
    return value.split("\n").length - 1;
  },
});

const splice = (text: string, from: number, to: number, insert: string) => text.slice(0, from) + insert + text.slice(to);

/** The smallest change that makes one text of another, without cutting through a surrogate pair. Where several do, as
 * with one of two equal letters, the one that ends at the caret. */
function difference(before: string, after: string, caret = after.length): ViewChange | null {
  if (before === after) return null;
  let same = after.length - caret;
  if (!before.endsWith(after.slice(caret))) same = 0;
  const most = Math.min(before.length, after.length);
  let from = 0;
  while (from < most - same && before[from] === after[from]) from++;
  if (from > 0 && isHigh(before, from - 1)) from--;
  while (same < most - from && before[before.length - 1 - same] === after[after.length - 1 - same]) same++;
  if (same > 0 && isHigh(before, before.length - same - 1)) same--;
  return { from, to: before.length - same, insert: after.slice(from, after.length - same) };
}

const isHigh = (text: string, at: number) => (text.charCodeAt(at) & 0xfc00) === 0xd800;

/** A place, and the parts that are left of the range from it, after changes made one after the other. */
function carried(at: number, end: number, changes: readonly Change[]): [place: number, parts: [number, number][]] {
  let place = at;
  let parts: [number, number][] = at < end ? [[at, end]] : [];
  for (const { at, del, ins } of changes) {
    const move = (p: number) => (p <= at ? p : Math.max(at, p - del) + ins.length);
    place = move(place);
    parts = parts.flatMap(([from, to]): [number, number][] =>
      from < at && to > at + del
        ? [[from, at], [at + ins.length, to - del + ins.length]]
        : from < at
          ? [[from, Math.min(to, at)]]
          : [[Math.max(from, at + del) - del + ins.length, to - del + ins.length]],
    ).filter(([from, to]) => from < to);
  }
  return [place, parts];
}
