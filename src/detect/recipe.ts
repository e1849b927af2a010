/**
 * One text read as a recipe: literals, the names given to them, and the joints between both. Letters only are kept, in
 * one array: first all literals in their order, behind them what names made of them.
 */
import { byteAt } from "./escapes.ts";
import { MAX_LETTERS_INPUT, putLetters } from "./letters.ts";
import { glance, Names, wordNumber } from "./names.ts";
import { PHRASE_REACH } from "./phrases.ts";

const MAX_LITERAL = 256;
/** Letters that names may come to in one input. Honest text stays far below, a recipe that doubles itself does not. */
const MAX_BUILT = 512 * 1024;
/**
 * Names in code that was made small stand for half a program, and stand everywhere. What is joined from values this long
 * (letters) is read until it comes to so much; what is joined from shorter ones always is. Code that people run asks for
 * at most ten times its length: who asks for more than `MOST_LONG` times hides something.
 */
const LONG = 96;
const MAX_LONG = 96 * 1024;
const MOST_LONG = 32;
/** Put between assembled strings so that no phrase can span two of them. */
const BREAK = 0x7c;

const WORD = 1;
const MARK = 2;
/** Ends a statement, or a sentence. */
const STOP = 4;
const KIND = characterKinds();

function characterKinds(): Uint8Array {
  const kinds = new Uint8Array(256);
  for (let code = 0; code < 0x80; code++) if (/\w/.test(String.fromCharCode(code))) kinds[code] = WORD;
  for (const mark of "'\"`") kinds[mark.charCodeAt(0)] = MARK;
  for (const stop of ";\n!?") kinds[stop.charCodeAt(0)] = STOP;
  return kinds;
}

const SINGLE = 0x27;
const BACKTICK = 0x60;
const NEWLINE = 0x0a;

/** Words of a recipe that join what stands on both sides. */
const JOINING = new Set(
  ["and", "then", "plus", "with", "join", "concat", "followed", "by", "f", "str", "string", "to"].map((word) => {
    const bytes = Uint8Array.from(word, (letter) => letter.charCodeAt(0));
    return wordNumber(bytes, 0, bytes.length);
  }),
);

const BUILT = MAX_LETTERS_INPUT + 16;

/** Reads texts one after the other; made once, used again and again. */
export class Recipe {
  readonly letters = new Uint8Array(BUILT + MAX_BUILT + 4 * MAX_LITERAL);
  /** Where the literals in their order end; they begin at 0. */
  ordered = 0;
  /** What names made is from `builtFrom` to `built`. */
  readonly builtFrom = BUILT;
  built = BUILT;
  /** True: more was asked for than is ever built. */
  exhausted = false;

  #text: Uint8Array = new Uint8Array(0);
  readonly #names = new Names();
  /** The next place where a literal in single, double and back quotes would end; before the reader: not known. */
  readonly #ends = new Int32Array(3);

  /** The statement being read: pieces joined so far, as a part of `letters`. */
  #pieces = 0;
  #start = 0;
  #end = 0;
  /** True: that part is being built at the end of `letters`. */
  #building = false;
  #targetStart = -1;
  #targetEnd = -1;
  /** Letters taken from long values so far. */
  #long = 0;

  clear(): void {
    this.ordered = 0;
    this.built = BUILT;
    this.exhausted = false;
    this.#long = 0;
  }

  /** Linear; texts do not share names, and no phrase spans two of them. */
  read(text: Uint8Array): void {
    this.#open(text);
    const { length } = text;
    const names = this.#names;
    /** Behind the last literal that was taken in its order. */
    let taken = 0;
    for (let at = 0; at < length && !this.exhausted; at++) {
      let kind = KIND[text[at] as number] as number;
      if (kind === WORD) {
        const start = at;
        do at += 1;
        while (at < length && KIND[text[at] as number] === WORD);
        const code = byteAt(text, at);
        kind = KIND[code] as number;
        // Nearly every word of nearly every text ends here, before it costs a call.
        const after = code === 0x20 ? byteAt(text, at + 1) : code;
        const mayAssign = after === 0x3d || after === 0x3a || after === 0x69;
        if (mayAssign || this.#pieces > 0 || (names.count > 0 && names.seen[glance(text, start, at)] !== 0))
          this.#word(start, at);
      }
      if (kind === STOP) this.#finish();
      if (kind !== MARK) continue;
      const close = this.#literalEnd(at);
      if (close === -1) continue;
      const first = this.ordered;
      const nested = at < taken;
      if (!nested) {
        this.ordered = putLetters(text, at + 1, close, this.letters, first);
        taken = close + 1;
      }
      // The names in a template are read as part of the recipe.
      if (this.#isTemplate(at, close)) continue;
      if (nested) this.#appendText(at + 1, close);
      else this.#append(first, this.ordered);
      at = close;
    }
    this.#finish();
    if (this.ordered > 0 && this.letters[this.ordered - 1] !== BREAK) this.letters[this.ordered++] = BREAK;
  }

  #open(text: Uint8Array): void {
    this.#text = text;
    for (let which = 0; which < 3; which++) this.#ends[which] = -1;
    this.#names.open(text);
  }

  /** Where the literal that the mark at `at` opens is closed, or -1 when it opens none. */
  #literalEnd(at: number): number {
    const text = this.#text;
    const before = at === 0 ? 0 : (text[at - 1] as number);
    // An apostrophe inside a word; f'…' is a literal.
    if (KIND[before] === WORD && before !== 0x66) return -1;
    const mark = text[at] as number;
    const which = mark === SINGLE ? 0 : mark === BACKTICK ? 2 : 1;
    let end = this.#ends[which] as number;
    // What was found out is kept, or marks that open nothing would each search the same text again.
    if (end <= at) {
      end = at + 1;
      for (; end < text.length; end++) {
        const code = text[end];
        if (code === mark && !(mark === SINGLE && KIND[byteAt(text, end + 1)] === WORD)) break;
        if (code === NEWLINE && mark !== BACKTICK) break;
      }
      this.#ends[which] = end;
    }
    return byteAt(text, end) === mark && end - at <= MAX_LITERAL + 1 ? end : -1;
  }

