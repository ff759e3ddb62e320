// A server's rights, put in front of the open stack, so that a test can change them at any moment.
import type { BrowserContext, WebSocketRoute } from "playwright-core";

export type Right = "none" | "read" | "write" | "manage";

const REFUSALS = {
  unauthorized: "the token has expired; connect again with a fresh one",
  forbidden: "you have no access to this document",
  too_large: "document d is full: delete text, or go on in another",
} as const;

export class Guard {
  /** Of whoever has this browser, in every document. */
  right: Right = "manage";
  /** No token is accepted. */
  isShut = false;
  /** What is written does not fit. */
  isFull = false;
  private readonly _open = new Set<WebSocketRoute>();

  static async of(context: BrowserContext, user: string): Promise<Guard> {
    const guard = new Guard();
    await context.routeWebSocket(/\/dev$/, (page) => guard._route(page, user));
    return guard;
  }

  /** Ends all connections, as a server does whose operator revokes an access. */
  async disconnect(): Promise<void> {
    for (const page of this._open) await page.close();
    this._open.clear();
  }

  private _route(page: WebSocketRoute, user: string): void {
    const server = page.connectToServer();
    this._open.add(page);
    page.onMessage((frame) => {
      const { action, ref } = JSON.parse(String(frame));
      const code = this._refusal(action);
      if (code) page.send(JSON.stringify({ action: "ERROR", code, message: REFUSALS[code], retry: false, ref }));
      else server.send(frame);
    });
    server.onMessage((frame) => {
      const message = JSON.parse(String(frame));
      if (this.isShut || this.right === "none") return;
      const isLast = ["DOC_STATE", "OP_REPLAY"].includes(message.action) && message.part === message.parts;
      page.send(isLast ? JSON.stringify({ ...message, access: this.right, user }) : frame);
    });
  }

  private _refusal(action: string): keyof typeof REFUSALS | null {
    if (this.isShut) return "unauthorized";
    if (action === "JOIN_DOC" || action === "SYNC_STATE") return this.right === "none" ? "forbidden" : null;
    if (action !== "SEND_OP") return null;
    if (this.right === "none" || this.right === "read") return "forbidden";
    return this.isFull ? "too_large" : null;
  }
}
