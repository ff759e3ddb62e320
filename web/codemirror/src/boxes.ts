// Where others' selections are drawn: within the text's box.
import { EditorSelection } from "@codemirror/state";
import { Direction, RectangleMarker, type EditorView } from "@codemirror/view";

/** The left and right edge of the text, in pixels of the layer. */
export interface Column {
  left: number;
  right: number;
}

export function columnOf(view: EditorView): Column {
  const { contentDOM, scrollDOM, scaleX } = view;
  const line = contentDOM.querySelector(".cm-line");
  const styles = [contentDOM, ...(line ? [line] : [])].map((element) => getComputedStyle(element));
  const padding = (side: "paddingLeft" | "paddingRight") => styles.reduce((sum, style) => sum + (parseFloat(style[side]) || 0), 0) * scaleX;
  const content = contentDOM.getBoundingClientRect();
  const scroller = scrollDOM.getBoundingClientRect();
  const start = view.textDirection === Direction.LTR ? scroller.left : scroller.right - scrollDOM.clientWidth * scaleX;
  const base = start - scrollDOM.scrollLeft * scaleX;
  return {
    left: content.left + padding("paddingLeft") - base,
    right: content.right - padding("paddingRight") - base,
  };
}

/** CodeMirror's boxes extend into the padding around the text. */
export function boxesOf(view: EditorView, anchor: number, head: number): RectangleMarker[] {
  const { left, right } = columnOf(view);
  const boxes: RectangleMarker[] = [];
  for (const box of RectangleMarker.forRange(view, "cm-inklog-selection", EditorSelection.range(anchor, head))) {
    const from = Math.max(box.left, left);
    const to = Math.min(box.left + (box.width ?? 0), right);
    if (to > from) boxes.push(new RectangleMarker("cm-inklog-selection", from, box.top, to - from, box.height));
  }
  return boxes;
}
