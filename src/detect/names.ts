/** The names a text gives to values. They are parts of the text and stay there: no string is ever made of one. */

const MAX_NAMES = 1024;
const MAX_TRIES = 32;
const FEW = 64;

/** The same for a word in any case. */
export function wordNumber(text: Uint8Array, start: number, end: number): number {
  let number = 0;
  for (let i = start; i < end; i++) number = (Math.imul(number, 31) + ((text[i] as number) | 0x20)) | 0;
  return number;
}

/** What a word looks like without reading it, to pass over nearly all words that name nothing. */
export function glance(text: Uint8Array, start: number, end: number): number {
  const middle = text[(start + end) >> 1] as number;
  return ((text[start] as number) + middle * 29 + (text[end - 1] as number) * 389 + (end - start) * 5167) & 0xffff;
}

/** Made once, used for one text after the other. Names beyond the first 1024 of a text are not kept. */
export class Names {
  count = 0;
  /** Not 0 where the `glance` at a name falls. */
  readonly seen = new Uint8Array(0x10000);
  readonly valueStart = new Int32Array(MAX_NAMES);
  readonly valueEnd = new Int32Array(MAX_NAMES);
  #text: Uint8Array = new Uint8Array(0);
  readonly #start = new Int32Array(MAX_NAMES);
  readonly #end = new Int32Array(MAX_NAMES);
  readonly #placeOf = new Uint16Array(MAX_NAMES);
  readonly #glanceOf = new Uint16Array(MAX_NAMES);
  /** One more than a name's index, at the place its `wordNumber` says or the first free one behind it. */
  readonly #places = new Uint16Array(4 * MAX_NAMES);

  open(text: Uint8Array): void {
    this.#text = text;
    // A few one by one: to fill both arrays costs more than to read a text of some kilobytes.
    if (this.count > FEW) {
      this.#places.fill(0);
      this.seen.fill(0);
    } else {
      for (let name = 0; name < this.count; name++) {
        this.#places[this.#placeOf[name] as number] = 0;
        this.seen[this.#glanceOf[name] as number] = 0;
      }
    }
    this.count = 0;
  }

  /** Index of a name, or -1. */
  find(start: number, end: number): number {
    if (this.count === 0 || this.seen[glance(this.#text, start, end)] === 0) return -1;
    return (this.#places[this.#place(start, end)] as number) - 1;
  }

  set(start: number, end: number, valueStart: number, valueEnd: number): void {
    const place = this.#place(start, end);
    let name = (this.#places[place] as number) - 1;
    if (name < 0) {
      if (this.count === MAX_NAMES) return;
      name = this.count++;
      this.#places[place] = name + 1;
      this.#start[name] = start;
      this.#end[name] = end;
      const look = glance(this.#text, start, end);
      this.seen[look] = 1;
      this.#placeOf[name] = place;
      this.#glanceOf[name] = look;
    }
    this.valueStart[name] = valueStart;
    this.valueEnd[name] = valueEnd;
  }

  /** The place of this name, or the free one it would have. */
  #place(start: number, end: number): number {
    const places = this.#places;
    let place = wordNumber(this.#text, start, end) & (places.length - 1);
    // Names made to fall on one place would be looked for long: the last one tried is then taken as this name's.
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const name = (places[place] as number) - 1;
      if (name < 0 || this.#is(name, start, end)) return place;
      place = (place + 1) & (places.length - 1);
    }
    return place;
  }

  #is(name: number, start: number, end: number): boolean {
    const text = this.#text;
    const from = this.#start[name] as number;
    if ((this.#end[name] as number) - from !== end - start) return false;
    for (let i = 0; i < end - start; i++) if (text[from + i] !== text[start + i]) return false;
    return true;
  }
}
