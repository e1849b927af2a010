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

/** Nodes: from here on arrays grow ahead of need. */
const AHEAD = 256 * 1024;

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
/** First of three bytes whatever the second is; most scripts that are not Latin. */
const THREE = 4;
const OTHER = 5;
/** What a byte means inside a string; 0 is itself. */
const CLASS = new Uint8Array(256).fill(OTHER, 0x80).fill(THREE, 0xe1, 0xed).fill(CONTROL, 0, 0x20);
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
  #escapedNow: 0 | 1 = 0;
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
    const size = this.kind.length;
    if (size >= AHEAD && this.count > size / 2 && size < this.#limits.nodes) this.#growOne(size * 2);
    if (this.outcome === "reading") this.#run(Math.min(this.bytes.length, this.at + budget));
    return this.outcome !== "reading";
  }

  /** True when there is exactly one reading. */
  get plain(): boolean {
    return this.outcome === "ok" && this.duplicateAt === -1 && this.loneAt === -1 && this.badUtf8At === -1;
  }

  /**
   * The loop. What it touches for every byte is in variables: they are written back wherever it leaves. Answers nothing
   * of meaning.
   */
  #run(soft: number): number {
    const { bytes } = this;
    const { length } = bytes;
    const deepest = Math.min(this.#limits.depth, JSON_LIMITS.depth);
    const open = this.#open;
    let { kind, start, parent, next, escaped } = this;
    let state = this.#state;
    let at = this.at;
    let depth = this.#depth;
    let around = depth === 0 ? -1 : (open[depth] as number);
    while (true) {
      if (state >= IN_STRING) {
        let code = 0;
        while (at < soft) {
          code = CLASS[bytes[at] as number] as number;
          if (code === 0) at += 1;
          else if (code === QUOTE) break;
          else if (code === BACKSLASH) {
            const size = this.#escape(at);
            if (size === 0) return this.#stop("invalid", at);
            at += size;
          } else if (code === CONTROL) return this.#stop("invalid", at);
          else if (
            code === THREE &&
            ((bytes[at + 1] as number) & 0xc0) === 0x80 &&
            ((bytes[at + 2] as number) & 0xc0) === 0x80
          ) {
            at += 3;
          } else at += this.#character(at);
        }
        if (at >= soft) return at >= length ? this.#stop("invalid", length) : this.#pause(state, at, depth);
        const node = this.count - 1;
        this.end[node] = at;
        escaped[node] = this.#escapedNow;
        at += 1;
        if (state === IN_NAME) {
          const wrong = this.#name(node, at);
          if (wrong !== null) return this.#stop(wrong, at);
          state = COLON;
          if (bytes[at] === 0x3a) {
            at += 1;
            state = VALUE;
          }
        } else state = AFTER;
      }
      if (at >= soft) {
        if (at < length) return this.#pause(state, at, depth);
        return this.#stop(state === AFTER && depth === 0 ? "ok" : "invalid", at);
      }
      const code = bytes[at] as number;
      if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
        at += 1;
        continue;
      }
      if (state === AFTER) {
        if (depth === 0) return this.#stop("invalid", at);
        const object = kind[around] === OBJECT;
        if (code === 0x2c) {
          state = object ? NAME : VALUE;
          at += 1;
          continue;
        }
        if (code !== (object ? 0x7d : 0x5d)) return this.#stop("invalid", at);
      } else if (state === COLON) {
        if (code !== 0x3a) return this.#stop("invalid", at);
        state = VALUE;
        at += 1;
        continue;
      }
      if (
        state === AFTER ||
        (code === 0x7d && state === NAME_OR_CLOSE) ||
        (code === 0x5d && state === VALUE_OR_CLOSE)
      ) {
        at += 1;
        this.end[around] = at;
        next[around] = this.count;
        if (kind[around] === OBJECT) this.#keys.close();
        depth -= 1;
        around = depth === 0 ? -1 : (open[depth] as number);
        state = AFTER;
        continue;
      }
      const node = this.count;
      if (node >= this.#limits.nodes) return this.#stop("too_many", at);
      if (node === kind.length) {
        this.#grow();
        ({ kind, start, parent, next, escaped } = this);
      }
      this.count = node + 1;
      start[node] = at;
      parent[node] = around;
      next[node] = node + 1;
      escaped[node] = 0;
      if (code === 0x22) {
        const name = state === NAME || state === NAME_OR_CLOSE;
        at += 1;
        start[node] = at;
        kind[node] = name ? KEY : STRING;
        this.#escapedNow = 0;
        state = name ? IN_NAME : IN_STRING;
      } else if (state === NAME || state === NAME_OR_CLOSE) {
        return this.#stop("invalid", at);
      } else if (code === 0x7b || code === 0x5b) {
        if (depth === deepest) return this.#stop("too_deep", at);
        depth += 1;
        open[depth] = node;
        around = node;
        kind[node] = code === 0x7b ? OBJECT : ARRAY;
        if (code === 0x7b) this.#keys.open();
        state = code === 0x7b ? NAME_OR_CLOSE : VALUE_OR_CLOSE;
        at += 1;
      } else {
        at = code === 0x2d || (code >= 0x30 && code <= 0x39) ? this.#number(node, at) : this.#word(node, at);
        if (at === -1) return -1;
        state = AFTER;
      }
    }
  }

  #pause(state: number, at: number, depth: number): number {
    this.#state = state;
    this.#depth = depth;
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

  #grow(): void {
    const size = this.kind.length * 2;
    while (this.kind.length < size) this.#growOne(size);
  }

  /** One of the arrays, `kind` the last. Large ones grow one a step, long before they are full, or the copying is felt. */
  #growOne(size: number): void {
    if (this.start.length < size) this.start = widened(this.start, new Int32Array(size));
    else if (this.end.length < size) this.end = widened(this.end, new Int32Array(size));
    else if (this.parent.length < size) this.parent = widened(this.parent, new Int32Array(size));
    else if (this.next.length < size) this.next = widened(this.next, new Int32Array(size));
    else if (this.escaped.length < size) this.escaped = widened(this.escaped, new Uint8Array(size));
    else this.kind = widened(this.kind, new Uint8Array(size));
  }

  /** A key is complete; null when reading goes on. */
  #name(node: number, at: number): JsonOutcome | null {
    const from = this.start[node] as number;
    if (at - from > MAX_KEY) return "too_long";
    const found = this.#keys.add(this, node);
    if (found === "known" && this.duplicateAt === -1) this.duplicateAt = from;
    return found === "full" ? "too_many" : null;
  }

  /** Bytes of the escape; 0 when it is none. */
  #escape(at: number): number {
    const unit = readEscape(this.bytes, at);
    if (unit.lone && this.loneAt === -1) this.loneAt = at;
    this.#escapedNow = 1;
    return unit.length;
  }

  /** Bytes of a character that is not ASCII; what is no UTF-8 is noted and stepped over. */
  #character(at: number): number {
    const size = readUtf8(this.bytes, at);
    if (size !== 0) return size;
    if (this.badUtf8At === -1) this.badUtf8At = at;
    return 1;
  }

  #number(node: number, from: number): number {
    const { bytes } = this;
    this.kind[node] = NUMBER;
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

  #word(node: number, at: number): number {
    const code = this.bytes[at];
    const word = code === 0x74 ? "true" : code === 0x66 ? "false" : "null";
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[at + i] !== word.charCodeAt(i)) return this.#stop("invalid", at + i);
    }
    this.kind[node] = code === 0x74 ? TRUE : code === 0x66 ? FALSE : NULL;
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
