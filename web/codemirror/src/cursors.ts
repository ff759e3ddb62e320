// Shows the others' carets and selections. They are drawn in layers over and under the text, not inside it, so that
// they disturb neither typing nor an input method in the middle of a word.
import { EditorSelection, type Extension } from "@codemirror/state";
import { layer, RectangleMarker, type EditorView, type LayerMarker, type ViewUpdate } from "@codemirror/view";
import { presenceChanged } from "./binding.js";
import { boxesOf, columnOf } from "./boxes.js";
import { remoteCursors } from "./sync.js";

/** Up to this distance from the editor's top, a caret has its name below it. */
const TOP_PX = 20;

class Selection implements LayerMarker {
  constructor(
    private readonly _box: RectangleMarker,
    private readonly _color: string,
  ) {}

  eq(other: Selection): boolean {
    return this._color === other._color && this._box.eq(other._box);
  }

  draw(): HTMLElement {
    const dom = this._box.draw();
    dom.style.setProperty("--inklog-color", this._color);
    return dom;
  }
}

class Caret implements LayerMarker {
  constructor(
    private readonly _agent: string,
    private readonly _left: number,
    private readonly _top: number,
    private readonly _height: number,
    /** The name extends to the left, where there is more room. */
    private readonly _isLate: boolean,
    private readonly _name: string,
    private readonly _color: string,
  ) {}

  eq(other: Caret): boolean {
    return this._agent === other._agent && this._left === other._left && this._top === other._top
      && this._height === other._height && this._isLate === other._isLate && this._name === other._name && this._color === other._color;
  }

  draw(): HTMLElement {
    const dom = document.createElement("div");
    dom.className = "cm-inklog-caret";
    dom.classList.toggle("cm-inklog-caret-top", this._top < TOP_PX);
    dom.classList.toggle("cm-inklog-caret-late", this._isLate);
    dom.dataset["agent"] = this._agent;
    dom.style.setProperty("--inklog-color", this._color);
    dom.style.left = `${this._left}px`;
    dom.style.top = `${this._top}px`;
    dom.style.height = `${this._height}px`;
    const name = dom.appendChild(document.createElement("div"));
    name.className = "cm-inklog-name";
    name.textContent = this._name;
    return dom;
  }
}

const moved = (update: ViewUpdate) =>
  update.docChanged || update.transactions.some((tr) => tr.effects.some((effect) => effect.is(presenceChanged)));

export const cursors: Extension = [
  layer({
    above: false,
    class: "cm-inklog-selections",
    update: moved,
    markers: (view: EditorView) =>
      remoteCursors(view).flatMap(({ anchor, head, color }) =>
        anchor === head ? [] : boxesOf(view, anchor, head).map((box) => new Selection(box, color)),
      ),
  }),
  layer({
    above: true,
    class: "cm-inklog-carets",
    update: moved,
    markers(view: EditorView) {
      const { left, right } = columnOf(view);
      return remoteCursors(view).flatMap(({ agent, head, name, color }) =>
        RectangleMarker.forRange(view, "", EditorSelection.cursor(head)).map(
          (box) => new Caret(agent, box.left, box.top, box.height, box.left > (left + right) / 2, name, color),
        ),
      );
    },
  }),
];
