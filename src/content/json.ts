/**
 * JSON as it lies in a body: one strict pass over the bytes (RFC 8259) into flat arrays, a tape. Nothing is copied, no
 * text is made; every value and key keeps the byte range it stands in, so what was read can be judged, quoted and
 * replaced in place. The pass is iterative and can be interrupted anywhere, so no body holds the event loop.
 */
import { KeySet } from "./_key-set.ts";
import { readEscape, readUtf8 } from "./_units.ts";

export const OBJECT = 1;
export const ARRAY = 2;
export const STRING = 3;
export const NUMBER = 4;
export const TRUE = 5;
export const FALSE = 6;
export const NULL = 7;
/** The node right after a key is its value. */
export const KEY = 8;

export interface JsonLimits {
  readonly bytes: number;
  /** Containers open at once. */
  readonly depth: number;
  /** Values and keys. */
  readonly nodes: number;
}

export const JSON_LIMITS: JsonLimits = { bytes: 32 * 1024 * 1024, depth: 128, nodes: 1 << 20 };

/** Longest text of a number and of a key: neither can be interrupted. */
const MAX_NUMBER = 4096;
const MAX_KEY = 64 * 1024;

/**
 * `ok` says that the grammar is met; whether there is one reading say `duplicateAt`, `loneAt` and `badUtf8At`.
 * `invalid`: at byte `at`. `too_long`: the text, or one key or number. `too_many`: nodes, or keys open at once.
 */
export type JsonOutcome = "reading" | "ok" | "invalid" | "too_long" | "too_deep" | "too_many";

const VALUE = 0;
const VALUE_OR_CLOSE = 1;
const NAME = 2;
const NAME_OR_CLOSE = 3;
const COLON = 4;
const AFTER = 5;
const IN_STRING = 6;
const IN_NAME = 7;

const QUOTE = 1;
const BACKSLASH = 2;
const CONTROL = 3;
/** What a byte means inside a string; 0 is itself. */
const CLASS = new Uint8Array(256).fill(4, 0x80).fill(CONTROL, 0, 0x20);
CLASS[0x22] = QUOTE;
CLASS[0x5c] = BACKSLASH;

/** Reusable: reading another text overwrites the arrays. What is returned by look-ups are node numbers of this tape. */
export class JsonTape {
  bytes: Uint8Array = new Uint8Array(0);
  /** Nodes; 0 is the whole text. Arrays are longer than this. */
  count = 0;
  kind = new Uint8Array(64);
  /** Of a string or key inside the quotes; of anything else all of it. End exclusive. */
  start = new Int32Array(64);
  end = new Int32Array(64);
  /** The object or array around it, also for the value of a key; -1 for the whole text. */
  parent = new Int32Array(64);
  /** The node after this one and everything in it. */
  next = new Int32Array(64);
  /** 1: a string or key with backslashes in it. */
  escaped = new Uint8Array(64);

  outcome: JsonOutcome = "ok";
  /** Byte where reading stopped. */
  at = 0;
  /** Bytes of the first key that its object already has (escapes undone), or -1. */
  duplicateAt = -1;
  /** First escape of half a surrogate pair, or -1: no such character exists, and readers replace it or refuse. */
  loneAt = -1;
  /** First byte inside a string that is not UTF-8, or -1. */
  badUtf8At = -1;

  #limits = JSON_LIMITS;
  #state = VALUE;
  #depth = 0;
  #string = 0;
  #stringEscaped = 0;
  readonly #open = new Int32Array(JSON_LIMITS.depth + 1);
  readonly #keys = new KeySet();

  /** Reads all of it now. */
  read(bytes: Uint8Array, limits: JsonLimits = JSON_LIMITS): this {
    this.begin(bytes, limits);
    while (!this.step(0x7fffffff));
    return this;
  }

  /** Starts reading; `step` does the work. `limits.depth` is at most that of `JSON_LIMITS`. */
  begin(bytes: Uint8Array, limits: JsonLimits = JSON_LIMITS): void {
    this.bytes = bytes;
    this.count = 0;
    this.at = 0;
    this.duplicateAt = -1;
    this.loneAt = -1;
    this.badUtf8At = -1;
    this.#limits = limits;
    this.#state = VALUE;
    this.#depth = 0;
    this.#keys.clear();
    this.outcome = bytes.length > limits.bytes ? "too_long" : "reading";
  }