  #isTemplate(open: number, close: number): boolean {
    if (this.#names.count === 0) return false;
    for (let i = open + 1; i < close; i++) if (this.#text[i] === 0x7b || this.#text[i] === 0x24) return true;
    return false;
  }

  #word(start: number, end: number): void {
    const text = this.#text;
    if (this.#assigns(end)) {
      this.#finish();
      this.#targetStart = start;
      this.#targetEnd = end;
      return;
    }
    const name = this.#names.find(start, end);
    if (name !== -1) {
      const first = this.#names.valueStart[name] as number;
      const last = this.#names.valueEnd[name] as number;
      if (last - first <= LONG || this.#mayTake(last - first)) this.#append(first, last);
      else this.#finish();
      return;
    }
    if (this.#pieces > 0 && byteAt(text, end) !== 0x28 && !JOINING.has(wordNumber(text, start, end))) this.#finish();
  }

  /** `name =`, `name :=`, `name: '…'`, `name is '…'`; not `==`. */
  #assigns(after: number): boolean {
    const text = this.#text;
    let i = after;
    while (byteAt(text, i) === 0x20) i += 1;
    const code = byteAt(text, i);
    if (code === 0x3d) return byteAt(text, i + 1) !== 0x3d;
    if (code === 0x3a) {
      if (byteAt(text, i + 1) === 0x3d) return true;
      i += 1;
    } else if (code === 0x69 && byteAt(text, i + 1) === 0x73 && byteAt(text, i + 2) === 0x20) {
      i += 2;
    } else {
      return false;
    }
    while (byteAt(text, i) === 0x20) i += 1;
    return KIND[byteAt(text, i)] === MARK;
  }

  /** Joins a part of `letters` to the statement. Parts that follow each other anyway are not copied. */
  #append(start: number, end: number): void {
    if (this.#pieces === 0) {
      this.#start = start;
      this.#end = end;
    } else if (!this.#building && start === this.#end) {
      this.#end = end;
    } else {
      this.#build();
      this.#copy(start, end);
      this.#end = this.built;
    }
    this.#pieces += 1;
  }

  /** Joins a literal inside a template. */
  #appendText(start: number, end: number): void {
    this.#build();
    this.built = putLetters(this.#text, start, end, this.letters, this.built);
    this.#end = this.built;
    this.#pieces += 1;
    this.#checkRoom();
  }

  #build(): void {
    if (this.#building) return;
    this.#building = true;
    const from = this.built;
    if (this.#pieces > 0) this.#copy(this.#start, this.#end);
    this.#start = from;
  }

  /** What is further from both ends than a phrase reaches can be part of no new one. */
  #copy(start: number, end: number): void {
    if (end - start <= 2 * PHRASE_REACH) {
      this.#copyAll(start, end);
    } else {
      this.#copyAll(start, start + PHRASE_REACH);
      this.letters[this.built++] = BREAK;
      this.#copyAll(end - PHRASE_REACH, end);
    }
    this.#checkRoom();
  }

  #copyAll(start: number, end: number): void {
    this.letters.copyWithin(this.built, start, end);
    this.built += end - start;
  }

  #mayTake(length: number): boolean {
    this.#long += Math.min(length, 2 * PHRASE_REACH);
    if (this.#long <= MAX_LONG) return true;
    if (this.#long > MOST_LONG * this.#text.length) this.exhausted = true;
    return false;
  }

  #checkRoom(): void {
    if (this.built < BUILT + MAX_BUILT) return;
    this.exhausted = true;
    this.built = BUILT + MAX_BUILT;
  }

  #finish(): void {
    if (this.#pieces === 0 && this.#targetStart === -1) return;
    if (this.#targetStart !== -1 && this.#pieces > 0) {
      this.#names.set(this.#targetStart, this.#targetEnd, this.#start, this.#end);
    }
    if (this.#building) this.letters[this.built++] = BREAK;
    this.#building = false;
    this.#pieces = 0;
    this.#targetStart = -1;
  }
}
