// Lays out each line in the direction of its own text. By default, CodeMirror uses one direction for all lines.
import { RangeSetBuilder, type Extension } from "@codemirror/state";
import { Decoration, EditorView, ViewPlugin, type DecorationSet, type ViewUpdate } from "@codemirror/view";

const auto = Decoration.line({ attributes: { dir: "auto" } });

/** How many characters of a line are searched for a letter. */
const LOOKED_AT = 2_000;

/** A line without a letter keeps the direction of the page. */
function directions(view: EditorView): DecorationSet {
  const found = new RangeSetBuilder<Decoration>();
  let done = -1;
  for (const { from, to } of view.visibleRanges) {
    for (let at = from; at <= to; ) {
      const line = view.state.doc.lineAt(at);
      const start = view.state.sliceDoc(line.from, Math.min(line.to, line.from + LOOKED_AT));
      if (line.from > done && /\p{L}/u.test(start)) found.add(line.from, line.from, auto);
      done = line.from;
      at = line.to + 1;
    }
  }
  return found.finish();
}

export const lineDirection: Extension = [
  EditorView.perLineTextDirection.of(true),
  ViewPlugin.define(
    (view) => ({
      found: directions(view),
      update(update: ViewUpdate) {
        if (update.docChanged || update.viewportChanged) this.found = directions(update.view);
      },
    }),
    { decorations: (plugin: { found: DecorationSet }) => plugin.found },
  ),
];
