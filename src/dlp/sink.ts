import { BinaryRuns } from "./binary-runs.ts";
import { NearWords } from "./near-words.ts";
import type { Confidence, Hit, Rule } from "./rule.ts";
import { Runs } from "./runs.ts";

/** Takes what detectors find in one text, and holds what they have learnt of it. */
export class Sink {
  hits: Hit[] = [];
  /** How what is being scanned stands in the body. */
  view = "plain";
  /** While something decoded is scanned: the range all of it is told as; -1 otherwise. */
  #start = -1;
  #end = -1;
  /** Of the text that was begun. */
  #length = 0;
  /** Of the text that is being scanned. */
  runs: Runs;
  readonly #outer = new Runs();
  readonly #inner = new Runs();
  readonly near = new NearWords();
  readonly #binary = new BinaryRuns();
  readonly #innerBinary = new BinaryRuns();
  /** Values under names before this place have been judged. */
  judged = 0;
  /** The end of a web token's first part that has been judged: a second beginning of the same is none. */
  token = -1;
  /** Before these places no number, no `@` and no `%` begins anything new. */
  numbersFrom = 0;
  atsFrom = 0;
  escapesFrom = 0;
  /** A vendor's prefix stood there, or its beginning at the end of a string. */
  promising = false;
  /** The first place where something begins that the text's end cuts: with more behind it, it could be something or go on. */
  open = Number.POSITIVE_INFINITY;

  constructor() {
    this.runs = this.#outer;
  }

  /** For another text. */
  begin(bytes: Uint8Array): void {
    if (this.hits.length > 0) this.hits = [];
    this.runs = this.#outer;
    this.runs.reset(bytes);
    this.near.reset(bytes);
    this.#binary.reset(bytes);
    this.view = "plain";
    this.judged = this.numbersFrom = this.atsFrom = this.escapesFrom = 0;
    this.token = -1;
    this.open = Number.POSITIVE_INFINITY;
    this.#length = bytes.length;
    this.#start = -1;
  }

  /** What begins at `start` reaches the end of the text, and is not told whole yet. */
  opens(start: number): void {
    // Something decoded goes on only when what it was decoded from does.
    if (this.nested && this.#end < this.#length) return;
    const at = this.nested ? this.#start : start;
    if (at < this.open) this.open = at;
  }

  /** True for what lies within base64 of something that is no text, with no edge of a word at either side. */
  inBinary(start: number, end: number): boolean {
    return (this.nested ? this.#innerBinary : this.#binary).hold(start, end);
  }

  /** People's data is not told where it lies within base64 that is no text: taken out of a picture it would spoil it. */
  add(rule: Rule, start: number, end: number, confidence: Confidence): void {
    if ((rule.class === "personal" || rule.class === "health") && this.inBinary(start, end)) return;
    const whole = this.#start !== -1;
    this.hits.push({
      rule,
      start: whole ? this.#start : start,
      end: whole ? this.#end : end,
      confidence,
      view: this.view,
    });
  }

  /** True while something decoded is scanned. */
  get nested(): boolean {
    return this.#start !== -1;
  }

  /** From here to `leave`, what is found in `decoded` is told as this range, under this view. */
  enter(decoded: Uint8Array, start: number, end: number, view: string): void {
    this.#start = start;
    this.#end = end;
    this.view = view;
    this.runs = this.#inner;
    this.runs.reset(decoded);
    this.#innerBinary.reset(decoded);
    this.#before = this.judged;
    this.judged = 0;
    this.token = -1;
  }

  leave(): void {
    this.#start = this.#end = -1;
    this.view = "plain";
    this.runs = this.#outer;
    this.judged = this.#before;
    this.token = -1;
  }

  #before = 0;
}

const idle: Sink[] = [];

/** Made once and used again: give it back with `release`. */
export function takeSink(): Sink {
  const sink = idle.pop() ?? new Sink();
  sink.promising = false;
  return sink;
}

export function release(sink: Sink): void {
  if (idle.length < 8) idle.push(sink);
}
