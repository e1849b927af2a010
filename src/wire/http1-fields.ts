/** The fields of a message that was read, and which of them travel on. */
import type { FieldBlock } from "../model/headers.ts";
import { fieldsOf, type RawHead } from "./http1-head.ts";
import { endToEnd } from "./http1-write.ts";

/** End-to-end fields as they came: runs of whole lines within the received bytes. */
class ReceivedLines implements FieldBlock {
  readonly size: number;
  readonly #raw: RawHead;
  readonly #runs: readonly number[];

  constructor(raw: RawHead, runs: readonly number[]) {
    this.#raw = raw;
    this.#runs = runs;
    let size = 0;
    for (let i = 0; i < runs.length; i += 2) size += (runs[i + 1] as number) - (runs[i] as number);
    this.size = size;
  }

  copyTo(target: Uint8Array, at: number): void {
    const { bytes, base } = this.#raw;
    const runs = this.#runs;
    let to = at;
    for (let i = 0; i < runs.length; i += 2) {
      const end = base + (runs[i + 1] as number);
      for (let from = base + (runs[i] as number); from < end; from++) target[to++] = bytes[from] as number;
    }
  }
}

/** What of a head travels on. */
export class PassedFields {
  readonly #raw: RawHead;
  readonly #connection: readonly string[];
  readonly #request: boolean;
  #all: string[] | null = null;
  #list: string[] | null = null;
  /** The same as `list` as whole lines in `Name: value` form; null when the head was not written like that throughout. */
  readonly block: FieldBlock | null;

  /** `runs` are the lines that travel on as pairs of offsets into the head; null: they have to be written anew. */
  constructor(raw: RawHead, runs: readonly number[] | null, connection: readonly string[], request: boolean) {
    this.#raw = raw;
    this.#connection = connection;
    this.#request = request;
    this.block = runs === null ? null : new ReceivedLines(raw, runs);
  }

  /** Every field received. */
  get all(): string[] {
    this.#all ??= fieldsOf(this.#raw);
    return this.#all;
  }

  /** The end-to-end fields. */
  get list(): string[] {
    this.#list ??= endToEnd(this.all, this.#connection, this.#request ? "request" : "response");
    return this.#list;
  }
}
