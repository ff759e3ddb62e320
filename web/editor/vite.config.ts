import react from "@vitejs/plugin-react";
import { defaultClientConditions, defineConfig } from "vite";
import { serviceWorker } from "./service-worker/plugin.js";

// `npm run dev` serves the editor by Vite, and sends the rest to a running `inklog dev`.
const stack = process.env["INKLOG_DEV"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), serviceWorker()],
  resolve: { conditions: ["@inklog/source", ...defaultClientConditions] },
  build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 700 },
  server: { proxy: { "/dev": { target: stack, ws: true }, "/_inklog": { target: stack, changeOrigin: true } } },
});
