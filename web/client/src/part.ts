// The seam between a document and its parts. A part is what an application asks for beside the text: undo, presence. It
// reads the document, edits it and sends through its `Host`, and is told what happens by the methods of `Part` that it
// has; it reaches nothing else of the document. `InklogDocument.part` makes it, once a document, and is the host. Neither
// says `implements`: the published declarations leave out what is internal.

import type { Change, LocalOp, TextDoc } from "./crdt/index.js";
import type { Shown } from "./sync/core.js";
import type { Rename } from "./sync/rename.js";
import type { ClientMessage } from "./sync/wire.js";
import type { ConnectionStatus, DocumentEvents } from "./types.js";

/** What a part may read, and do. */
export interface Host {
  readonly docId: string;
  readonly status: ConnectionStatus;
  /** Whether edits are refused. */
  readonly readOnly: boolean;
  /** The agent that writes; it may change. */
  readonly agent: string;
  /** The text with its ids, as it is now: another object once the document has begun anew. For reading. */
  readonly replica: TextDoc;
  /** The connection, once what the server had has come over it: another object each time. Else `null`. */
  readonly connection: object | null;
  /** What each agent last showed, and when that was heard, in the time of `now`. Part of it all is one's own. */
  readonly shown: Map<string, Shown>;
  /** Counts what came for `shown`. */
  readonly showings: number;
  /** ms, never going back. */
  now(): number;
  /** To the server, where there is a connection; else it is lost. */
  send(message: ClientMessage): void;
  /**
   * Changes the text, and tells of it. `make` changes `replica` under `agent`, hands each op to `push`, and puts what an
   * editor has to do into `changes`. Should it throw, the document is as the store has it.
   */
  change(origin: "undo" | "redo", make: (changes: Change[]) => void): void;
  /** Sends an op that `replica` has already. Only within `change`. */
  push(op: LocalOp): void;
  /** Tells the application, after everything that has happened until now. */
  tell<Name extends keyof DocumentEvents>(name: Name, value: DocumentEvents[Name]): void;
  /** Does what follows from what the part has done: to be called at its end. */
  flush(): void;
}

/** What a part is told. */
export interface Part {
  /** Something has happened, or it is the time that was asked for. Returns when it is to be called again at the latest, in the
   * time of `now`; `Infinity`: only when something has happened. */
  tick?(now: number): number;
  /** An edit of the application is about to be made: `del` UTF-16 units at `at` go, `ins` comes. What is returned is called
   * when it is made, with its ops. */
  editing?(at: number, del: number, ins: string): (ops: readonly LocalOp[]) => void;
  /** All edits of one call are made. */
  edited?(): void;
  /** Ids have new names, since the server refused the old ones. */
  renamed?(rename: Rename): void;
  /** The document has begun anew: ids of before mean nothing any more. */
  renewed?(): void;
}
