"use client";

// A document's reports, as component state.
import type {
  Access, ConnectionStatus, DocumentEvents, Fork, InklogDocument, InklogError, JsonObject, JsonState, Presence, SaveStatus, StorageStatus,
} from "@inklog/client";
import { presenceOf } from "@inklog/client/presence";
import { useCallback, useSyncExternalStore } from "react";

function useTold<T>(
  doc: InklogDocument | null,
  name: keyof DocumentEvents,
  read: (doc: InklogDocument) => T,
  none: T,
): T {
  const subscribe = useCallback(
    (tell: () => void) => {
      if (!doc) return () => {};
      let stop: (() => void) | null = doc.on(name, tell);
      void doc.ready.then(() => stop && tell());
      return () => {
        stop?.();
        stop = null;
      };
    },
    [doc, name],
  );
  const get = () => (doc ? read(doc) : none);
  return useSyncExternalStore(subscribe, get, () => none);
}

// The text is assembled once per change, not once per render.
const texts = new WeakMap<InklogDocument, { text: string | null }>();

function textOf(doc: InklogDocument): string {
  let held = texts.get(doc);
  if (!held) {
    const made = (held = { text: null as string | null });
    texts.set(doc, made);
    const changed = () => void (made.text = null);
    doc.on("change", changed);
    void doc.ready.then(changed);
  }
  return (held.text ??= doc.text);
}

/** The text; `""` until it has arrived. For an editor, use a binding instead: it follows edits, not whole texts. */
export function useText(doc: InklogDocument | null): string {
  return useTold(doc, "change", textOf, "");
}

const NOBODY: ReadonlyMap<string, Presence<any>> = new Map();

/** The others who are here, by agent. `State` is the application's type of state, see `presenceOf`. */
export function usePresence<State extends JsonState<State> = JsonObject>(doc: InklogDocument | null): ReadonlyMap<string, Presence<State>> {
  return useTold(doc, "presence", (doc) => presenceOf<State>(doc).others, NOBODY);
}

/** The connection's status. */
export function useConnectionStatus(doc: InklogDocument | null): ConnectionStatus {
  return useTold(doc, "status", (doc) => doc.status, "connecting");
}

/** What the user may do with the document; `null` until the server has said it. `doc.readOnly` changes with it. */
export function useAccess(doc: InklogDocument | null): Access {
  return useTold(doc, "access", (doc) => doc.access, null);
}

const NOTHING: SaveStatus = { unsent: 0, sent: 0, allSaved: true, blocked: false };

/** How many edits are durable on the server, sent, and only on this device. */
export function useSaveStatus(doc: InklogDocument | null): SaveStatus {
  return useTold(doc, "save", (doc) => doc.save, NOTHING);
}

const OPENING: StorageStatus = { kind: "opening", reason: null };

/** Where edits are kept until they are saved; for `memory`, also why, in one line for people. */
export function useStorage(doc: InklogDocument | null): StorageStatus {
  return useTold(doc, "storage", (doc) => doc.storage, OPENING);
}

/** What keeps the document from the server, in one line for people; `null`: no known problem. */
export function useProblem(doc: InklogDocument | null): InklogError | null {
  return useTold(doc, "problem", (doc) => doc.problem, null);
}

const NONE: readonly Fork[] = [];

/** Texts that the server forgot, oldest first; `doc.restoreFork` restores one, `doc.discardFork` discards it. */
export function useForks(doc: InklogDocument | null): readonly Fork[] {
  return useTold(doc, "forked", (doc) => doc.forks, NONE);
}

/** Whether others' edits cannot be applied because they need edits that cannot be fetched. */
export function useGap(doc: InklogDocument | null): boolean {
  return useTold(doc, "gap", (doc) => doc.gap, false);
}
