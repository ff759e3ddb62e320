// CodeMirror draws only what can be seen, so what is printed is a copy of the whole text, as plain as paper.
import { EditorView } from "@codemirror/view";

/** From now on, printing gives the whole text that is shown; the result ends that. */
export function printWhole(): () => void {
  let paper: HTMLElement | undefined;
  const before = () => {
    const shown = document.querySelector<HTMLElement>(".writing:not([hidden]) .cm-content");
    const view = shown && EditorView.findFromDOM(shown);
    if (!view) return;
    after();
    paper = document.body.appendChild(document.createElement("div"));
    paper.className = "paper";
    paper.textContent = view.state.doc.toString();
  };
  const after = () => paper?.remove();
  addEventListener("beforeprint", before);
  addEventListener("afterprint", after);
  return () => {
    after();
    removeEventListener("beforeprint", before);
    removeEventListener("afterprint", after);
  };
}
