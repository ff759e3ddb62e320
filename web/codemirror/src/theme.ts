import { EditorView } from "@codemirror/view";

// The caret's own colour comes as --inklog-color. A name shows when its caret moves, and then makes room.
export const theme = EditorView.baseTheme({
  ".cm-inklog-selection": { backgroundColor: "var(--inklog-color)", opacity: "0.22" },
  ".cm-inklog-caret": { position: "absolute", width: "2px", marginLeft: "-1px", backgroundColor: "var(--inklog-color)" },
  ".cm-inklog-name": {
    position: "absolute",
    left: "0",
    bottom: "100%",
    padding: "0 5px",
    borderRadius: "3px 3px 3px 0",
    backgroundColor: "var(--inklog-color)",
    color: "#fff",
    font: "600 11px/16px system-ui, sans-serif",
    whiteSpace: "nowrap",
    pointerEvents: "none",
    animation: "cm-inklog-name 3s forwards",
  },
  ".cm-inklog-caret-top .cm-inklog-name": { bottom: "auto", top: "100%", borderRadius: "0 3px 3px 3px" },
  "@media (prefers-reduced-motion: reduce)": { ".cm-inklog-name": { animation: "none" } },
  // It goes at once: a name that fades cannot be read for a while.
  "@keyframes cm-inklog-name": { "100%": { visibility: "hidden" } },
});
