// The text and the selection, both ways. CodeMirror's document is always `normalise(doc.text)` (LineMap translates),
// and the selection is kept as anchors, so that where it is and where the others see it are the same place.
import { Annotation, ChangeSet, EditorSelection, StateEffect, Text, Transaction, type TransactionSpec } from "@codemirror/state";
import type { EditorView, PluginValue, ViewUpdate } from "@codemirror/view";
import type { Anchor, DocumentEvents, InklogDocument, JsonObject } from "@inklog/client";
import { LineMap, normalise, type View, type ViewChange } from "@inklog/client/lines";
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

interface Range {
  anchor: Anchor;
  head: Anchor;
}

export class Binding implements PluginValue {
  private _lines: LineMap | null = null;
  private _selection: Range[] = [];
  private _user: InklogUser;
  private _focused = false;
  private _gone = false;
  private _doing: "edit" | "step" | null = null;
  private readonly _shown = new Map<string, Range>();
  private readonly _stop: (() => void)[] = [];

  constructor(
    private readonly _view: EditorView,
    private readonly _doc: InklogDocument,
    user: Partial<InklogUser>,
  ) {
    const name = user.name ?? _doc.user;
    this._user = { name, color: user.color ?? colorOf(name) };
    void _doc.ready.then(() => this._gone || this._fill());
  }

  update(update: ViewUpdate): void {
    for (const { effects } of update.transactions)
      for (const effect of effects) if (effect.is(setInklogUser)) this._user = { ...this._user, ...effect.value };
    if (!this._lines) return;
    const own = update.transactions.filter((tr) => !tr.annotation(fromInklog));
    for (const tr of own) if (tr.docChanged) this._edit(this._lines, tr);
    if (update.docChanged || update.selectionSet) {
      const moved = own.some((tr) => tr.docChanged || tr.selection) || this._closed(update);
      if (moved || !this._places().eq(update.state.selection)) this._hold(update.state.selection);
    }
    this._focused ||= update.view.hasFocus;
    if (update.transactions.length > 0 || update.focusChanged) this._announce();
  }

  destroy(): void {
    this._gone = true;
    for (const stop of this._stop) stop();
  }

  /** Undoes or redoes, and shows where. */
  step(which: "undo" | "redo"): boolean {
    this._doing = "step";
    try {
      this._doc[which]();
    } finally {
      this._doing = null;
    }
    return true;
  }

  cursors(): RemoteCursor[] {
    const found: RemoteCursor[] = [];
    if (!this._lines) return found;
    for (const agent of this._shown.keys()) if (!this._doc.presence.has(agent)) this._shown.delete(agent);
    for (const { agent, user, state } of this._doc.presence.values()) {
      const cursor = readRange(state["cursor"]);
      // Presence may overtake the text that it points into; the caret then waits where it was.
      if (!cursor) this._shown.delete(agent);
      else if (this._doc.knows(cursor.anchor) && this._doc.knows(cursor.head)) this._shown.set(agent, cursor);
      const shown = this._shown.get(agent);
      if (!shown) continue;
      const name = (typeof state["name"] === "string" && state["name"].trim().slice(0, 40)) || user;
      const color = typeof state["color"] === "string" ? state["color"] : colorOf(name);
      found.push({ agent, name, color, anchor: this._place(shown.anchor), head: this._place(shown.head) });
    }
    return found;
  }

  private _fill(): void {
    const text = this._doc.text;
    const shown = normalise(text);
    const is = this._view.state.doc;
    this._lines = new LineMap(text);
    this._stop.push(
      this._doc.on("change", (change) => this._follow(change)),
      this._doc.on("presence", () => this._view.dispatch({ effects: presenceChanged.of(null) })),
    );
    const same = is.length === shown.length && is.toString() === shown;
    const changes = same ? undefined : { from: 0, to: is.length, insert: textOf(shown) };
    this._view.dispatch({ changes, effects: [filled.of(null), presenceChanged.of(null)], annotations: quiet });
  }

  /** What was done in the editor, done to the document. */
  private _edit(lines: LineMap, tr: Transaction): void {
    const before = tr.startState.doc;
    const changes: ViewChange[] = [];
    tr.changes.iterChanges((from, to, _fromB, _toB, inserted) => {
      changes.push(wholePairs(before, { from, to, insert: inserted.toString() }));
    });
    this._doing = "edit";
    try {
      // From the last to the first, so that each finds its place as it was.
      this._doc.edit(changes.reverse().map((change) => lines.local(change, viewOf(before))));
    } finally {
      this._doing = null;
    }
  }

  /** What was done to the document, done in the editor. */
  private _follow({ changes, origin }: DocumentEvents["change"]): void {
    if (!this._lines || this._doing === "edit") return;
    let doc = this._view.state.doc;
    let last = 0;
    const sets: ChangeSet[] = [];
    for (const change of changes) {
      const done = this._lines.remote(change, viewOf(doc));
      if (!done) continue;
      const set = ChangeSet.of({ ...done, insert: textOf(done.insert) }, doc.length);
      sets.push(set);
      doc = set.apply(doc);
      last = done.from + done.insert.length;
    }
    if (sets.length === 0) return;
    const all = composed(sets);
    const spec: TransactionSpec = { changes: all, annotations: quiet };
    if (this._doing === "step") {
      spec.selection = EditorSelection.cursor(last);
      spec.scrollIntoView = true;
      spec.userEvent = origin;
    } else if (!this._view.composing) {
      const places = this._places(doc.length);
      if (!places.eq(this._view.state.selection.map(all))) spec.selection = places;
    }
    this._view.dispatch(spec);
  }

  private _place(anchor: Anchor, length = this._view.state.doc.length): number {
    return Math.min(this._lines!.toView(this._doc.position(anchor)), length);
  }

  /** Where the anchors of the selection are, in a text of this length. */
  private _places(length?: number): EditorSelection {
    const ranges = this._selection.map(({ anchor, head }) =>
      EditorSelection.range(this._place(anchor, length), this._place(head, length)),
    );
    if (ranges.length === 0) return EditorSelection.single(0);
    return EditorSelection.create(ranges, Math.min(this._view.state.selection.mainIndex, ranges.length - 1));
  }

  /** Whether all that was selected has gone; what comes in its place is not selected. */
  private _closed({ state }: ViewUpdate): boolean {
    return state.selection.ranges.some(
      (range, i) => range.empty && this._selection[i]?.anchor.side !== this._selection[i]?.head.side,
    );
  }

  private _hold(selection: EditorSelection): void {
    const at = (pos: number, side: -1 | 1) => this._doc.anchor(this._lines!.toDoc(pos), side);
    this._selection = selection.ranges.map(({ anchor, head }) => ({
      anchor: at(anchor, anchor < head ? 1 : -1),
      head: at(head, head < anchor ? 1 : -1),
    }));
  }

  private _announce(): void {
    const cursor = (this._focused && this._selection[this._view.state.selection.mainIndex]) || null;
    this._doc.setPresence({ ...this._user, cursor } as unknown as JsonObject);
  }
}

const textOf = (text: string) => Text.of(text.split("\n"));

const viewOf = (doc: Text): View => ({
  isBreak: (at) => at < doc.length && doc.lineAt(at).to === at,
  breaks: doc.lines - 1,
});

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
