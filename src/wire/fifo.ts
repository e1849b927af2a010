/** What waits in order. Not an array's `shift`, which moves everything behind it: of many pieces that is quadratic on V8. */
export class Fifo<T> {
  #items: T[] = [];
  #front = 0;

  get length(): number {
    return this.#items.length - this.#front;
  }

  get first(): T | undefined {
    return this.#items[this.#front];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const first = this.#items[this.#front];
    if (first === undefined) return undefined;
    this.#front++;
    if (this.#front * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#front);
      this.#front = 0;
    }
    return first;
  }

  /** In place of the first. */
  replace(item: T): void {
    this.#items[this.#front] = item;
  }

  clear(): void {
    this.#items = [];
    this.#front = 0;
  }
}
