import type { Anchor } from "./crdt/index.js";
import type { ConnectionStatus, DocumentEvents, Edit, JsonObject, OpenOptions, Presence, SaveStatus } from "./types.js";

/** Opens a document; it connects by itself, and works before and without that. */
export declare function openDocument(options: OpenOptions): InklogDocument;

/** One document, open in this tab. */
export declare class InklogDocument {
  readonly docId: string;
  /** The name that this tab writes under; it may change, see the event. */
  get agent(): string;
  readonly user: string;
  /** The text as this device kept it, or as the server has it, is here. */
  readonly ready: Promise<void>;
  /** The server's text is here for the first time. */
  readonly synced: Promise<void>;
  get text(): string;
  get length(): number;
  /** Makes edits, one after the other. */
  edit(edits: readonly Edit[]): void;
  insert(at: number, text: string): void;
  delete(at: number, len: number): void;
  /** Listens; the result ends that. */
  on<K extends keyof DocumentEvents>(name: K, listener: (value: DocumentEvents[K]) => void): () => void;
  get status(): ConnectionStatus;
  get save(): SaveStatus;
  get presence(): ReadonlyMap<string, Presence>;
  setPresence(state: JsonObject | null): void;
  anchor(at: number, side: -1 | 1): Anchor;
  position(anchor: Anchor): number;
  undo(): boolean;
  redo(): boolean;
  get canUndo(): boolean;
  get canRedo(): boolean;
  close(): Promise<void>;
}
