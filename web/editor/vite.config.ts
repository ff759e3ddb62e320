import react from "@vitejs/plugin-react";
import { defaultClientConditions, defineConfig } from "vite";
import { compressed } from "./build/compress.js";
import { serviceWorker } from "./service-worker/plugin.js";

// `npm run dev` serves the editor by Vite, and sends the rest to a running `inklog dev`.
const stack = process.env["INKLOG_DEV"] ?? "http://127.0.0.1:8080";

/** What is built runs on Preact, a tenth of React's bytes; work on the editor is done with React and its tools. */
const preact = [
  { find: /^react-dom(\/client)?$/, replacement: "preact/compat/client" },
  { find: /^react$/, replacement: "preact/compat" },
  { find: /^react\/jsx-runtime$/, replacement: "preact/jsx-runtime" },
];

export default defineConfig(({ command }) => ({
  plugins: [react(), serviceWorker(), compressed()],
  resolve: { conditions: ["@inklog/source", ...defaultClientConditions], alias: command === "build" ? preact : [] },
  build: { target: "es2022", assetsInlineLimit: 0 },
  server: { proxy: { "/dev": { target: stack, ws: true }, "/_inklog": { target: stack, changeOrigin: true } } },
}));
