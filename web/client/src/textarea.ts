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
 * closed, the textarea takes no input; otherwise `readOnly` and `disabled` decide, which belong to the application.
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
    else if (!binding || doc.status === "closed") event.preventDefault();
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
  const stops = [
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
  private _lines!: LineMap;
  /** The textarea's text as the document has it, or had it when others' edits began to wait. */
  private _value!: string;
  /** The document's text then. */
  private _text!: string;
  private _held: Held | null = null;
  private _own: "edit" | "step" | "late" | null = null;
  /** Why others' edits wait: an input method writes a word, or text is being dragged. */
  private readonly _holds = new Set<"word" | "drag">();
  private _waiting: Change[] = [];
  /** What the textarea showed after each input since others' edits wait. */
  private _shown: Shown[] = [];

  constructor(
    private readonly _doc: InklogDocument,
    private readonly _element: HTMLTextAreaElement,
    private readonly _options: TextareaOptions,
  ) {
    // It takes notes from now on.
    undoOf(_doc);
    this._read();
    if (_element.value !== this._value) _element.value = this._value;
    this.select();
  }

  /** The textarea's text has become another. */
  input(): void {
    const { value, selectionEnd: caret } = this._element;
    if (this._doc.status === "closed") this._catchUp();
    else if (this._waiting.length > 0) this._shown.push({ value, caret });
    else {
      const change = difference(this._value, value, caret);
      if (!change) return;
      const insert = wellFormed(change.insert);
      const edit = this._lines.local({ ...change, insert }, viewOf(this._value));
      this._value = splice(this._value, change.from, change.to, insert);
      this._text = splice(this._text, edit.at, edit.at + edit.del, edit.ins);
      try {
        this._edit("edit", [edit]);
      } catch (error) {
        this._waiting = [];
        throw error;
      } finally {
        // Others' edits may have come with it, in the middle of a word.
        if (!this._waiting.length) this._catchUp();
      }
      this.select();
    }
  }

  /** The document has changed. */
  follow({ changes, origin }: DocumentEvents["change"]): void {
    if (this._own === "edit" && origin === "local") this._own = null;
    else if (this._own === "late") return;
    else if (this._holds.size > 0) {
      for (const change of changes) this._waiting.push(change);
      if (this._waiting.length > WAITING_MAX) this._waiting = [difference(this._text, this._doc.text)].flatMap(changeOf);
    } else if (this._own === "step" && origin !== "remote") {
      const { at, ins } = changes.at(-1)!;
      this._catchUp();
      const place = this._lines.toView(at + ins.length);
      this._element.setSelectionRange(place, place);
      this.select();
    } else this._catchUp(this._held);
  }

  /** Others' edits wait from now on, or come, when nothing else holds them. */
  hold(what: "word" | "drag", isOn: boolean): void {
    const isHeld = this._holds.size > 0;
    if (isOn) this._holds.add(what);
    else this._holds.delete(what);
    if (isHeld === this._holds.size > 0) return;
    if (isOn) undoOf(this._doc).composing = true;
    else {
      try {
        if (this._waiting.length > 0) this._release();
        else this.input();
      } finally {
        undoOf(this._doc).composing = false;
      }
    }
  }

  /** Whether others' edits wait or not, the textarea is this binding's no more. */
  end(): void {
    if (this._holds.size > 0) undoOf(this._doc).composing = false;
  }

  step(which: "undo" | "redo"): void {
    this._own = "step";
    try {
      undoOf(this._doc)[which]();
    } finally {
      this._own = null;
    }
  }

  /** Remembers the selection as places in the text. */
  select(): void {
    const { selectionStart: start, selectionEnd: end, value } = this._element;
    if (this._holds.size > 0 || value !== this._value || (this._held?.start === start && this._held.end === end)) return;
    const from = this._doc.anchor(this._lines.toDoc(start), start < end ? 1 : -1);
    const to = this._doc.anchor(this._lines.toDoc(end), -1);
    this._held = { start, end, from, to };
    const { user } = this._options;
    if (!user) return;
    const backward = this._element.selectionDirection === "backward";
    const cursor = backward ? { anchor: to, head: from } : { anchor: from, head: to };
    presenceOf(this._doc).set({ ...user, name: shortName(user.name), cursor });
  }

  /** What was done here while others' edits waited, is carried over these: both went on from the same text. */
  private _release(): void {
    const { _doc: doc, _lines: lines } = this;
    const { value, selectionEnd } = this._element;
    const done = isDrag(this._value, this._shown) ?? [difference(this._value, value, selectionEnd)];
    let held = this._held;
    try {
      for (const change of done) {
        if (!change) continue;
        const [place, parts] = carried(lines.toDoc(change.from), lines.toDoc(change.to), this._waiting);
        this._edit("late", parts.reverse().map(([from, to]) => ({ at: from, del: to - from, ins: "" })));
        const { text } = doc;
        const now = new LineMap(text);
        const at = now.toView(place);
        const edit = now.local({ from: at, to: at, insert: wellFormed(change.insert) }, viewOf(normalise(text)));
        if (edit.ins) this._edit("late", [edit]);
        const caret = doc.anchor(edit.at + edit.ins.length, -1);
        if (change.insert || !held) held = { start: -1, end: -1, from: caret, to: caret };
      }
    } finally {
      this._waiting = [];
      this._shown = [];
      this._catchUp(held, held !== this._held);
    }
    this.select();
  }

  private _read(): void {
    this._text = this._doc.text;
    this._lines = new LineMap(this._text);
    this._value = normalise(this._text);
  }

  /** Shows the document's text, and the selection at its places; `always`, or when it is the held one. */
  private _catchUp(held: Held | null = null, always = false): void {
    this._read();
    const element = this._element;
    const { selectionStart, selectionEnd, selectionDirection } = element;
    const change = difference(element.value, this._value);
    if (change) element.setRangeText(change.insert, change.from, change.to, "preserve");
    if (!held || !(always || (held.start === selectionStart && held.end === selectionEnd))) return;
    const start = this._lines.toView(this._doc.position(held.from));
    const end = Math.max(start, this._lines.toView(this._doc.position(held.to)));
    if (element.selectionStart !== start || element.selectionEnd !== end)
      element.setSelectionRange(start, end, selectionDirection);
    this._held = { ...held, start, end };
  }

  private _edit(own: "edit" | "late", edits: Change[]): void {
    this._own = own;
    try {
      this._doc.edit(edits);
    } finally {
      this._own = null;
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
