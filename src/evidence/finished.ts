import type { Certified } from "../model/certificate.ts";
import { asciiJson } from "./certificate.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const NAME = encoder.encode("X-EVE-Decision-Cert: ");
const MEMBER = encoder.encode(',"signature":"');
const END = encoder.encode('"}\n');
const CR = 13;
const LF = 10;

/**
 * A signed certificate as the bytes of its line: what was signed is what is written, and what is written is what the
 * answer carries, without a string in between. Texts are made for whoever asks.
 */
export class Finished implements Certified {
  readonly id: string;
  /** JSON object and newline, as they stand in the log. */
  readonly line: Uint8Array;
  readonly #ascii: boolean;
  /** As the line, where the header's value is not the line's. */
  #escaped: Uint8Array | null = null;

  /** `signed` are the signed bytes, read before this returns; `ascii`: all of them are printable ASCII. */
  constructor(id: string, signed: Uint8Array, ascii: boolean, signature: string) {
    this.id = id;
    this.#ascii = ascii;
    const at = signed.length - 1;
    const line = new Uint8Array(at + MEMBER.length + signature.length + END.length);
    // Its closing brace is written over.
    line.set(signed);
    line.set(MEMBER, at);
    const from = at + MEMBER.length;
    for (let i = 0; i < signature.length; i++) line[from + i] = signature.charCodeAt(i);
    line.set(END, from + signature.length);
    this.line = line;
  }

  get json(): string {
    return decoder.decode(this.line.subarray(0, this.line.length - 1));
  }

  get header(): string {
    return this.#ascii ? this.json : asciiJson(this.json);
  }

  get size(): number {
    return NAME.length + this.#value.length + 1;
  }

  copyTo(target: Uint8Array, at: number): void {
    const value = this.#value;
    target.set(NAME, at);
    target.set(value, at + NAME.length);
    const end = at + NAME.length + value.length;
    target[end - 1] = CR;
    target[end] = LF;
  }

  /** The header's value with one newline behind it. */
  get #value(): Uint8Array {
    if (this.#ascii) return this.line;
    this.#escaped ??= encoder.encode(`${this.header}\n`);
    return this.#escaped;
  }
}
