// Searching, whose code is fetched when it is first asked for, or when the page has nothing better to do.
import { Compartment, type Extension } from "@codemirror/state";
import { keymap, showPanel, type EditorView } from "@codemirror/view";

const place = new Compartment();
/** Once it was fetched, for all editors of this tab. */
let held: Extension | null = null;

async function load(view: EditorView): Promise<typeof import("@codemirror/search")> {
  const code = await import("@codemirror/search");
  held ??= [code.search({ top: true }), keymap.of(code.searchKeymap)];
  const placed = place.get(view.state);
  if (placed !== undefined && placed !== held) view.dispatch({ effects: place.reconfigure(held) });
  return code;
}

/** Until it is here, its main key waits for it. */
const waiting: Extension = keymap.of([
  {
    key: "Mod-f",
    preventDefault: true,
    run(view) {
      load(view).then(({ openSearchPanel }) => openSearchPanel(view), () => view.dispatch({ effects: place.reconfigure([waiting, missing]) }));
      return true;
    },
  },
]);

const missing = showPanel.of(() => {
  const dom = document.createElement("p");
  dom.className = "search-missing";
  dom.role = "alert";
  dom.textContent = "Search could not be loaded: the connection is lost, or there is a newer version. Try again, or reload the page.";
  return { dom, top: true };
});

export const searching: Extension = place.of(waiting);

export const preloadSearch = (view: EditorView): void => void load(view).catch(() => {});
