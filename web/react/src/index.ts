"use client";

/**
 * `@inklog/react`: a shared document of Inklog in React. `useDocument` opens it for as long as a component needs it;
 * the other hooks take that document (or `null`, as long as there is none) and re-render when their result changes.
 *
 * ```tsx
 * const doc = useDocument({ url: "wss://…/prod", docId: "minutes" });
 * const text = useText(doc);
 * const { allSaved } = useSaveStatus(doc);
 * ```
 */
export { useDocument, useDocumentError, type DocumentOptions } from "./document.js";
export { localEvents, useHistory, type EventsSource, type History, type HistoryEvent, type HistoryOptions } from "./history.js";
export { Replay } from "./replay.js";
export {
  useAccess, useConnectionStatus, useForks, useGap, usePresence, useProblem, useSaveStatus, useStorage, useText,
} from "./state.js";
