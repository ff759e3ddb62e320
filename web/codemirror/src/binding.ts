// The text and the selection, both ways. CodeMirror's document is always `normalise(doc.text)` (LineMap translates),
// and the selection is kept as anchors, so that where it is and where the others see it are the same place.
//
// What the editor cannot show yet, in the middle of an update or of a word that an input method composes, is `_ahead`:
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
/** Whether the document can be edited in this editor. */
export const opened = StateEffect.define<boolean>();

/** What is ahead of the editor when it shows the transaction's changes. */
interface Shown {
  ahead: ChangeSet | null;
}

/** On what the binding does itself. */
export const fromInklog = Annotation.define<Shown>();

/** How often to look whether an input method's word is done: not every kind of it tells the page. */
const LOOK_MS = 200;

/** Characters of a CSS colour. */
const COLOR_MAX = 100;

/** The editor in which somebody worked last: of several on one document, it shows the others a caret. */
const inUse = new WeakMap<InklogDocument, Binding>();

/** Views that still show the text of a document that they were taken from. */
const left = new WeakMap<EditorView, InklogDocument>();

interface Range {
  anchor: Anchor;
  head: Anchor;
}

export class Binding implements PluginValue {
  private _lines: LineMap | null = null;
  /** Of the document's text, as far as it was followed. */
  private _length = 0;
  /** The editor's text, as far as it was followed. */
  private _seen: Text;
  private _ahead: ChangeSet | null = null;
  /** A transaction of the binding's own that the editor is about to take. */
  private _showing: Shown | null = null;
  /** What was handed to the document and is not told back yet. */
  private _own: Edit[][] = [];
  private _selection: Range[] = [];
  private _user: InklogUser;
  private _agent = "";
  private _gone = false;
  /** The two texts are not known to be equal, and will be made so in a moment. */
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
    // It takes notes from now on.
    undoOf(_doc);
    const name = user.name ?? _doc.user;
    this._user = { name, color: user.color ?? colorOf(name) };
    this._seen = view.state.doc;
    const fill = () => this._gone || this._lines || this._fill();
    void _doc.ready.then(fill);
    this._stop.push(
      _doc.on("status", (status) => {
        // A document that this device does not know yet can be begun without the server; its text joins what comes.
        if (status === "offline") queueMicrotask(fill);
        if (status === "closed") queueMicrotask(() => this._dispatch({ effects: opened.of(false) }));
      }),
    );
    if (_doc.status === "offline") queueMicrotask(fill);
    // Another document's text must not be taken for this one's, not even for a while.
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
    // CodeMirror takes out a plugin that throws: the editor would go on without the document.
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