  /** Reads about so many bytes more; true when there is an outcome. */
  step(budget: number): boolean {
    if (this.outcome === "reading") this.#run(Math.min(this.bytes.length, this.at + budget));
    return this.outcome !== "reading";
  }

  /** True when there is exactly one reading. */
  get plain(): boolean {
    return this.outcome === "ok" && this.duplicateAt === -1 && this.loneAt === -1 && this.badUtf8At === -1;
  }

  /** Answers nothing of meaning: the state says it all. */
  #run(soft: number): number {
    const { bytes } = this;
    const { length } = bytes;
    const deepest = Math.min(this.#limits.depth, JSON_LIMITS.depth);
    let state = this.#state;
    let at = this.at;
    while (true) {
      if (state >= IN_STRING) {
        at = this.#inString(at, soft);
        if (at === -1) return -1;
        if (at >= soft && this.#string !== -1) {
          if (at >= length) return this.#stop("invalid", length);
          return this.#pause(state, at);
        }
        const node = this.count - 1;
        if (state === IN_NAME) {
          const found = this.#keys.add(this, node);
          if (found !== "new") {
            if (found === "full") return this.#stop("too_many", at);
            if (this.duplicateAt === -1) this.duplicateAt = this.start[node] as number;
          }
          state = COLON;
        } else state = AFTER;
      }
      let code = 0;
      while (at < soft) {
        code = bytes[at] as number;
        if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
        at += 1;
      }
      if (at >= soft) {
        if (at < length) return this.#pause(state, at);
        if (state === AFTER && this.#depth === 0) return this.#stop("ok", at);
        return this.#stop("invalid", at);
      }
      if (state === AFTER) {
        if (this.#depth === 0) return this.#stop("invalid", at);
        const open = this.#open[this.#depth] as number;
        const object = this.kind[open] === OBJECT;
        at += 1;
        if (code === 0x2c) state = object ? NAME : VALUE;
        else if (code === (object ? 0x7d : 0x5d)) this.#close(open, at);
        else return this.#stop("invalid", at - 1);
        continue;
      }
      if (state === COLON) {
        if (code !== 0x3a) return this.#stop("invalid", at);
        at += 1;
        state = VALUE;
        continue;
      }
      if ((state === NAME_OR_CLOSE && code === 0x7d) || (state === VALUE_OR_CLOSE && code === 0x5d)) {
        at += 1;
        this.#close(this.#open[this.#depth] as number, at);
        state = AFTER;
        continue;
      }
      if (this.count >= this.#limits.nodes) return this.#stop("too_many", at);
      if (code === 0x22) {
        at += 1;
        const name = state === NAME || state === NAME_OR_CLOSE;
        this.#push(name ? KEY : STRING, at);
        this.#string = at;
        this.#stringEscaped = 0;
        state = name ? IN_NAME : IN_STRING;
        continue;
      }
      if (state === NAME || state === NAME_OR_CLOSE) return this.#stop("invalid", at);
      if (code === 0x7b || code === 0x5b) {
        if (this.#depth === deepest) return this.#stop("too_deep", at);
        const node = this.#push(code === 0x7b ? OBJECT : ARRAY, at);
        this.#depth += 1;
        this.#open[this.#depth] = node;
        if (code === 0x7b) this.#keys.open();
        state = code === 0x7b ? NAME_OR_CLOSE : VALUE_OR_CLOSE;
        at += 1;
        continue;
      }
      at = code === 0x2d || (code >= 0x30 && code <= 0x39) ? this.#number(at) : this.#word(code, at);
      if (at === -1) return -1;
      state = AFTER;
    }
  }

  #pause(state: number, at: number): number {
    this.#state = state;
    this.at = at;
    return at;
  }

  /** -1: there is no byte to go on from. */
  #stop(outcome: JsonOutcome, at: number): -1 {
    this.outcome = outcome;
    this.at = at;
    this.#keys.clear();
    return -1;
  }

  #push(kind: number, start: number): number {
    const node = this.count;
    if (node === this.kind.length) this.#grow();
    this.kind[node] = kind;
    this.start[node] = start;
    this.parent[node] = this.#depth === 0 ? -1 : (this.#open[this.#depth] as number);
    this.next[node] = node + 1;
    this.escaped[node] = 0;
    this.count = node + 1;
    return node;
  }

  #close(open: number, end: number): void {
    this.end[open] = end;
    this.next[open] = this.count;
    this.#depth -= 1;
    if (this.kind[open] === OBJECT) this.#keys.close();
  }

