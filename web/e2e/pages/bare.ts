// A page with nothing but the binding: what an application would write, and a handle for the tests.
import { defaultKeymap } from "@codemirror/commands";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap } from "@codemirror/view";
import { vim } from "@replit/codemirror-vim";
import { openDocument, type InklogDocument } from "@inklog/client";
import { inklogExtension, remoteCursors } from "@inklog/codemirror";

const docs = new Map<string, InklogDocument>();

function documentOf(docId: string): InklogDocument {
  const url = `ws://${location.host}/dev`;
  const doc = docs.get(docId) ?? openDocument({ url, docId, user: new URLSearchParams(location.search).get("user") ?? "ada", storage: null });
  docs.set(docId, doc);
  return doc;
}

const KINDS: Record<string, Extension> = {
  plain: [],
  vim: vim(),
  readOnly: EditorState.readOnly.of(true),
  drawn: drawSelection(),
};

const slot = new Compartment();

const bare = {
  documentOf,
  remoteCursors,
  view: null as EditorView | null,
  open(docId: string, kind = "plain"): void {
    this.view = new EditorView({
      parent: document.body,
      extensions: [KINDS[kind]!, slot.of(inklogExtension(documentOf(docId))), keymap.of(defaultKeymap), EditorView.lineWrapping],
    });
    this.view.focus();
  },
  swap(docId: string): void {
    this.view!.dispatch({ effects: slot.reconfigure(inklogExtension(documentOf(docId))) });
  },
  remove(): void {
    this.view!.dispatch({ effects: slot.reconfigure([]) });
  },
};

export type Bare = typeof bare;
(globalThis as any).bare = bare;
