// What is typed between asking for a document and its editor's being there is caught in a field that nobody sees, and
// handed on. It also opens the keyboard of a phone, which only a field can that gets the focus within the tap.

interface Catching {
  docId: string;
  field: HTMLTextAreaElement;
  /** An input method is in the middle of a word: moving the focus would break it. */
  composing: boolean;
  take?: (text: string) => void;
}

let catching: Catching | null = null;

/** Takes the keys from now on, for that document. */
export function catchTyping(docId: string): void {
  dropTyping();
  const field = document.body.appendChild(document.createElement("textarea"));
  const made: Catching = (catching = { docId, field, composing: false });
  field.className = "unseen";
  field.ariaLabel = "Text";
  // Into smaller writing, a phone would zoom.
  field.style.fontSize = "16px";
  field.addEventListener("compositionstart", () => void (made.composing = true));
  field.addEventListener("compositionend", () => {
    made.composing = false;
    // The field has the word a task later.
    setTimeout(hand);
  });
  field.focus({ preventScroll: true });
}

/** Whether keys are being caught. */
export const isCatching = (docId: string): boolean => catching?.docId === docId;

/** Gives what was typed, once no word is half-written, and ends the catching. */
export function takeTyping(docId: string, take: (text: string) => void): void {
  if (catching?.docId !== docId) return;
  catching.take = take;
  hand();
}

/** Ends the catching, where the document is left before it could be written. */
export function dropTyping(): void {
  catching?.field.remove();
  catching = null;
}

function hand(): void {
  if (!catching?.take || catching.composing) return;
  const { field, take } = catching;
  const { value } = field;
  dropTyping();
  take(value);
}
