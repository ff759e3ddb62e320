// Searching, whose code is fetched when it is first asked for, or when the page has nothing better to do.
import { Compartment, type Extension } from "@codemirror/state";
import { keymap, type EditorView } from "@codemirror/view";

const place = new Compartment();

async function load(view: EditorView): Promise<typeof import("@codemirror/search")> {
  const found = await import("@codemirror/search");
  if (place.get(view.state) !== waiting) return found;
  view.dispatch({ effects: place.reconfigure([found.search({ top: true }), keymap.of(found.searchKeymap)]) });
  return found;
}

/** Until it is here, its main key waits for it. */
const waiting: Extension = keymap.of([
  {
    key: "Mod-f",
    preventDefault: true,
    run(view) {
      load(view).then(({ openSearchPanel }) => openSearchPanel(view), () => {});
      return true;
    },
  },
]);

export const searching: Extension = place.of(waiting);

export const preloadSearch = (view: EditorView): void => void load(view).catch(() => {});