  #grow(): void {
    const size = this.kind.length * 2;
    this.kind = widened(this.kind, new Uint8Array(size));
    this.escaped = widened(this.escaped, new Uint8Array(size));
    this.start = widened(this.start, new Int32Array(size));
    this.end = widened(this.end, new Int32Array(size));
    this.parent = widened(this.parent, new Int32Array(size));
    this.next = widened(this.next, new Int32Array(size));
  }

  /** Goes on inside a string. Answers the byte after its quote, or where it was interrupted; -1 when it is invalid. */
  #inString(from: number, soft: number): number {
    const { bytes } = this;
    let at = from;
    while (true) {
      while (at < soft && CLASS[bytes[at] as number] === 0) at += 1;
      if (at >= soft) return at;
      const found = CLASS[bytes[at] as number];
      if (found === QUOTE) {
        const node = this.count - 1;
        if (this.kind[node] === KEY && at - this.#string > MAX_KEY) return this.#stop("too_long", at);
        this.end[node] = at;
        this.escaped[node] = this.#stringEscaped;
        this.#string = -1;
        return at + 1;
      }
      if (found === BACKSLASH) {
        const unit = readEscape(bytes, at);
        if (unit.length === 0) return this.#stop("invalid", at);
        if (unit.lone && this.loneAt === -1) this.loneAt = at;
        this.#stringEscaped = 1;
        at += unit.length;
      } else if (found === CONTROL) return this.#stop("invalid", at);
      else {
        const size = readUtf8(bytes, at);
        if (size === 0 && this.badUtf8At === -1) this.badUtf8At = at;
        at += size === 0 ? 1 : size;
      }
    }
  }

  #number(from: number): number {
    const { bytes } = this;
    const node = this.#push(NUMBER, from);
    let at = from;
    if (bytes[at] === 0x2d) at += 1;
    const whole = at;
    at = digits(bytes, at);
    let valid = at > whole && (bytes[whole] !== 0x30 || at === whole + 1);
    if (bytes[at] === 0x2e) {
      const fraction = at + 1;
      at = digits(bytes, fraction);
      valid &&= at > fraction;
    }
    const mark = bytes[at];
    if (valid && (mark === 0x65 || mark === 0x45)) {
      const sign = bytes[at + 1];
      const exponent = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
      at = digits(bytes, exponent);
      valid = at > exponent;
    }
    if (!valid || at - from > MAX_NUMBER)
      return this.#stop(at - from > MAX_NUMBER ? "too_long" : "invalid", valid ? from : at);
    this.end[node] = at;
    return at;
  }

  #word(code: number, at: number): number {
    const word = code === 0x74 ? "true" : code === 0x66 ? "false" : code === 0x6e ? "null" : "";
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[at + i] !== word.charCodeAt(i)) return this.#stop("invalid", at + i);
    }
    if (word === "") return this.#stop("invalid", at);
    const node = this.#push(code === 0x74 ? TRUE : code === 0x66 ? FALSE : NULL, at);
    this.end[node] = at + word.length;
    return at + word.length;
  }
}

/** The byte after a run of digits; a run beyond any allowed number is not followed to its end. */
function digits(bytes: Uint8Array, from: number): number {
  const stop = from + MAX_NUMBER + 1;
  let at = from;
  for (let code = bytes[at]; code !== undefined && code >= 0x30 && code <= 0x39 && at < stop; code = bytes[at]) at += 1;
  return at;
}

function widened<T extends Uint8Array | Int32Array>(old: T, wide: T): T {
  wide.set(old);
  return wide;
}
