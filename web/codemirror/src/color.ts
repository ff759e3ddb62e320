// Colours that read on white and on black alike, and stay apart for those who see fewer of them.
const PALETTE = ["#0b7fab", "#c2410c", "#5b7c0f", "#9d4edd", "#b0307a", "#0f8a72", "#a16207", "#4f66d8"];

/** A colour for a name, always the same one. */
export function colorOf(name: string): string {
  let hash = 0;
  for (const char of name) hash = (Math.imul(hash, 31) + char.codePointAt(0)!) | 0;
  return PALETTE[(hash >>> 0) % PALETTE.length]!;
}
