// Synchronizes text and selection in both directions. CodeMirror's document is always `normalise(doc.text)` (LineMap
// translates positions), and the selection is kept as anchors, so that the user and the others see it at the same
// place.
//
// Changes that the editor cannot show yet, during an update or while an input method composes a word, are in `_ahead`:
// one ChangeSet from the editor's text to the document's, through which everything else is mapped.
import { Annotation, EditorSelection, StateEffect, Transaction, type ChangeSet, type Text, type TransactionSpec } from "@codemirror/state";
import { logException, type EditorView, type PluginValue, type ViewUpdate } from "@codemirror/view";
import type { Anchor, DocumentEvents, Edit, InklogDocument } from "@inklog/client";
import { LineMap, type ViewChange } from "@inklog/client/lines";
import { knows, presenceOf, shortName } from "@inklog/client/presence";
import { undoOf } from "@inklog/client/undo";
import { colorOf } from "./color.js";
import { wholePairs } from "./pairs.js";
import { coarse, leastChange, parted, textOf, Trail, viewOf } from "./trail.js";

/** The user, as others see them. */
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

/** Changes how others see this user. */
export const setInklogUser = StateEffect.define<Partial<InklogUser>>();

export const presenceChanged = StateEffect.define<null>();
/**
 * `waiting`: not ready yet, or closed · `open`: can be edited · `locked`: the user may not change it.
 */
export type Openness = "waiting" | "open" | "locked";
export const opened = StateEffect.define<Openness>();

/** The value of `_ahead` once the editor shows the transaction's changes. */
interface Shown {
  ahead: ChangeSet | null;
}

/** Marks the binding's own transactions. */
export const fromInklog = Annotation.define<Shown>();

/** How often to check whether an input method's word is complete: not every input method tells the page. */
const LOOK_MS = 200;

/** The maximum length of a CSS colour. */
const COLOR_MAX = 100;

/** The last editor used: of several on one document, it is the one whose caret the others see. */
const inUse = new WeakMap<InklogDocument, Binding>();

/** Views that still show the text of a document to which they are no longer bound. */
const left = new WeakMap<EditorView, InklogDocument>();

interface Range {
  anchor: Anchor;
  head: Anchor;
}

export class Binding implements PluginValue {
  private _lines: LineMap | null = null;
  /** The line map of the document's text, as far as the binding has followed it. */
  private _length = 0;
  /** The editor's text, as far as the binding has followed it. */
  private _seen: Text;
  private _ahead: ChangeSet | null = null;
  /** A transaction of the binding's own that the editor is about to apply. */
  private _showing: Shown | null = null;
  /** Edits passed to the document that it has not reported back yet. */
  private _own: Edit[][] = [];
  private _selection: Range[] = [];
  private _user: Partial<InklogUser>;
  private _agent = "";
  private _gone = false;
  /** The two texts may differ; a reset is scheduled. */
  private _broken = false;
  private _isMending = false;
  private _updating = false;
  private _stepping = false;
  /** Where the last undo or redo ends. */
  private _stepEnd = 0;
  /** Where the input method's word begins. */
  private _word = 0;
  private _isTelling = false;
  private _timer: ReturnType<typeof setInterval> | undefined;
  private _stranger: InklogDocument | undefined;
  private readonly _shown = new Map<string, Range>();
  private readonly _stop: (() => void)[] = [];

  constructor(
    readonly view: EditorView,
    private readonly _doc: InklogDocument,
    user: Partial<InklogUser>,
    private readonly _ended: () => void,
  ) {
    // The undo stack records from now on.
    undoOf(_doc);
    this._user = user;
    this._seen = view.state.doc;
    const fill = () => this._gone || this._lines || this._fill();
    void _doc.ready.then(fill);
    this._stop.push(
      _doc.on("status", (status) => {
        // A document that is new to this device can be started without the server; its text merges with what arrives.
        if (status === "offline") queueMicrotask(fill);
        if (status === "closed") this._reopen();
      }),
      _doc.on("access", () => this._reopen()),
    );
    if (_doc.status === "offline") queueMicrotask(fill);
    // Never treat another document's text as this one's, not even briefly.
    this._stranger = left.get(view);
    left.delete(view);
    if (this._stranger && this._stranger !== _doc)
      queueMicrotask(() => this._lines || this._dispatch({ changes: { from: 0, to: view.state.doc.length } }));
  }

  update(update: ViewUpdate): void {
    for (const { effects } of update.transactions)
      for (const effect of effects) if (effect.is(setInklogUser)) this._user = { ...this._user, ...effect.value };
    if (!this._lines) return;
    this._updating = true;
    // CodeMirror removes a plugin that throws: the editor would continue without the document.
    try {
      if (this._broken) this._mend();
      else for (const tr of update.transactions) if (tr.docChanged) this._take(this._lines, tr);
    } catch (error) {
      this._repair(error);
    }
    try {
      if (!this._broken) this._moved(update);
    } catch (error) {
      logException(this.view.state, error, "Inklog");
    } finally {
      this._updating = false;
    }
  }