  /** Undoes or redoes; what then has to be done in the editor, where there is anything. */
  step(which: "undo" | "redo"): TransactionSpec | null {
    if (!this._lines || this._broken || this._doc.status === "closed") return null;
    this._stepping = true;
    let isMade = false;
    try {
      isMade = undoOf(this._doc)[which]();
    } finally {
      this._stepping = false;
    }
    // Also where nobody dispatches what is given.
    this._soon(() => this.release());
    if (!isMade || !this._ahead) return null;
    const selection = EditorSelection.cursor(Math.min(this._stepEnd, this._ahead.newLength));
    return { ...this._spec(this._ahead, null), selection, scrollIntoView: true, userEvent: which };
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
      const name = shortName(state["name"]) || user;
      const color = typeof state["color"] === "string" ? state["color"] : colorOf(name);
      found.push({ agent, name, color, anchor: this._toEditor(shown.anchor), head: this._toEditor(shown.head) });
    }
    return found;
  }

  /** Shows what is ahead, but for what touches the line of a word that is being composed. */
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
    // In the middle of another's update of the editor, nothing can be dispatched.
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

  /** What was done in the editor, done to the document. */
  private _edit(lines: LineMap, tr: Transaction): void {
    const before = this._text();
    let set = tr.changes;
    this._word = tr.isUserEvent("input.type.compose.start") ? startOf(set) : set.mapPos(this._word, -1);
    if (this._ahead) {
      // What is typed at the end of a word belongs to it, whatever another has put there.
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
    // From the last to the first, so that each finds its place as it was.
    const edits = changes.reverse().map((change) => lines.local(change, viewOf(before))).filter(({ del, ins }) => del || ins);
    // What another has deleted already.
    if (edits.length === 0) return;
    if (this._doc.length !== this._length) throw new Error("the document has changes that the editor has not received yet");
    // One step of undo is a whole word.
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
      this._dispatch({ changes, effects: [opened.of(this._doc.status !== "closed"), presenceChanged.of(null)] });
    } catch (error) {
      this._broken = true;
      throw error;
    }
  }

  /** What was done to the document, done in the editor. */
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

  /** The document's text, as an editor shows it that has caught up. */
  private _text(): Text {
    return this._ahead ? this._ahead.apply(this._seen) : this._seen;
  }

  private _spec(now: ChangeSet, later: ChangeSet | null): TransactionSpec {
    const isCarried = later !== null || this._isComposing() || this._isStale();
    // The anchors know the places, however coarse the changes are.
    const changes = isCarried ? now : coarse(now, this._seen);
    const carried = this.view.state.selection.map(changes);
    const places = isCarried ? inOrder(carried) : this._places(now.newLength);
    return { changes, ...(!places.eq(carried) && { selection: places }), ...quiet((this._showing = { ahead: later })) };
  }

  /** An input method holds on to the DOM of the line in which it composes a word. */
  private _isComposing(): boolean {
    const { view } = this;
    return view.composing && view.root.activeElement === view.contentDOM;
  }

  // --- Whatever happens

  private _repair(error: unknown): void {
    logException(this.view.state, error, "Inklog");
    this._mend();
  }

  /** One of the two texts may have been changed without the other: the document's is the one that counts. */
  private _mend(): void {
    this._broken = true;
    if (this._isMending) return;
    this._isMending = true;
    // A moment later, all that happened is told, and nothing is in the middle of something.
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

  /** Where an anchor is in the document, as an editor shows it that has caught up. */
  private _place(anchor: Anchor): number {
    return this._lines!.toView(this._doc.position(anchor));
  }

  private _toEditor(anchor: Anchor): number {
    const at = this._place(anchor);
    if (!this._ahead) return Math.min(at, this.view.state.doc.length);
    return this._ahead.invertedDesc.mapPos(Math.min(at, this._ahead.newLength));
  }

  /** Where the anchors of the selection are, now or in a text of this length that is to be shown. */
  private _places(length?: number): EditorSelection {
    const place = (anchor: Anchor) => (length === undefined ? this._toEditor(anchor) : Math.min(this._place(anchor), length));
    const ranges = this._selection.map(({ anchor, head }) => EditorSelection.range(place(anchor), place(head)));
    if (ranges.length === 0) return EditorSelection.single(0);
    return EditorSelection.create(ranges, Math.min(this.view.state.selection.mainIndex, ranges.length - 1));
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

  /** What the others are told has a limit, which no name or colour may exceed. */
  private _tell(cursor: Range | null): void {
    const { name, color } = this._user;
    presenceOf(this._doc).set({ name: shortName(name), color: String(color).slice(0, COLOR_MAX), cursor });
  }
}

/** What others did is not to be undone here, nor to be refused by the host's filters: the text would differ. */
function quiet(shown: Shown): TransactionSpec {
  return { annotations: [fromInklog.of(shown), Transaction.addToHistory.of(false), Transaction.remote.of(true)], filter: false };
}

const then = (first: ChangeSet | null, second: ChangeSet) => (first ? first.compose(second) : second);

/** Where the first change of a set is, in the text before it. */
function startOf(set: ChangeSet): number {
  let start = -1;
  set.iterChangedRanges((from) => start < 0 && (start = from));
  return start;
}

function isSame(a: readonly Edit[], b: readonly Edit[]): boolean {
  return a.length === b.length && a.every(({ at, del, ins }, i) => at === b[i]!.at && del === b[i]!.del && ins === b[i]!.ins);
}

/** CodeMirror carries a selection whose text is replaced over to one that ends before it begins. */
function inOrder(selection: EditorSelection): EditorSelection {
  if (selection.ranges.every(({ from, to }) => from <= to)) return selection;
  const ranges = selection.ranges.map((range) => (range.from <= range.to ? range : EditorSelection.cursor(range.to)));
  return EditorSelection.create(ranges, selection.mainIndex);
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
