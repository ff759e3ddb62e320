// The text and the selection, both ways. CodeMirror's document is always `normalise(doc.text)` (LineMap translates),
// and the selection is kept as anchors, so that where it is and where the others see it are the same place.
import { Annotation, ChangeSet, EditorSelection, StateEffect, Text, Transaction, type TransactionSpec } from "@codemirror/state";
import type { EditorView, PluginValue, ViewUpdate } from "@codemirror/view";
import type { Anchor, DocumentEvents, InklogDocument, JsonObject } from "@inklog/client";
import { LineMap, normalise, type View, type ViewChange } from "@inklog/client/lines";
import { knows, presenceOf } from "@inklog/client/presence";
import { undoOf } from "@inklog/client/undo";
import { colorOf } from "./color.js";
import { wholePairs } from "./pairs.js";

/** Who the others see. */
export interface InklogUser {
  /** At most 40 characters are shown. */
  name: string;
  /** A CSS colour. */
  color: string;
}

/** Somebody else's caret (`head`) and selection, in the editor's positions. */
export interface RemoteCursor extends InklogUser {
  agent: string;
  anchor: number;
  head: number;
}

/** Changes what the others see of this user. */
export const setInklogUser = StateEffect.define<Partial<InklogUser>>();

export const presenceChanged = StateEffect.define<null>();
export const filled = StateEffect.define<null>();
export const fromInklog = Annotation.define<boolean>();

const quiet = [fromInklog.of(true), Transaction.addToHistory.of(false), Transaction.remote.of(true)];

/** Edits beside an input method's half-written word wait for it this long at most. */
const HOLD_MS = 2000;

interface Range {
  anchor: Anchor;
  head: Anchor;
}

/** What the document has and the editor not yet: the way from one text to the other, and the document's. */
interface Ahead {
  set: ChangeSet;
  doc: Text;
}

export class Binding implements PluginValue {
  private _lines: LineMap | null = null;
  private _ahead: Ahead | null = null;
  private _selection: Range[] = [];
  private _user: InklogUser;
  private _agent = "";
  /** Somebody works in this editor: the others see a caret. */
  private _used = false;
  private _gone = false;
  private _updating = false;
  /** The editor's text between two transactions of one update. */
  private _between: Text | null = null;
  private _stepping = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private readonly _shown = new Map<string, Range>();
  private readonly _stop: (() => void)[] = [];

  constructor(
    private readonly _view: EditorView,
    private readonly _doc: InklogDocument,
    user: Partial<InklogUser>,
  ) {
    // It takes notes from now on.
    undoOf(_doc);
    const name = user.name ?? _doc.user;
    this._user = { name, color: user.color ?? colorOf(name) };
    const fill = () => this._gone || this._lines || this._fill();
    void _doc.ready.then(fill);
    // A document that this device does not know yet can be begun without the server; its text joins what comes.
    this._stop.push(_doc.on("status", (status) => void (status === "offline" && fill())));
  }

  update(update: ViewUpdate): void {
    for (const { effects } of update.transactions)
      for (const effect of effects) if (effect.is(setInklogUser)) this._user = { ...this._user, ...effect.value };
    if (!this._lines) return;
    this._updating = true;
    try {
      const own = update.transactions.filter((tr) => !tr.annotation(fromInklog));
      for (const tr of own) if (tr.docChanged) this._edit(this._lines, tr);
      const moved = own.some((tr) => tr.docChanged || tr.selection);
      if (update.docChanged || update.selectionSet) {
        const isOff = moved || this._closed(update) || this._isStale() || !this._places().eq(update.state.selection);
        if (isOff) this._keep(update.state.selection);
      }
      this._used ||= moved || update.view.hasFocus;
      if (update.transactions.length > 0 || update.focusChanged) this._announce();
    } finally {
      this._updating = false;
      this._between = null;
    }
  }

  destroy(): void {
    this._gone = true;
    clearTimeout(this._timer);
    for (const stop of this._stop) stop();
  }

  /** Undoes or redoes, and shows where. */
  step(which: "undo" | "redo"): boolean {
    this.catchUp();
    this._stepping = true;
    try {
      undoOf(this._doc)[which]();
    } finally {
      this._stepping = false;
    }
    return true;
  }

