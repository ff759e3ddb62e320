/// <reference types="vite/client" />
import "react";

declare global {
  interface ImportMetaEnv {
    /** The WebSocket API to use, where it is not the page's own server. */
    readonly VITE_INKLOG_URL?: string;
  }
}

declare module "react" {
  interface CSSProperties {
    [custom: `--${string}`]: string | number | undefined;
  }
}
