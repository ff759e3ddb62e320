// A binary heap: the element with the least key comes first.

export class Heap<T> {
  readonly #keys: number[] = [];
  readonly #elements: T[] = [];

  get size(): number {
    return this.#keys.length;
  }

  push(key: number, element: T): void {
    let at = this.#keys.length;
    for (let up; at > 0 && this.#keys[(up = (at - 1) >> 1)]! > key; at = up) this.#move(up, at);
    this.#keys[at] = key;
    this.#elements[at] = element;
  }

  /** Takes the first element, unless its key is over `most`. */
  pop(most: number): T | undefined {
    if (this.size === 0 || this.#keys[0]! > most) return undefined;
    const first = this.#elements[0];
    const key = this.#keys.pop()!;
    const element = this.#elements.pop()!;
    const size = this.size;
    if (size === 0) return first;
    let at = 0;
    for (let down; (down = 2 * at + 1) < size; at = down) {
      if (down + 1 < size && this.#keys[down + 1]! < this.#keys[down]!) down++;
      if (this.#keys[down]! >= key) break;
      this.#move(down, at);
    }
    this.#keys[at] = key;
    this.#elements[at] = element;
    return first;
  }

  #move(from: number, to: number): void {
    this.#keys[to] = this.#keys[from]!;
    this.#elements[to] = this.#elements[from]!;
  }
}
