// What an undo step consists of, and when an edit continues the last one.

import type { IdRange, TextDoc } from "../crdt/index.js";
import { shortName } from "../names.js";

/** Ids that were inserted, or, with their text, deleted. */
export interface Piece extends IdRange {
  text?: string;
}

/** How much memory a piece takes besides its text, in UTF-16 units. */
const PIECE_WEIGHT = 64;
/** From this many units on, a step of typing ends with the current word. */
const WORDS_UNITS = 20;
/** At this many units, a step of typing ends in any case. */
const STEP_UNITS = 100;
/** Edits of more places than this at once are not typing. */
const PLACES_MAX = 100;

/** One step. */
export class Step {
  readonly pieces: Piece[] = [];
  /** How much memory it takes, in UTF-16 units. */
  weight = 0;

  /** Adds a piece, which the step then owns; if its ids follow those of the last piece, the two become one. */
  add(piece: Piece): void {
    const last = this.pieces.at(-1);
    const { agent, seq, len, text } = piece;
    this.weight += text?.length ?? 0;
    if (last?.agent === agent && (last.text === undefined) === (text === undefined)) {
      const isNext = last.seq + last.len === seq;
      if (isNext || seq + len === last.seq) {
        last.seq = Math.min(seq, last.seq);
        last.len += len;
        if (text !== undefined) last.text = isNext ? last.text + text : text + last.text;
        return;
      }
    }
    this.pieces.push(piece);
    this.weight += PIECE_WEIGHT;
  }
}

/** What an edit does at one place: types a character, perhaps over a selection; deletes one; or anything else. */
type Kind = "type" | "over" | "delete" | "else";

/** An edit of one place, identified by the characters beside it, because positions move when others type. */
interface Spot {
  kind: Kind;
  ins: string;
  /** By how much the text has grown. */
  more: number;
  /** The character before the insertion; the first and the last character deleted. */
  before: string | null;
  first: string | null;
  last: string | null;
  /** The characters beside the place now. */
  left: string | null;
  right: string | null;
}

/** Edits that are made together, and how they continue the last step. */
export class Group {
  readonly step = new Step();
  /** Empty if there are too many. */
  #spots: Spot[] = [];
  #count = 0;
  /** Units typed in the step so far. */
  #units = 0;
  /** Whether the step ends here. */
  #ends = false;

  constructor(
    /** When it began, in ms. */
    readonly time: number,
    /** Which of an input method's words it belongs to; 0 for none. */
    readonly word: number,
  ) {}

  /** Takes an edit that is about to be made; the returned function is called once it is. */
  edit(doc: TextDoc, at: number, del: number, ins: string, deleted: string): () => void {
    if (++this.#count > PLACES_MAX) {
      this.#spots = [];
      return () => {};
    }
    const spot: Spot = {
      kind: kindOf(ins, deleted, this.word > 0),
      ins,
      more: ins.length - deleted.length,
      before: doc.anchor(at, -1).id,
      first: del ? doc.anchor(at, 1).id : null,
      last: del ? doc.anchor(at + del, -1).id : null,
      left: null,
      right: null,
    };
    if (/[\r\n]/.test(ins + deleted)) this.#ends = true;
    this.#spots.push(spot);
    return () => {
      spot.left = doc.anchor(at + ins.length, -1).id;
      spot.right = doc.anchor(at + ins.length, 1).id;
    };
  }

  /** Whether these edits belong to the same step as the previous ones. To be called once. */
  follows(last: Group | null, mergeMs: number): boolean {
    const goesOn = last !== null && ((this.word > 0 && this.word === last.word) || this.#continues(last, mergeMs));
    this.#units = Math.max(0, (goesOn ? last.#units : 0) + (this.#spots[0]?.more ?? 0));
    return goesOn;
  }

  #continues(last: Group, mergeMs: number): boolean {
    if (this.time - last.time > mergeMs || last.#ends || this.#count !== last.#count || !this.#spots.length) return false;
    if (last.#units >= STEP_UNITS || (last.#units >= WORDS_UNITS && this.#beginsWord(last))) return false;
    return this.#spots.every((spot, i) => {
      const other = last.#spots[i]!;
      if (spot.kind === "type") return (other.kind === "type" || other.kind === "over") && spot.before === other.left;
      return spot.kind === "delete" && other.kind === "delete" && (spot.last === other.left || spot.first === other.right);
    });
  }

  #beginsWord(last: Group): boolean {
    if (this.word) return true;
    return /\s$/.test(last.#spots[0]!.ins) && /^\S/.test(this.#spots[0]!.ins);
  }
}

function kindOf(ins: string, deleted: string, isWord: boolean): Kind {
  // Editors indent a new line, and delete an indent as a whole.
  if (!ins) return isCharacter(deleted) || /^([ \t]+|\r\n)$/.test(deleted) ? "delete" : "else";
  if (!isWord && !isCharacter(ins) && !/^(\r\n?|\n)[ \t]*$/.test(ins)) return "else";
  return deleted ? "over" : "type";
}

/** Whether it is one character as people see it, a grapheme. */
const isCharacter = (text: string) => text.length === 1 || shortName(text, 1) === text;
