/** Pieces of text in a body that is not one JSON text: where each stands, how it is written and what it is called. */
import type { Coding } from "./coding.ts";
import { type JsonTape, KEY, STRING } from "./json.ts";

const CODINGS: readonly Coding[] = ["plain", "json", "form", "percent"];

/** Flat, in the order of the body. */
export class Leaves {
  count = 0;
  start = new Int32Array(32);
  end = new Int32Array(32);
  #coding = new Uint8Array(32);
  #name = new Int32Array(32);
  #names: string[] = [];

  add(start: number, end: number, coding: Coding, name: number): void {
    const at = this.count;
    if (at === this.start.length) this.#grow();
    this.start[at] = start;
    this.end[at] = end;
    this.#coding[at] = CODINGS.indexOf(coding);
    this.#name[at] = name;
    this.count = at + 1;
  }

  /** A name that leaves can share. */
  named(name: string): number {
    return this.#names.push(name) - 1;
  }

  /** Strings and keys of a JSON text that begins at `offset` of the body. */
  addJson(tape: JsonTape, offset: number, name: number): void {
    for (let node = 0; node < tape.count; node++) {
      const kind = tape.kind[node];
      if (kind !== STRING && kind !== KEY) continue;
      const start = offset + (tape.start[node] as number);
      const end = offset + (tape.end[node] as number);
      this.add(start, end, tape.escaped[node] === 1 ? "json" : "plain", name);
    }
  }

  coding(leaf: number): Coding {
    return CODINGS[this.#coding[leaf] as number] as Coding;
  }

  name(leaf: number): string {
    return this.#names[this.#name[leaf] as number] ?? "";
  }

  #grow(): void {
    const size = this.start.length * 2;
    const [start, end, coding, name] = [this.start, this.end, this.#coding, this.#name];
    this.start = new Int32Array(size);
    this.end = new Int32Array(size);
    this.#coding = new Uint8Array(size);
    this.#name = new Int32Array(size);
    this.start.set(start);
    this.end.set(end);
    this.#coding.set(coding);
    this.#name.set(name);
  }
}
