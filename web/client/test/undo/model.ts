// Undo as one would write it for ten characters: each character is a cell that stays where it is and lives or not. To
// take back typing is to kill its cells, to take back a deletion is to let its cells live again.

interface Cell {
  readonly char: string;
  alive: boolean;
}

interface Entry {
  deleted: boolean;
  cells: Cell[];
}

export class Model {
  readonly #cells: Cell[] = [];
  #undoable: Entry[][] = [];
  #redoable: Entry[][] = [];

  constructor(readonly stepsMax = Infinity) {}

  get text(): string {
    return this.chars.join("");
  }

  get chars(): string[] {
    return this.#cells.filter(({ alive }) => alive).map(({ char }) => char);
  }

  get can(): [undo: boolean, redo: boolean] {
    return [this.#undoable.length > 0, this.#redoable.length > 0];
  }

  /** Puts `chars` in the place of `del` visible characters from the one numbered `at` on. */
  edit(at: number, del: number, chars: string[]): Entry[] {
    const visible = this.#cells.filter(({ alive }) => alive);
    const gone = visible.slice(at, at + del);
    for (const cell of gone) cell.alive = false;
    const fresh = chars.map((char): Cell => ({ char, alive: true }));
    this.#cells.splice(at ? this.#cells.indexOf(visible[at - 1]!) + 1 : 0, 0, ...fresh);
    return [{ deleted: true, cells: gone }, { deleted: false, cells: fresh }].filter(({ cells }) => cells.length);
  }

  /** One's own edits since the step before. */
  note(step: Entry[]): void {
    if (!step.length) return;
    this.#undoable.push(step);
    if (this.#undoable.length > this.stepsMax) this.#undoable.shift();
    this.#redoable = [];
  }

  undo(): boolean {
    return this.#step(this.#undoable, this.#redoable);
  }

  redo(): boolean {
    return this.#step(this.#redoable, this.#undoable);
  }

  #step(from: Entry[][], to: Entry[][]): boolean {
    for (let step; (step = from.pop()); ) {
      const inverse: Entry[] = [];
      for (const { deleted, cells } of step.reverse()) {
        const changed = cells.filter(({ alive }) => alive !== deleted);
        for (const cell of changed) cell.alive = deleted;
        if (changed.length) inverse.push({ deleted: !deleted, cells: changed });
      }
      if (!inverse.length) continue;
      to.push(inverse);
      return true;
    }
    return false;
  }
}
