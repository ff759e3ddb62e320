// What a step of undo is made of, and when an edit goes on with the last one.

import type { IdRange, TextDoc } from "../crdt/index.js";
import { shortName } from "../names.js";

/** Ids that were inserted, or, with their text, deleted. */
export interface Piece extends IdRange {
  text?: string;
}

/** What a piece takes in memory beside its text, in UTF-16 units. */
const PIECE_WEIGHT = 64;
/** From this many units on, a step of typing ends with a word; */
const WORDS_UNITS = 20;
/** and at this many in any case. */
const STEP_UNITS = 100;
/** With more places than these at once, nobody types. */
const PLACES_MAX = 100;

/** What makes one step. */
export class Step {
  readonly pieces: Piece[] = [];
  /** How much memory it takes, in UTF-16 units. */
  weight = 0;

  /** Adds a piece, which is this step's from then on; with the last one it is one where their ids follow each other. */
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

/** What is done at one place: a character typed, perhaps over a selection; one deleted; or anything else. */
type Kind = "type" | "over" | "delete" | "else";

/** An edit of one place, by the characters beside it: places in numbers move when others type. */
interface Spot {
  kind: Kind;
  ins: string;
  /** How much longer the text has become. */
  more: number;
  /** What stood before what came; the first and the last of what went. */
  before: string | null;
  first: string | null;
  last: string | null;
  /** What stands beside the place now. */
  left: string | null;
  right: string | null;
}

/** Edits that are made at once, and how they continue the last step. */
export class Group {
  readonly step = new Step();
  /** None are kept when there are too many. */
  #spots: Spot[] = [];
  #count = 0;
  /** Units typed in the step, as of now. */
  #units = 0;
  /** The step ends with this. */
  #ends = false;

  constructor(
    /** When it began, in ms. */
    readonly time: number,
    /** Which of an input method's words it belongs to; 0: to none. */
    readonly word: number,
  ) {}

  /** Takes an edit that is about to be made; what it gives is called when it is. */
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

  /** Whether these edits are of the same step as those before. To be asked once. */
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
  // An editor indents a new line, and deletes an indent at once.
  if (!ins) return isCharacter(deleted) || /^([ \t]+|\r\n)$/.test(deleted) ? "delete" : "else";
  if (!isWord && !isCharacter(ins) && !/^(\r\n?|\n)[ \t]*$/.test(ins)) return "else";
  return deleted ? "over" : "type";
}

/** Whether it is one character as people see it. */
const isCharacter = (text: string) => text.length === 1 || shortName(text, 1) === text;
