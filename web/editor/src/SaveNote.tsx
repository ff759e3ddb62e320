import type { ConnectionStatus, InklogDocument, InklogError, SaveStatus } from "@inklog/client";
import { useConnectionStatus, useSaveStatus } from "@inklog/react";
import { useEffect, useState } from "react";
import { Drop } from "./Icons";

interface Note {
  /** Changes of this alone are read out. */
  kind: "saved" | "saving" | "connecting" | "offline" | "refused";
  fill: 0 | 0.5 | 1;
  text: string;
  detail: string;
}

const NUMBER = new Intl.NumberFormat("en");
const characters = (n: number) => (n === 1 ? "1 character" : `${NUMBER.format(n)} characters`);

/** What is true of the text typed here, in few words. */
export function noteOf(status: ConnectionStatus, save: SaveStatus, isKept: boolean): Note {
  const open = save.unsent + save.sent;
  const here = isKept ? "kept on this device" : "only in this tab: do not close it";
  if (status === "refused")
    return { kind: "refused", fill: open ? 0 : 1, text: "No access", detail: `The server does not let you in. ${open ? `${characters(open)} ${here}` : "Nothing waits to be sent"}.` };
  if (status === "offline" || status === "closed")
    return open
      ? { kind: "offline", fill: 0, text: `Offline · ${characters(open)} ${isKept ? "kept here" : "in this tab only"}`, detail: `${characters(open)} ${here}. Sent as soon as there is a connection.` }
      : { kind: "offline", fill: 1, text: "Offline · saved", detail: "All you typed is saved. You can go on writing." };
  if (open === 0)
    return status === "online"
      ? { kind: "saved", fill: 1, text: "Saved", detail: "All you typed is durable in the log." }
      : { kind: "connecting", fill: 1, text: "Connecting…", detail: "On the way to the server. You can write already." };
  const detail = `${characters(save.sent)} on their way, ${characters(save.unsent)} not sent yet, all ${here}.`;
  if (status === "connecting") return { kind: "connecting", fill: 0, text: `Connecting · ${characters(open)} to send`, detail };
  return { kind: "saving", fill: save.sent ? 0.5 : 0, text: `Saving ${characters(open)}`, detail };
}

const SPOKEN: Record<Note["kind"], string> = {
  saved: "Saved",
  saving: "",
  connecting: "Connecting",
  offline: "Offline. What you type is kept.",
  refused: "The server does not let you in",
};
const SPEAK_MS = 1500;
/** How long the answer to Ctrl+S stays. */
const TELL_MS = 4000;

/** What is saved, on its way, and only here. */
export function SaveNote({ doc, problem }: { doc: InklogDocument | null; problem: InklogError | null }) {
  const status = useConnectionStatus(doc);
  const save = useSaveStatus(doc);
  const [isKept, setKept] = useState(true);
  useEffect(() => {
    if (problem?.code === "storage") setKept(false);
  }, [problem]);
  const note = noteOf(status, save, isKept);

  const [spoken, setSpoken] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSpoken((was) => SPOKEN[note.kind] || was), SPEAK_MS);
    return () => clearTimeout(timer);
  }, [note.kind]);

  const [isAsked, setAsked] = useState(false);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      // Not the browser's, which would save the page.
      event.preventDefault();
      setAsked(true);
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
  useEffect(() => {
    if (!isAsked) return;
    const timer = setTimeout(() => setAsked(false), TELL_MS);
    return () => clearTimeout(timer);
  }, [isAsked]);

  return (
    <span className="save" data-kind={note.kind} data-unsent={save.unsent} data-sent={save.sent} title={note.detail}>
      <Drop fill={note.fill} />
      <span className="save-text">{note.text}</span>
      <span className="unseen" role="status">{spoken}</span>
      <span className="save-told" role="status">{isAsked && <span>Everything is saved as you type. {note.detail}</span>}</span>
    </span>
  );
}
