/**
 * Symbolic assembly: text that holds an instruction in pieces and the recipe to join them. The pieces are joined as the
 * recipe says (concatenation, variables, templates, lists) and once more simply in their order.
 */

import { lettersOf } from "./letters.ts";

const MAX_LITERAL = 256;
const MAX_VALUE = 2048;
const MAX_NAMES = 512;
const MAX_OUTPUT = 64 * 1024;
const MAX_NESTING = 3;

const MARKS = ["'", '"', "`"] as const;
const WORD = 1;
const MARK = 2;
/** Ends a statement, or a sentence. */
const STOP = 3;
const KIND = characterKinds();

function characterKinds(): Uint8Array {
  const kinds = new Uint8Array(256);
  for (let code = 0; code < 0x80; code++) if (/\w/.test(String.fromCharCode(code))) kinds[code] = WORD;
  for (const mark of MARKS) kinds[mark.charCodeAt(0)] = MARK;
  for (const stop of ";\n!?") kinds[stop.charCodeAt(0)] = STOP;
  return kinds;
}

/** Parts put between assembled strings so that no phrase can span two of them. */
const BREAK = "|";

/** Words of a recipe that join what stands on both sides. */
const JOINING = new Set([
  "and",
  "then",
  "plus",
  "with",
  "join",
  "concat",
  "followed",
  "by",
  "f",
  "str",
  "string",
  "to",
]);

/**
 * What the text assembles, as letters with breaks; "" when nothing. Linear in the text: every part of it has a cap, and
 * a value that outgrows its own is cut.
 */
export function assemble(text: string): string {
  const out: string[] = [];
  walk(text, 0, out);
  return out.length === 0 ? "" : lettersOf(out.join(BREAK), BREAK);
}