  destroy(): void {
    this._gone = true;
    this._ended();
    clearInterval(this._timer);
    for (const stop of this._stop) stop();
    const shown = this._lines ? this._doc : this._stranger;
    if (shown) left.set(this.view, shown);
    if (inUse.get(this._doc) !== this) return;
    inUse.delete(this._doc);
    if (this._doc.status !== "closed") this._tell(null);
  }

  /** Undoes or redoes; returns the transaction that the editor then needs, if any. */
  step(which: "undo" | "redo"): TransactionSpec | null {
    if (!this._lines || this._broken || this._doc.status === "closed") return null;
    this._stepping = true;
    let isMade = false;
    try {
      isMade = undoOf(this._doc)[which]();
    } finally {
      this._stepping = false;
    }
    // Even if nobody dispatches the result.
    this._soon(() => this.release());
    if (!isMade || !this._ahead) return null;
    const selection = EditorSelection.cursor(Math.min(this._stepEnd, this._ahead.newLength));
    return { ...this._spec(this._ahead, null), selection, scrollIntoView: true, userEvent: which };
  }

  cursors(): RemoteCursor[] {
    const found: RemoteCursor[] = [];
    if (!this._lines) return found;
    for (const agent of this._shown.keys()) if (!presenceOf(this._doc).others.has(agent)) this._shown.delete(agent);
    for (const { agent, user, name: known, state } of presenceOf(this._doc).others.values()) {
      const cursor = readRange(state["cursor"]);
      // Presence may overtake the text that it points into; the caret then stays where it was.
      if (!cursor) this._shown.delete(agent);
      else if (knows(this._doc, cursor.anchor) && knows(this._doc, cursor.head)) this._shown.set(agent, cursor);
      const shown = this._shown.get(agent);
      if (!shown) continue;
      // The server's name wins: nobody can appear under another's.
      const name = shortName(known ?? state["name"]) || user;
      const color = typeof state["color"] === "string" ? state["color"] : colorOf(name);
      found.push({ agent, name, color, anchor: this._toEditor(shown.anchor), head: this._toEditor(shown.head) });
    }
    return found;
  }

  /** Shows what is ahead, except changes that touch the line of a word in composition. */
  release(): void {
    if (!this._isComposing()) undoOf(this._doc).composing = false;
    clearInterval(this._timer);
    const all = this._ahead;
    if (!all || this._gone || this._broken || this._updating) return;
    let [now, later]: (ChangeSet | null)[] = [all, null];
    if (this._isComposing()) {
      const line = this._seen.lineAt(Math.min(this.view.state.selection.main.head, this._seen.length));
      const { touching, other } = parted(all, line.from, line.to);
      [now, later] = [other, touching];
    }
    if (later) this._timer = setInterval(() => this.release(), LOOK_MS);
    if (!now) return;
    // Nothing can be dispatched during another update of the editor.
    try {
      this.view.dispatch(this._spec(now, later && later.map(now)));
    } catch {
      this._mend();
    }
  }

  // --- From the editor

  /** Follows one transaction. */
  private _take(lines: LineMap, tr: Transaction): void {
    const shown = tr.annotation(fromInklog);
    if (!shown) return this._edit(lines, tr);
    this._ahead = shown.ahead;
    this._showing = null;
    this._seen = tr.newDoc;
    this._word = tr.changes.mapPos(this._word, -1);
  }

  /** Applies the editor's changes to the document. */
  private _edit(lines: LineMap, tr: Transaction): void {
    const before = this._text();
    let set = tr.changes;
    this._word = tr.isUserEvent("input.type.compose.start") ? startOf(set) : set.mapPos(this._word, -1);
    if (this._ahead) {
      // Text typed at the end of a word belongs to it, whatever others have inserted there.
      const isInWord = this._isComposing() && startOf(tr.changes) > this._word;
      set = tr.changes.map(this._ahead, isInWord);
      this._ahead = this._ahead.map(tr.changes, !isInWord);
    }
    this._seen = tr.newDoc;
    this._showing = null;
    const changes: ViewChange[] = [];
    set.iterChanges((from, to, _fromB, _toB, inserted) => {
      changes.push(wholePairs(before, { from, to, insert: inserted.toString() }));
    });
    // From last to first, so that positions stay valid.
    const edits = changes.reverse().map((change) => lines.local(change, viewOf(before))).filter(({ del, ins }) => del || ins);
    // Others have already deleted it.
    if (edits.length === 0) return;
    if (this._doc.length !== this._length) throw new Error("the document has changes that the editor has not received yet");
    // A whole word is one undo step.
    const isWord = tr.isUserEvent("input.type.compose");
    if (!isWord || tr.isUserEvent("input.type.compose.start")) undoOf(this._doc).composing = false;
    if (isWord) undoOf(this._doc).composing = true;
    this._own.push(edits);
    for (const { del, ins } of edits) this._length += ins.length - del;
    this._doc.edit(edits);
  }

