/** Colours on which white letters are readable (contrast at least 4.5 to 1), and which are visible on white and black.
 * */
export const COLORS: readonly string[] = ["#0a76a0", "#c2410c", "#547310", "#9440d8", "#b0307a", "#0c7a65", "#965c08", "#4f66d8"];

/** A colour for a name, always the same one. */
export function colorOf(name: string): string {
  let hash = 0;
  for (const char of name) hash = (Math.imul(hash, 31) + char.codePointAt(0)!) | 0;
  return COLORS[(hash >>> 0) % COLORS.length]!;
}
