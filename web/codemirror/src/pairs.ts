import type { Text } from "@codemirror/state";
import type { ViewChange } from "@inklog/client/lines";

/** The change with the halves of surrogate pairs that it cuts through. */
export function wholePairs(doc: Text, { from, to, insert }: ViewChange): ViewChange {
  if (cuts(doc, from)) insert = doc.sliceString(--from, from + 1) + insert;
  if (cuts(doc, to)) insert += doc.sliceString(to, ++to);
  return { from, to, insert };
}

const cuts = (doc: Text, at: number) =>
  at > 0 && at < doc.length && /^[\ud800-\udbff][\udc00-\udfff]$/.test(doc.sliceString(at - 1, at + 1));
