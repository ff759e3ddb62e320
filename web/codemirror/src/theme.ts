import { EditorView } from "@codemirror/view";

// A caret's colour is in --inklog-color. A name appears when its caret moves, and then disappears.
export const theme = EditorView.baseTheme({
  ".cm-inklog-selections, .cm-inklog-carets": { pointerEvents: "none" },
  ".cm-inklog-selection": { backgroundColor: "var(--inklog-color)", opacity: "0.22" },
  ".cm-inklog-caret": { position: "absolute", width: "2px", marginLeft: "-1px", backgroundColor: "var(--inklog-color)" },
  ".cm-inklog-name": {
    position: "absolute",
    left: "0",
    bottom: "100%",
    boxSizing: "border-box",
    maxWidth: "16em",
    overflow: "hidden",
    textOverflow: "ellipsis",
    padding: "0 5px",
    borderRadius: "3px 3px 3px 0",
    backgroundColor: "var(--inklog-color)",
    color: "#fff",
    font: "600 11px/16px system-ui, sans-serif",
    whiteSpace: "nowrap",
    unicodeBidi: "plaintext",
    animation: "cm-inklog-name 3s forwards",
  },
  ".cm-inklog-caret-late .cm-inklog-name": { left: "auto", right: "0", borderRadius: "3px 3px 0 3px" },
  ".cm-inklog-caret-top .cm-inklog-name": { bottom: "auto", top: "100%", borderRadius: "0 3px 3px 3px" },
  ".cm-inklog-caret-top.cm-inklog-caret-late .cm-inklog-name": { borderRadius: "3px 0 3px 3px" },
  "@media (prefers-reduced-motion: reduce)": { ".cm-inklog-name": { animation: "none" } },
  // With forced colours, backgrounds carry no meaning, and text has a backplate that covers what is under it.
  "@media (forced-colors: active)": {
    ".cm-inklog-selections": { zIndex: "150 !important" },
    ".cm-inklog-selection": {
      forcedColorAdjust: "none",
      boxSizing: "border-box",
      border: "1px solid Highlight",
      backgroundColor: "transparent",
      opacity: "1",
    },
    ".cm-inklog-caret": { forcedColorAdjust: "none", backgroundColor: "Highlight" },
    ".cm-inklog-name": {
      forcedColorAdjust: "none",
      border: "1px solid Highlight",
      backgroundColor: "Canvas",
      color: "CanvasText",
    },
  },
  // It disappears at once: a fading name would be unreadable for a while.
  "@keyframes cm-inklog-name": { "100%": { visibility: "hidden" } },
});
