// Where the reader was in a document: kept for as long as the tab lives, so that a reload leads back.
import type { EditorView } from "@codemirror/view";
import type { InklogDocument } from "@inklog/client";
import { LineMap } from "@inklog/client/lines";
import type { Anchor } from "@inklog/client/crdt";
import { knows } from "@inklog/client/presence";


/** Anchors, so that it stays right when the text has changed; `px` from the editor's top to that line. */
interface Place {
  anchor: Anchor;
  head: Anchor;
  top: Anchor;
  px: number;
}

const keyOf = (docId: string) => `inklog.place.${docId}`;

export function keepPlace(view: EditorView, doc: InklogDocument): void {
  const { anchor, head } = view.state.selection.main;
  const box = view.scrollDOM.getBoundingClientRect();
  // Not drawn: the place is the one that was kept when it was.
  if (box.height === 0) return;
  const isAtTop = view.scrollDOM.scrollTop === 0;
  const top = isAtTop ? 0 : view.posAtCoords({ x: view.contentDOM.getBoundingClientRect().left + 40, y: box.top + 1 }, false);
  const px = isAtTop ? 0 : (view.coordsAtPos(top)?.top ?? box.top) - box.top;
  const lines = new LineMap(doc.text);
  const at = (pos: number) => doc.anchor(lines.toDoc(pos), -1);
  const place: Place = { anchor: at(anchor), head: at(head), top: at(top), px };
  try {
    sessionStorage.setItem(keyOf(doc.docId), JSON.stringify(place));
  } catch {
    // Storage is switched off: a reload begins at the top.
  }
}

/** Where the reader was, in the editor's positions; `null` where nothing is known of it. */
export function placeIn(doc: InklogDocument): { anchor: number; head: number; top: number; px: number } | null {
  try {
    const { anchor, head, top, px } = JSON.parse(sessionStorage.getItem(keyOf(doc.docId)) ?? "null") as Place;
    if (![anchor, head, top].every((place) => knows(doc, place))) return null;
    const lines = new LineMap(doc.text);
    const at = (place: Anchor) => lines.toView(doc.position(place));
    return { anchor: at(anchor), head: at(head), top: at(top), px: Number(px) || 0 };
  } catch {
    // Nothing kept, or nothing that can be read.
    return null;
  }
}

export function forgetPlace(docId: string): void {
  try {
    sessionStorage.removeItem(keyOf(docId));
  } catch {
    // Then there is none.
  }
}