  cursors(): RemoteCursor[] {
    const found: RemoteCursor[] = [];
    if (!this._lines) return found;
    for (const agent of this._shown.keys()) if (!presenceOf(this._doc).others.has(agent)) this._shown.delete(agent);
    for (const { agent, user, state } of presenceOf(this._doc).others.values()) {
      const cursor = readRange(state["cursor"]);
      // Presence may overtake the text that it points into; the caret then waits where it was.
      if (!cursor) this._shown.delete(agent);
      else if (knows(this._doc, cursor.anchor) && knows(this._doc, cursor.head)) this._shown.set(agent, cursor);
      const shown = this._shown.get(agent);
      if (!shown) continue;
      const name = (typeof state["name"] === "string" && state["name"].trim().slice(0, 40)) || user;
      const color = typeof state["color"] === "string" ? state["color"] : colorOf(name);
      found.push({ agent, name, color, anchor: this._toEditor(shown.anchor), head: this._toEditor(shown.head) });
    }
    return found;
  }

  /** Shows what had to wait. */
  catchUp(): void {
    clearTimeout(this._timer);
    const ahead = this._ahead;
    if (!ahead || this._gone) return;
    this._ahead = null;
    this._show(ahead);
  }

  private _fill(): void {
    const text = this._doc.text;
    const shown = normalise(text);
    const is = this._view.state.doc;
    this._lines = new LineMap(text);
    this._stop.push(
      this._doc.on("change", (change) => this._follow(change)),
      this._doc.on("agent", () => {
        this._keep(this._view.state.selection);
        this._announce();
      }),
      this._doc.on("presence", () => {
        const tell = () => this._gone || this._view.dispatch({ effects: presenceChanged.of(null) });
        if (this._updating) queueMicrotask(tell);
        else tell();
      }),
    );
    const same = is.length === shown.length && is.toString() === shown;
    const changes = same ? undefined : { from: 0, to: is.length, insert: textOf(shown) };
    this._view.dispatch({ changes, effects: [filled.of(null), presenceChanged.of(null)], annotations: quiet });
  }

  /** What was done in the editor, done to the document. */
  private _edit(lines: LineMap, tr: Transaction): void {
    let set = tr.changes;
    let before = tr.startState.doc;
    if (this._ahead) {
      set = tr.changes.map(this._ahead.set);
      before = this._ahead.doc;
      this._ahead = { set: this._ahead.set.map(tr.changes, true), doc: set.apply(before) };
    }
    const changes: ViewChange[] = [];
    set.iterChanges((from, to, _fromB, _toB, inserted) => {
      changes.push(wholePairs(before, { from, to, insert: inserted.toString() }));
    });
    this._between = tr.newDoc;
    // From the last to the first, so that each finds its place as it was.
    this._doc.edit(changes.reverse().map((change) => lines.local(change, viewOf(before))));
  }

  /** What was done to the document, done in the editor. */
  private _follow({ changes, origin }: DocumentEvents["change"]): void {
    // What this editor did itself. Others' edits may come in the middle of that.
    if (!this._lines || (this._updating && origin === "local")) return;
    let doc = this._ahead?.doc ?? this._between ?? this._view.state.doc;
    const sets: ChangeSet[] = [];
    for (const change of changes) {
      const done = this._lines.remote(change, viewOf(doc));
      if (!done) continue;
      const set = ChangeSet.of({ ...done, insert: textOf(done.insert) }, doc.length);
      sets.push(set);
      doc = set.apply(doc);
    }
    if (sets.length === 0) return;
    const set = composed(sets);
    if (this._ahead) this._ahead = { set: this._ahead.set.compose(set), doc };
    else if (this._updating) {
      this._ahead = { set, doc };
      queueMicrotask(() => this.catchUp());
    } else if (this._view.composing && this._touchesLine(set)) {
      this._ahead = { set, doc };
      this._timer = setTimeout(() => this.catchUp(), HOLD_MS);
    } else this._show({ set, doc });
  }

  private _show({ set, doc }: Ahead): void {
    const spec: TransactionSpec = { changes: set, annotations: quiet };
    if (this._stepping) {
      let end = 0;
      set.iterChangedRanges((_fromA, _toA, _fromB, toB) => (end = toB));
      spec.selection = EditorSelection.cursor(end);
      spec.scrollIntoView = true;
    } else {
      const carried = this._view.state.selection.map(set);
      const places = this._view.composing || this._isStale() ? inOrder(carried) : this._places(doc.length);
      if (!places.eq(carried)) spec.selection = places;
    }
    this._view.dispatch(spec);
  }