  /** Follows the selection, and tells the others. */
  private _moved(update: ViewUpdate): void {
    const isMoved = update.transactions.some((tr) => !tr.annotation(fromInklog) && (tr.docChanged || tr.selection));
    if (update.docChanged || update.selectionSet) {
      const isOff = isMoved || this._closed(update) || this._isStale() || !this._places().eq(update.state.selection);
      if (isOff) this._keep(update.state.selection);
    }
    if (isMoved || update.view.hasFocus) inUse.set(this._doc, this);
    if (update.transactions.length > 0 || update.focusChanged) this._announce();
  }

  // --- From the document

  private _openness(): Openness {
    if (this._doc.readOnly) return "locked";
    return this._lines && this._doc.status !== "closed" ? "open" : "waiting";
  }

  private _reopen(): void {
    queueMicrotask(() => {
      const { hasFocus } = this.view;
      this._dispatch({ effects: opened.of(this._openness()) });
      // Browsers take the focus from an element that stops being editable.
      if (hasFocus && !this._gone && !this.view.hasFocus) this.view.focus();
    });
  }

  private _fill(): void {
    this._stop.push(
      this._doc.on("change", (change) => this._follow(change)),
      this._doc.on("agent", () => {
        this._keep(this.view.state.selection);
        this._announce();
      }),
      this._doc.on("presence", () => {
        if (this._isTelling) return;
        this._isTelling = true;
        queueMicrotask(() => {
          this._isTelling = false;
          this._dispatch({ effects: presenceChanged.of(null) });
        });
      }),
    );
    this._refill();
  }

  /** Shows the document's text, whatever the editor shows. */
  private _refill(): void {
    if (this._gone) return;
    const { text } = this._doc;
    this._broken = false;
    this._lines = new LineMap(text);
    this._length = text.length;
    this._own = [];
    this._seen = this.view.state.doc;
    const least = leastChange(this._seen.toString(), text);
    const changes = this.view.state.changes(least ? { ...least, insert: textOf(least.insert) } : []);
    this._ahead = least && changes;
    try {
      this._dispatch({ changes, effects: [opened.of(this._openness()), presenceChanged.of(null)] });
    } catch (error) {
      this._broken = true;
      throw error;
    }
  }

  /** Applies the document's changes to the editor. */
  private _follow({ changes, origin }: DocumentEvents["change"]): void {
    if (!this._lines || this._broken) return;
    try {
      const own = origin === "local" ? this._own.shift() : undefined;
      if (own) {
        if (!isSame(own, changes)) throw new Error("the document and the editor were edited differently");
        return;
      }
      const trail = new Trail(this._text());
      for (const change of changes) {
        this._length += change.ins.length - change.del;
        const done = this._lines.remote(change, trail.view);
        if (done) trail.add(done);
      }
      const set = trail.set();
      if (!set) return;
      this._ahead = then(this._ahead, set);
      if (this._showing) this._showing.ahead = then(this._showing.ahead, set);
      if (this._stepping) set.iterChangedRanges((_fromA, _toA, _fromB, toB) => (this._stepEnd = toB));
      else if (this._updating || this.view.state.doc !== this._seen) this._soon(() => this.release());
      else this.release();
    } catch (error) {
      this._repair(error);
    }
  }

  /** The document's text, as an up-to-date editor shows it. */
  private _text(): Text {
    return this._ahead ? this._ahead.apply(this._seen) : this._seen;
  }

  private _spec(now: ChangeSet, later: ChangeSet | null): TransactionSpec {
    const isCarried = later !== null || this._isComposing() || this._isStale();
    // The anchors give exact places, however coarse the changes are.
    const changes = isCarried ? now : coarse(now, this._seen);
    const carried = this.view.state.selection.map(changes);
    const places = isCarried ? inOrder(carried) : this._places(now.newLength);
    return { changes, ...(!places.eq(carried) && { selection: places }), ...quiet((this._showing = { ahead: later })) };
  }

  /** An input method depends on the DOM of the line in which it composes a word. */
  private _isComposing(): boolean {
    const { view } = this;
    return view.composing && view.root.activeElement === view.contentDOM;
  }

  // --- Recovery

  private _repair(error: unknown): void {
    logException(this.view.state, error, "Inklog");
    this._mend();
  }

