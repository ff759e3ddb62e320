// A plain `<textarea>` on a shared document: the text both ways, the selection kept where it was, undo of one's own
// edits. A textarea says only that its text has become another, so its edits are found by comparing; and it loses an
// input method's half-written word when its text is set, so others' edits wait until the word is written.

import type { Anchor, Change } from "./crdt/index.js";
import type { DocumentEvents, InklogDocument, JsonObject } from "./index.js";
import { presenceOf } from "./presence.js";
import { undoOf } from "./undo.js";
import { LineMap, normalise, wellFormed, type View, type ViewChange } from "./lines.js";

export interface TextareaOptions {
  /** Who the others see, with the caret. Left out, the textarea sets no presence. */
  user?: { name: string; color: string };
}

interface Held {
  start: number;
  end: number;
  from: Anchor;
  to: Anchor;
}

/** Binds a textarea to a document; the result ends that. It is read-only until the document is ready. */
export function bindTextarea(doc: InklogDocument, element: HTMLTextAreaElement, options: TextareaOptions = {}): () => void {
  const ending = new AbortController();
  const wasReadOnly = element.readOnly;
  element.readOnly = true;
  void doc.ready.then(() => {
    if (ending.signal.aborted) return;
    element.readOnly = wasReadOnly;
    const binding = new TextareaBinding(doc, element, options);
    const stop = doc.on("change", (change) => binding.follow(change));
    ending.signal.addEventListener("abort", stop);
    const on = (target: EventTarget, type: string, listener: (event: any) => void) =>
      target.addEventListener(type, listener, { signal: ending.signal });
    on(element, "input", () => binding.input());
    on(element, "compositionstart", () => binding.compose(true));
    on(element, "compositionend", () => binding.compose(false));
    for (const type of ["keyup", "pointerup", "focus", "select"]) on(element, type, () => binding.hold());
    on(element.ownerDocument, "selectionchange", () => binding.hold());
    on(element, "keydown", (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing) return;
      const key = event.key.toLowerCase();
      if (key === "z") binding.step(event.shiftKey ? "redo" : "undo", event);
      else if (key === "y" && !event.shiftKey) binding.step("redo", event);
    });
    on(element, "beforeinput", (event: InputEvent) => {
      if (event.inputType === "historyUndo") binding.step("undo", event);
      else if (event.inputType === "historyRedo") binding.step("redo", event);
    });
  });
  return () => {
    if (!ending.signal.aborted) element.readOnly = wasReadOnly;
    ending.abort();
  };
}

class TextareaBinding {
  private _lines: LineMap;
  /** The textarea's text as the document has it. */
  private _value: string;
  private _held: Held | null = null;
  private _own: "edit" | "step" | null = null;
  private _composing = false;
  /** Others' edits that wait for an input method. */
  private _waiting: Change[] = [];

  constructor(
    private readonly _doc: InklogDocument,
    private readonly _element: HTMLTextAreaElement,
    private readonly _options: TextareaOptions,
  ) {
    // It takes notes from now on.
    undoOf(_doc);
    this._lines = new LineMap(_doc.text);
    this._value = normalise(_doc.text);
    if (_element.value !== this._value) _element.value = this._value;
    this.hold();
  }

  /** The textarea's text has become another. */
  input(): void {
    if (this._waiting.length > 0) return;
    const change = difference(this._value, this._element.value);
    if (!change) return;
    const edit = this._lines.local({ ...change, insert: wellFormed(change.insert) }, viewOf(this._value));
    this._value = splice(this._value, change.from, change.to, wellFormed(change.insert));
    this._edit([edit]);
    this._show();
    this.hold();
  }

  /** The document has changed. */
  follow({ changes }: DocumentEvents["change"]): void {
    if (this._own === "edit") return;
    if (this._composing) {
      this._waiting.push(...changes);
      return;
    }
    let last = 0;
    for (const change of changes) {
      const done = this._lines.remote(change, viewOf(this._value));
      if (!done) continue;
      this._value = splice(this._value, done.from, done.to, done.insert);
      last = done.from + done.insert.length;
    }
    if (this._own === "step") {
      this._show();
      this._element.setSelectionRange(last, last);
      this.hold();
    } else this._show(this._held);
  }

  compose(composing: boolean): void {
    this._composing = composing;
    if (composing) return;
    if (this._waiting.length === 0) return this.input();
    // Both went on from the same text: what was written here is carried over what came meanwhile.
    const change = difference(this._value, this._element.value);
    const waiting = this._waiting;
    this._waiting = [];
    let caret: Anchor | null = null;
    if (change) {
      const at = this._lines.toDoc(change.from);
      const [place, parts] = carried(at, this._lines.toDoc(change.to), waiting);
      const ins = wellFormed(change.insert);
      this._edit([...parts.reverse().map(([from, to]) => ({ at: from, del: to - from, ins: "" })), { at: place, del: 0, ins }]);
      caret = this._doc.anchor(place + ins.length, -1);
    }
    const held = caret ? { start: -1, end: -1, from: caret, to: caret } : this._held;
    this._lines = new LineMap(this._doc.text);
    this._value = normalise(this._doc.text);
    this._show(held, caret !== null);
    this.hold();
  }

  step(which: "undo" | "redo", event: Event): void {
    event.preventDefault();
    this._own = "step";
    try {
      undoOf(this._doc)[which]();
    } finally {
      this._own = null;
    }
  }

  /** Remembers the selection as places in the text. */
  hold(): void {
    const { selectionStart: start, selectionEnd: end, value } = this._element;
    if (this._composing || value !== this._value || (this._held?.start === start && this._held.end === end)) return;
    const from = this._doc.anchor(this._lines.toDoc(start), start < end ? 1 : -1);
    const to = this._doc.anchor(this._lines.toDoc(end), -1);
    this._held = { start, end, from, to };
    const { user } = this._options;
    if (!user) return;
    const backward = this._element.selectionDirection === "backward";
    const cursor = backward ? { anchor: to, head: from } : { anchor: from, head: to };
    presenceOf(this._doc).set({ ...user, cursor } as unknown as JsonObject);
  }

  /** Puts the text into the textarea, and the selection back to its places; `always`, or when it is the held one. */
  private _show(held: Held | null = null, always = false): void {
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

  private _edit(edits: Change[]): void {
    this._own = "edit";
    try {
      this._doc.edit(edits);
    } finally {
      this._own = null;
    }
  }
}

const viewOf = (value: string): View => ({
  isBreak: (at) => value[at] === "\n",
  get breaks() {
    return value.split("\n").length - 1;
  },
});

const splice = (text: string, from: number, to: number, insert: string) => text.slice(0, from) + insert + text.slice(to);

/** The smallest change that makes one text of another, without cutting through a surrogate pair. */
function difference(before: string, after: string): ViewChange | null {
  if (before === after) return null;
  const most = Math.min(before.length, after.length);
  let from = 0;
  while (from < most && before[from] === after[from]) from++;
  if (from > 0 && isHigh(before, from - 1)) from--;
  let same = 0;
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