  /** Whether a change is in the line of the caret, whose DOM an input method holds on to. */
  private _touchesLine(set: ChangeSet): boolean {
    const { doc, selection } = this._view.state;
    const line = doc.lineAt(selection.main.head);
    return set.touchesRange(line.from, line.to) !== false;
  }

  /** Where an anchor is in the document, as an editor shows it that has caught up. */
  private _place(anchor: Anchor): number {
    return this._lines!.toView(this._doc.position(anchor));
  }

  private _toEditor(anchor: Anchor): number {
    const at = this._place(anchor);
    return Math.min(this._ahead?.set.invertedDesc.mapPos(at) ?? at, this._view.state.doc.length);
  }

  /** Where the anchors of the selection are, now or in a text of this length that is to be shown. */
  private _places(length?: number): EditorSelection {
    const place = (anchor: Anchor) => (length === undefined ? this._toEditor(anchor) : Math.min(this._place(anchor), length));
    const ranges = this._selection.map(({ anchor, head }) => EditorSelection.range(place(anchor), place(head)));
    if (ranges.length === 0) return EditorSelection.single(0);
    return EditorSelection.create(ranges, Math.min(this._view.state.selection.mainIndex, ranges.length - 1));
  }

  /** Whether all that was selected has gone: what comes in its place is not selected. Or two ranges became one. */
  private _closed({ state }: ViewUpdate): boolean {
    const { ranges } = state.selection;
    return ranges.length !== this._selection.length || ranges.some(
      (range, i) => range.empty && this._selection[i]?.anchor.side !== this._selection[i]?.head.side,
    );
  }

  /** Whether the anchors may name characters that have other names now (another agent), or none here. */
  private _isStale(): boolean {
    return this._agent !== this._doc.agent || !this._selection.every(({ anchor, head }) => knows(this._doc, anchor) && knows(this._doc, head));
  }

  private _keep(selection: EditorSelection): void {
    const at = (pos: number, side: -1 | 1) =>
      this._doc.anchor(this._lines!.toDoc(this._ahead?.set.mapPos(pos, side) ?? pos), side);
    this._agent = this._doc.agent;
    this._selection = selection.ranges.map(({ anchor, head }) => ({
      anchor: at(anchor, anchor < head ? 1 : -1),
      head: at(head, head < anchor ? 1 : -1),
    }));
  }

  private _announce(): void {
    const cursor = (this._used && this._selection[this._view.state.selection.mainIndex]) || null;
    presenceOf(this._doc).set({ ...this._user, cursor } as unknown as JsonObject);
  }
}

const textOf = (text: string) => Text.of(text.split("\n"));

const viewOf = (doc: Text): View => ({
  isBreak: (at) => at < doc.length && doc.lineAt(at).to === at,
  breaks: doc.lines - 1,
});

/** CodeMirror carries a selection whose text is replaced over to one that ends before it begins. */
function inOrder(selection: EditorSelection): EditorSelection {
  if (selection.ranges.every(({ from, to }) => from <= to)) return selection;
  const ranges = selection.ranges.map((range) => (range.from <= range.to ? range : EditorSelection.cursor(range.to)));
  return EditorSelection.create(ranges, selection.mainIndex);
}

/** Composes changes that follow each other, by halves: the cost stays near their number. */
function composed(sets: readonly ChangeSet[]): ChangeSet {
  if (sets.length === 1) return sets[0]!;
  const half = sets.length >> 1;
  return composed(sets.slice(0, half)).compose(composed(sets.slice(half)));
}

/** A range from what somebody sent. */
function readRange(value: unknown): Range | null {
  const { anchor, head } = (value ?? {}) as { anchor?: unknown; head?: unknown };
  return isAnchor(anchor) && isAnchor(head) ? { anchor, head } : null;
}

function isAnchor(value: unknown): value is Anchor {
  const { id, side } = (value ?? {}) as { id?: unknown; side?: unknown };
  return (id === null || typeof id === "string") && (side === -1 || side === 1);
}