function walk(text: string, depth: number, out: string[]): void {
  const first = text.charCodeAt(firstInk(text));
  if ((first !== 0x7b && first !== 0x5b) || depth >= MAX_NESTING) {
    readText(text, out);
    return;
  }
  // JSON: each string is a text of its own, or its outer quotes would hide the inner ones.
  for (let open = text.indexOf('"'); open !== -1; ) {
    const close = stringEnd(text, open + 1);
    if (close === -1) break;
    const raw = text.slice(open + 1, close);
    if (raw.length >= 16 && /['`"]/.test(raw)) walk(unescapeJson(raw), depth + 1, out);
    open = text.indexOf('"', close + 1);
  }
}

function firstInk(text: string): number {
  let i = 0;
  while (i < text.length && text.charCodeAt(i) <= 0x20) i += 1;
  return i;
}

function stringEnd(text: string, from: number): number {
  let i = text.indexOf('"', from);
  while (i !== -1) {
    let slashes = 0;
    while (text.charCodeAt(i - 1 - slashes) === 0x5c && i - 1 - slashes >= from) slashes += 1;
    if (slashes % 2 === 0) return i;
    i = text.indexOf('"', i + 1);
  }
  return -1;
}

function unescapeJson(raw: string): string {
  if (!raw.includes("\\")) return raw;
  try {
    return String(JSON.parse(`"${raw}"`));
  } catch {
    return raw;
  }
}

/** Goes from quote to quote; only a text that gives names to literals is read word by word as well. */
function readText(text: string, out: string[]): void {
  let inOrder = "";
  let named = 0;
  const next = MARKS.map((mark) => text.indexOf(mark));
  while (true) {
    let which = -1;
    for (let i = 0; i < 3; i++) {
      const at = next[i] as number;
      if (at !== -1 && (which === -1 || at < (next[which] as number))) which = i;
    }
    if (which === -1) break;
    const at = next[which] as number;
    const close = literalEnd(text, at);
    if (close !== -1) {
      if (inOrder.length < MAX_OUTPUT) inOrder += text.slice(at + 1, close);
      if (isNamed(text, at)) named += 1;
    }
    const from = close === -1 ? at + 1 : close + 1;
    for (let i = 0; i < 3; i++) {
      const known = next[i] as number;
      if (known !== -1 && known < from) next[i] = text.indexOf(MARKS[i] as string, from);
    }
  }
  if (inOrder !== "") out.push(inOrder);
  if (named > 0) new Recipe(text, out).read();
}

/** Whether what stands before a literal gives it a name: `name = '…'`, `name: '…'`, `name is '…'`. */
function isNamed(text: string, open: number): boolean {
  let i = open - 1;
  while (i >= 0 && text.charCodeAt(i) === 0x20) i -= 1;
  const code = text.charCodeAt(i);
  return code === 0x3d || code === 0x3a || (code === 0x73 && text.charCodeAt(i - 1) === 0x69);
}

/** Where the literal that the mark at `at` opens is closed, or -1 when it opens none. */
function literalEnd(text: string, at: number): number {
  const mark = text.charCodeAt(at);
  // An apostrophe inside a word; f'…' is a literal.
  if (at > 0 && isWord(text.charCodeAt(at - 1)) && text.charCodeAt(at - 1) !== 0x66) return -1;
  const limit = Math.min(text.length, at + 2 + MAX_LITERAL);
  for (let i = at + 1; i < limit; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x0a && mark !== 0x60) return -1;
    if (code === mark && !(mark === 0x27 && isWord(text.charCodeAt(i + 1)))) return i;
  }
  return -1;
}

/** Reads one text as a sequence of names, literals and joints. */
class Recipe {
  readonly #text: string;
  readonly #out: string[];
  readonly #values = new Map<string, string>();
  #run = "";
  #pieces = 0;
  #target: string | null = null;
  #room = MAX_OUTPUT;
  /** First characters of the names that have a value. */
  readonly #initials = new Uint8Array(128);

  constructor(text: string, out: string[]) {
    this.#text = text;
    this.#out = out;
  }

  read(): void {
    const text = this.#text;
    const length = text.length;
    const initials = this.#initials;
    let i = 0;
    while (i < length) {
      const kind = KIND[text.charCodeAt(i) & 0xff];
      if (kind === WORD) {
        const start = i;
        do i += 1;
        while (i < length && KIND[text.charCodeAt(i) & 0xff] === WORD);
        // Nearly every word of nearly every text ends here, before it costs a call or a string.
        const next = text.charCodeAt(i);
        const after = next === 0x20 ? text.charCodeAt(i + 1) : next;
        const mayAssign = after === 0x3d || after === 0x3a || after === 0x69;
        if (mayAssign || this.#pieces > 0 || initials[text.charCodeAt(start) & 0x7f] !== 0) this.#word(start, i);
      } else if (kind === MARK) {
        i = this.#quote(i);
      } else {
        if (kind === STOP) this.#finish();
        i += 1;
      }
    }
    this.#finish();
  }

  #word(start: number, end: number): void {
    const assigns = this.#assigns(end);
    if (!assigns && this.#pieces === 0 && this.#initials[this.#text.charCodeAt(start) & 0x7f] === 0) return;
    const word = this.#text.slice(start, end);
    const known = assigns ? undefined : this.#values.get(word);
    if (assigns) {
      this.#finish();
      this.#target = word;
    } else if (known !== undefined) {
      this.#append(known);
    } else if (this.#pieces > 0 && !JOINING.has(word.toLowerCase()) && this.#text.charCodeAt(end) !== 0x28) {
      this.#finish();
    }
  }

  /** `name =`, `name :=`, `name: '…'`, `name is '…'`; not `==`. */
  #assigns(after: number): boolean {
    const text = this.#text;
    let i = after;
    while (text.charCodeAt(i) === 0x20) i += 1;
    const code = text.charCodeAt(i);
    if (code === 0x3d) return text.charCodeAt(i + 1) !== 0x3d;
    if (code === 0x3a) {
      if (text.charCodeAt(i + 1) === 0x3d) return true;
      i += 1;
    } else if (code === 0x69 && text.startsWith("is ", i)) {
      i += 2;
    } else {
      return false;
    }
    while (text.charCodeAt(i) === 0x20) i += 1;
    const value = text.charCodeAt(i);
    return value === 0x27 || value === 0x22 || value === 0x60;
  }

  /** Where reading goes on: behind the literal, or behind the mark when it opens none. */
  #quote(at: number): number {
    const close = literalEnd(this.#text, at);
    if (close === -1) return at + 1;
    const literal = this.#text.slice(at + 1, close);
    // A template: its names are read as part of the recipe.
    if (this.#values.size > 0 && literal.includes("{")) return at + 1;
    this.#append(literal);
    return close + 1;
  }

  #append(value: string): void {
    if (this.#run.length < MAX_VALUE) this.#run += value;
    this.#pieces += 1;
  }

  #finish(): void {
    if (this.#pieces === 0 && this.#target === null) return;
    const run = this.#run;
    if (this.#target !== null && run !== "" && this.#values.size < MAX_NAMES) {
      this.#values.set(this.#target, run);
      this.#initials[this.#target.charCodeAt(0) & 0x7f] = 1;
    }
    if (this.#pieces > 1 && this.#room > 0) {
      this.#room -= run.length;
      this.#out.push(run);
    }
    this.#target = null;
    this.#run = "";
    this.#pieces = 0;
  }
}

function isWord(code: number): boolean {
  return KIND[code & 0xff] === WORD;
}
