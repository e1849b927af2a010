/** A text made of another one: parts of it copied, parts of it undone, and where each of them was. */

/** Bytes of a draft: as many as are ever read. */
const MAX_DRAFT = 128 * 1024;
const MAX_SPANS = 2048;
/** What stands around something undone may be the other half of a phrase. */
const CONTEXT = 192;
const NEWLINE = 0x0a;

/** Made once for each level of disguise, used again and again. */
export class Draft {
  readonly bytes = new Uint8Array(MAX_DRAFT);
  count = 0;
  /** True: there was more than a draft takes. */
  full = false;
  /** Packs that were opened for it, and the bytes they came to. */
  packs = 0;
  unpacked = 0;
  /** What was undone, in the order it was met. */
  readonly kinds: string[] = [];
  #spans = 0;
  readonly #at = new Int32Array(MAX_SPANS);
  readonly #from = new Int32Array(MAX_SPANS);
  /** -1: copied as it is. */
  readonly #to = new Int32Array(MAX_SPANS);
  #source: Uint8Array = new Uint8Array(0);
  #copied = 0;

  open(source: Uint8Array): void {
    this.#source = source;
    this.#copied = 0;
    this.#spans = 0;
    this.count = 0;
    this.full = false;
    this.packs = this.unpacked = 0;
    // To set a length costs more than all the rest, and hardly a view undoes anything.
    if (this.kinds.length > 0) this.kinds.length = 0;
  }

  /** Nothing was undone. */
  get empty(): boolean {
    return this.kinds.length === 0;
  }

  get text(): Uint8Array {
    return this.bytes.subarray(0, this.count);
  }

  /** What is put until the next `undo` stands for the source from `from` to `to`; parts come in their order. */
  undo(from: number, to: number, kind: string): void {
    if (!this.kinds.includes(kind)) this.kinds.push(kind);
    this.#context(from);
    this.#span(from, to);
    this.#copied = Math.max(this.#copied, to);
  }

  put(byte: number): void {
    if (this.count < MAX_DRAFT) this.bytes[this.count++] = byte;
    else this.full = true;
  }

  putAll(bytes: Uint8Array): void {
    const room = MAX_DRAFT - this.count;
    if (bytes.length > room) this.full = true;
    const part = bytes.length > room ? bytes.subarray(0, room) : bytes;
    this.bytes.set(part, this.count);
    this.count += part.length;
  }

  close(): void {
    if (this.empty) return;
    this.#copy(this.#copied, Math.min(this.#copied + CONTEXT, this.#source.length));
  }

  #context(next: number): void {
    const copied = this.#copied;
    if (next <= copied) return;
    if (this.count === 0) {
      this.#copy(Math.max(copied, next - CONTEXT), next);
    } else if (next - copied <= 2 * CONTEXT) {
      this.#copy(copied, next);
    } else {
      this.#copy(copied, copied + CONTEXT);
      this.put(NEWLINE);
      this.#copy(next - CONTEXT, next);
    }
  }

  #copy(from: number, to: number): void {
    if (to <= from) return;
    this.#span(from, -1);
    this.putAll(this.#source.subarray(from, to));
  }

  #span(from: number, to: number): void {
    if (this.#spans === MAX_SPANS) {
      // No room to be exact: the last one covers the rest.
      this.#to[MAX_SPANS - 1] = Math.max(this.#to[MAX_SPANS - 1] as number, to, from + 1);
      return;
    }
    this.#at[this.#spans] = this.count;
    this.#from[this.#spans] = from;
    this.#to[this.#spans++] = to;
  }

  /** Where in the source the byte at `at` comes from: its own place, or the beginning (`end`: the end) of what was undone. */
  origin(at: number, end: boolean): number {
    let span = this.#spans - 1;
    while (span > 0 && (this.#at[span] as number) > at) span -= 1;
    const from = this.#from[span] ?? 0;
    const to = this.#to[span] ?? -1;
    if (to === -1) return from + at - (this.#at[span] ?? 0) + (end ? 1 : 0);
    return end ? to : from;
  }
}
