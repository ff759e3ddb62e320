// Shortens names and titles that others chose, for display.

import { wellFormed } from "./lines.js";

/** A real character as people see it has fewer code points; a tower of accents has no end. */
const POINTS_A_CHARACTER = 16;

/**
 * A name for display: trimmed, and of at most `max` characters as people see them (graphemes), none of
 * which is cut. It never has more than 16 × `max` code points. Empty if `name` is not a string.
 */
export function shortName(name: unknown, max = 40): string {
  if (typeof name !== "string") return "";
  let short = "";
  let room = max * POINTS_A_CHARACTER;
  let characters = 0;
  for (const character of charactersOf(wellFormed(name.trim().slice(0, (room + 1) * 2)))) {
    const points = [...character];
    if (++characters > max || points.length > room) {
      // Only what is one character without end is cut.
      if (!short) short = points.slice(0, room).join("");
      break;
    }
    room -= points.length;
    short += character;
  }
  return short.trimEnd();
}

/** Where the platform knows no graphemes, they are code points. */
function* charactersOf(text: string): Generator<string> {
  if (typeof Intl === "undefined" || !("Segmenter" in Intl)) return yield* text;
  for (const { segment } of new Intl.Segmenter().segment(text)) yield segment;
}
