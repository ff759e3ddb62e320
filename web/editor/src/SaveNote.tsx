import type { ConnectionStatus, InklogDocument, SaveStatus, StorageStatus } from "@inklog/client";
import { useConnectionStatus, useSaveStatus, useStorage } from "@inklog/react";
import { useEffect, useId, useRef, useState } from "react";
import { type Standing, useAccessWords, useObstacle, useReadOnly, useStanding } from "./access/standing";
import { Drop } from "./Icons";
import { characters, reasonFor, wordsFor } from "./words";

interface Note {
  /** Changes of this alone are read out. */
  kind: "saved" | "saving" | "connecting" | "offline" | "refused";
  fill: 0 | 0.5 | 1;
  text: string;
  detail: string;
}

/** What it depends on. */
interface Facts {
  status: ConnectionStatus;
  save: SaveStatus;
  storage: StorageStatus;
  standing: Standing;
  readOnly: boolean;
}

/** The state of the text typed here, in few words. */
export function noteOf({ status, save, storage, standing, readOnly }: Facts): Note {
  const open = save.unsent + save.sent;
  const isKept = storage.kind === "device";
  const here = isKept ? "kept on this device" : "only in this tab: do not close it";
  const isShut = standing === "out" || standing === "barred" || status === "refused";
  if (open && (isShut || save.blocked)) return { kind: "refused", fill: 0, text: `${characters(open)} not sent`, detail: `${characters(open)} not sent, but ${here}.` };
  if (isShut) return { kind: "refused", fill: 1, text: standing === "out" ? "Signed out" : "No access", detail: "Nothing is waiting to be sent." };
  if (status === "offline" || status === "closed")
    return open
      ? { kind: "offline", fill: 0, text: `Offline · ${characters(open)} ${isKept ? "kept here" : "in this tab only"}`, detail: `${characters(open)} ${here}. To be sent once there is a connection.` }
      : readOnly
        ? { kind: "offline", fill: 1, text: "Offline", detail: "You see the text as it was when you were last connected." }
        : { kind: "offline", fill: 1, text: "Offline · saved", detail: "Your text is saved. You can keep writing." };
  if (open === 0 && status !== "online") return { kind: "connecting", fill: 1, text: "Connecting…", detail: `Connecting to the server.${readOnly ? "" : " You can already write."}` };
  if (open === 0 && readOnly) return { kind: "saved", fill: 1, text: "Up to date", detail: "You see what others write as they write it." };
  if (open === 0) return { kind: "saved", fill: 1, text: "Saved", detail: "Your text is durable in the log." };
  const detail = `${characters(save.sent)} being sent, ${characters(save.unsent)} not sent yet, all ${here}.`;
  if (status === "connecting") return { kind: "connecting", fill: 0, text: `Connecting · ${characters(open)} to send`, detail };
  return { kind: "saving", fill: save.sent ? 0.5 : 0, text: `Saving ${characters(open)}`, detail };
}

/** What a screen reader announces on a change; "" keeps the last announcement. */
function spokenOf({ kind, text }: Note, isKept: boolean): string {
  if (kind === "offline") return isKept ? "Offline. What you type is kept." : "Offline. What you type is only in this tab.";
  return { saved: text, saving: "", connecting: "Connecting", refused: text }[kind];
}
const SPEAK_MS = 1500;
/** How long the answer to Ctrl+S stays. */
const TELL_MS = 4000;

/** What is saved, being sent, and only here; a press on it, or Ctrl+S, shows more. */
export function SaveNote({ doc }: { doc: InklogDocument | null }) {
  const id = useId();
  const status = useConnectionStatus(doc);
  const save = useSaveStatus(doc);
  const storage = useStorage(doc);
  const problem = useObstacle(doc);
  const refusal = useAccessWords(doc);
  const readOnly = useReadOnly(doc);
  const note = noteOf({ status, save, storage, standing: useStanding(doc), readOnly });
  const isMemory = storage.kind === "memory";
  const more = useRef<HTMLDivElement>(null);

  const [spoken, setSpoken] = useState("");
  const toSay = spokenOf(note, storage.kind === "device");
  useEffect(() => {
    const timer = setTimeout(() => setSpoken((was) => toSay || was), SPEAK_MS);
    return () => clearTimeout(timer);
  }, [toSay]);

  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      // Not the browser's, which would save the page.
      event.preventDefault();
      setAsked((times) => times + 1);
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
  useEffect(() => {
    if (!asked) return;
    more.current?.showPopover();
    const timer = setTimeout(() => more.current?.hidePopover(), TELL_MS);
    return () => clearTimeout(timer);
  }, [asked]);

  return (
    <span className="save" data-kind={note.kind} data-unsent={save.unsent} data-sent={save.sent}>
      <button type="button" className="save-button" popoverTarget={`${id}-more`} title={note.detail}>
        <Drop fill={note.fill} />
        <span className="save-text">{note.text}</span>
      </button>
      <span className="unseen" role="status">{spoken}</span>
      <div id={`${id}-more`} ref={more} popover="auto" className="popover save-more" role="status">
        <p>{note.kind === "refused" || readOnly ? "" : isMemory ? "What you type is sent automatically. " : "Everything is saved as you type. "}{note.detail}</p>
        {refusal && <p>{refusal}</p>}
        {problem && <p>{wordsFor(problem)}</p>}
        {isMemory && <p>This device keeps no copy: {reasonFor(storage)}.</p>}
      </div>
    </span>
  );
}
