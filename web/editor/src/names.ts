// Names that can be read aloud, for documents and for people who gave none.
const QUALITIES =
  "amber ashen brisk calm clear cobalt copper dusky early faint fern gentle golden hazel indigo ivory late lively lunar mellow mossy north olive pale plain quiet rapid russet sable silver slate slow small sober solar still sunny tawny umber velvet violet warm wide winter".split(" ");
const THINGS =
  "acorn alder anchor aspen basin birch bridge brook canyon cedar cliff cloud comet coral cove delta dune ember field fjord forest garden glade grove harbor heath hill island lagoon lake lantern larch maple marsh meadow mesa moon ocean orchard pebble pine prairie quarry reef ridge river shore spring summit thicket tide valley willow".split(" ");
const BIRDS =
  "avocet bittern crane curlew dipper dove egret finch godwit heron ibis jackdaw jay kestrel kite lapwing lark linnet magpie martin merlin nightjar oriole osprey owl pipit plover puffin quail raven robin rook shrike siskin snipe sparrow starling stork swallow swift teal tern thrush wagtail warbler wren".split(" ");

const ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz";

const pick = <T>(items: readonly T[]): T => items[crypto.getRandomValues(new Uint32Array(1))[0]! % items.length]!;

/** `quiet-river-7f3kq2m8`: who has the link can write, so the end is not to be guessed (about 40 bits). */
export function freshDocId(): string {
  const end = Array.from({ length: 8 }, () => pick([...ALPHABET])).join("");
  return `${pick(QUALITIES)}-${pick(THINGS)}-${end}`;
}

/** `Quiet Heron` */
export function guestName(): string {
  const capital = (word: string) => word[0]!.toUpperCase() + word.slice(1);
  return `${capital(pick(QUALITIES))} ${capital(pick(BIRDS))}`;
}

/** What is wrong with a document's name; `null` when nothing is. */
export function docIdProblem(id: string): string | null {
  if (id.length < 1 || id.length > 128) return "A document's name has 1 to 128 characters.";
  if (id === "." || id === "..") return "A document's name cannot be . or ..";
  return /^[A-Za-z0-9._~-]+$/.test(id) ? null : "A document's name may contain letters, digits and . _ ~ -";
}