  /** One of the two texts may have changed without the other: the document's text wins. */
  private _mend(): void {
    this._broken = true;
    if (this._isMending) return;
    this._isMending = true;
    // By then all changes have been reported, and no update is in progress.
    queueMicrotask(() => {
      this._isMending = false;
      this._refill();
    });
  }

  private _soon(what: () => void): void {
    queueMicrotask(() => this._gone || what());
  }

  private _dispatch(spec: TransactionSpec): void {
    if (this._gone) return;
    this._showing = { ahead: null };
    this.view.dispatch({ ...spec, ...quiet(this._showing) });
    this._showing = null;
  }

  // --- The selection

  /** An anchor's position in the document, as an up-to-date editor shows it. */
  private _place(anchor: Anchor): number {
    return this._lines!.toView(this._doc.position(anchor));
  }

  private _toEditor(anchor: Anchor): number {
    const at = this._place(anchor);
    if (!this._ahead) return Math.min(at, this.view.state.doc.length);
    return this._ahead.invertedDesc.mapPos(Math.min(at, this._ahead.newLength));
  }

  /** The selection's position, now or in a text of this length that is about to be shown. */
  private _places(length?: number): EditorSelection {
    const place = (anchor: Anchor) => (length === undefined ? this._toEditor(anchor) : Math.min(this._place(anchor), length));
    const ranges = this._selection.map(({ anchor, head }) => EditorSelection.range(place(anchor), place(head)));
    if (ranges.length === 0) return EditorSelection.single(0);
    return EditorSelection.create(ranges, Math.min(this.view.state.selection.mainIndex, ranges.length - 1));
  }

  /** Whether the whole selected text is gone, so that its replacement is not selected; or two ranges became one. */
  private _closed({ state }: ViewUpdate): boolean {
    const { ranges } = state.selection;
    return ranges.length !== this._selection.length || ranges.some(
      (range, i) => range.empty && this._selection[i]?.anchor.side !== this._selection[i]?.head.side,
    );
  }

  /** Whether the anchors may name characters that now have other ids (a new agent) or are missing here. */
  private _isStale(): boolean {
    return this._agent !== this._doc.agent || !this._selection.every(({ anchor, head }) => knows(this._doc, anchor) && knows(this._doc, head));
  }

  private _keep(selection: EditorSelection): void {
    const at = (pos: number, side: -1 | 1) =>
      this._doc.anchor(this._lines!.toDoc(this._ahead?.mapPos(pos, side) ?? pos), side);
    this._agent = this._doc.agent;
    this._selection = selection.ranges.map(({ anchor, head }) => ({
      anchor: at(anchor, anchor < head ? 1 : -1),
      head: at(head, head < anchor ? 1 : -1),
    }));
  }

  private _announce(): void {
    const user = inUse.get(this._doc);
    if (user && user !== this) return;
    const cursor = (user && this._selection[this.view.state.selection.mainIndex]) || null;
    this._tell(cursor);
  }

  /** The presence state is limited; no name or colour may exceed its share. */
  private _tell(cursor: Range | null): void {
    const { name = this._doc.user, color = colorOf(name) } = this._user;
    presenceOf(this._doc).set({ name: shortName(name), color: String(color).slice(0, COLOR_MAX), cursor });
  }
}

/** Others' edits cannot be undone here, and the host's filters must not reject them: the texts would differ. */
function quiet(shown: Shown): TransactionSpec {
  return { annotations: [fromInklog.of(shown), Transaction.addToHistory.of(false), Transaction.remote.of(true)], filter: false };
}

const then = (first: ChangeSet | null, second: ChangeSet) => (first ? first.compose(second) : second);

/** The position of a set's first change, in the text before it. */
function startOf(set: ChangeSet): number {
  let start = -1;
  set.iterChangedRanges((from) => start < 0 && (start = from));
  return start;
}

function isSame(a: readonly Edit[], b: readonly Edit[]): boolean {
  return a.length === b.length && a.every(({ at, del, ins }, i) => at === b[i]!.at && del === b[i]!.del && ins === b[i]!.ins);
}

/** CodeMirror maps a selection whose text is replaced to one that ends before it begins. */
function inOrder(selection: EditorSelection): EditorSelection {
  if (selection.ranges.every(({ from, to }) => from <= to)) return selection;
  const ranges = selection.ranges.map((range) => (range.from <= range.to ? range : EditorSelection.cursor(range.to)));
  return EditorSelection.create(ranges, selection.mainIndex);
}

/** Parses a range from another user's state. */
function readRange(value: unknown): Range | null {
  const { anchor, head } = (value ?? {}) as { anchor?: unknown; head?: unknown };
  return isAnchor(anchor) && isAnchor(head) ? { anchor, head } : null;
}

function isAnchor(value: unknown): value is Anchor {
  const { id, side } = (value ?? {}) as { id?: unknown; side?: unknown };
  return (id === null || typeof id === "string") && (side === -1 || side === 1);
}
