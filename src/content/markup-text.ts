/**
 * What a reader sees of XML, HTML or RTF, in any pieces: text with its references undone, and what attributes say. Runs that a
 * word processor splits in the middle of a word are one text again.
 */

export interface TextFilter {
  /** At most as many bytes as go in, and those that were held back. Valid until the next call. */
  push(bytes: Uint8Array): Uint8Array;
  /** What was held back, when nothing more comes. Absent: nothing is. */
  end?(): Uint8Array;
}

const NEWLINE = 0x0a;
const MAX_NAME = 32;
const MAX_REFERENCE = 12;
/** Shorter values of attributes are measures, colours and names. */
const LEAST_VALUE = 12;

/** Elements that stand within a line of text; any other begins a new one. */
const INLINE = new Set(
  ["r", "t", "rpr", "span", "a", "b", "i", "u", "em", "strong", "font", "hyperlink", "ins", "del", "smarttag", "sdt"]
    .concat(["sdtcontent", "sdtpr", "mark", "sub", "sup", "code", "small", "fldsimple", "rfonts", "lang", "prooferr"])
    .concat(["bookmarkstart", "bookmarkend", "noprooferr", "color", "sz", "szcs", "bcs", "ics", "rstyle", "tspan", "s"])
    .concat(["lastrenderedpagebreak", "endpararpr", "solidfill", "srgbclr", "latin", "ea", "cs", "noproof", "c-s"]),
);

const REFERENCES: Readonly<Record<string, number>> = { amp: 38, lt: 60, gt: 62, quot: 34, apos: 39, nbsp: 32 };

const TEXT = 0;
const TAG = 1;
const VALUE = 2;
const COMMENT = 3;
const REFERENCE = 4;

export class MarkupText implements TextFilter {
  #out = new Uint8Array(1024);
  #count = 0;
  #state = TEXT;
  #name = "";
  #named = false;
  #quote = 0;
  /** The value that is being read. */
  #value: number[] = [];
  #valueLength = 0;
  #reference = "";
  #back = TEXT;
  /** The last characters of a tag, to tell the ends of comments and CDATA. */
  #tail = 0;

  push(bytes: Uint8Array): Uint8Array {
    // A reference that was held back, and a line for each tag of three bytes.
    const room = bytes.length + 64;
    if (this.#out.length < room) this.#out = new Uint8Array(room);
    this.#count = 0;
    for (let i = 0; i < bytes.length; i++) this.#take(bytes[i] as number);
    return this.#out.subarray(0, this.#count);
  }

  #put(byte: number): void {
    if (byte === NEWLINE && this.#count > 0 && this.#out[this.#count - 1] === NEWLINE) return;
    this.#out[this.#count++] = byte;
  }

  #take(byte: number): void {
    if (this.#state === TEXT) this.#text(byte);
    else if (this.#state === TAG) this.#tag(byte);
    else if (this.#state === VALUE) this.#inValue(byte);
    else if (this.#state === COMMENT) this.#comment(byte);
    else this.#inReference(byte);
  }

  #text(byte: number): void {
    if (byte === 0x3c) {
      this.#state = TAG;
      this.#name = "";
      this.#named = false;
    } else if (byte === 0x26) {
      this.#state = REFERENCE;
      this.#back = TEXT;
      this.#reference = "";
    } else this.#put(byte);
  }

  #tag(byte: number): void {
    if (byte === 0x3e) {
      this.#state = TEXT;
      if (!INLINE.has(this.#name)) this.#put(NEWLINE);
    } else if (byte === 0x22 || byte === 0x27) {
      this.#state = VALUE;
      this.#quote = byte;
      this.#value = [];
      this.#valueLength = 0;
      this.#named = true;
    } else if (!this.#named) this.#inName(byte);
  }

  #inName(byte: number): void {
    if (this.#name === "" && !beginsTag(byte)) {
      this.#state = TEXT;
      this.#put(0x3c);
      this.#take(byte);
      return;
    }
    if (byte <= 0x20 || (byte === 0x2f && this.#name !== "")) this.#named = true;
    // The prefix of a namespace is anybody's choice.
    else if (byte === 0x3a) this.#name = "";
    else if (byte === 0x2f) this.#name = "";
    else if (this.#name.length < MAX_NAME) this.#name += String.fromCharCode(byte | (byte > 0x40 ? 0x20 : 0));
    if (this.#name === "!--" || this.#name === "!{cdata{") {
      this.#state = COMMENT;
      this.#tail = 0;
    }
  }

  /** Its text is text to whoever is shown the source; of CDATA to everybody. */
  #comment(byte: number): void {
    if (byte === 0x3e && ((this.#tail & 0xffff) === 0x2d2d || (this.#tail & 0xffff) === 0x5d5d)) {
      this.#state = TEXT;
      this.#put(NEWLINE);
      return;
    }
    this.#tail = ((this.#tail << 8) | byte) & 0xffff;
    this.#put(byte);
  }

  #inValue(byte: number): void {
    if (byte === this.#quote) {
      this.#state = TAG;
      if (this.#valueLength >= LEAST_VALUE) this.#put(NEWLINE);
    } else if (byte === 0x26) {
      this.#state = REFERENCE;
      this.#back = VALUE;
      this.#reference = "";
    } else this.#valued(byte);
  }

  #valued(byte: number): void {
    this.#valueLength += 1;
    if (this.#valueLength < LEAST_VALUE) this.#value.push(byte);
    else {
      if (this.#valueLength === LEAST_VALUE) {
        this.#put(NEWLINE);
        for (const each of this.#value) this.#put(each);
        this.#value = [];
      }
      this.#put(byte);
    }
  }

  #inReference(byte: number): void {
    if (byte !== 0x3b && byte > 0x20 && byte !== 0x26 && byte !== 0x3c && this.#reference.length < MAX_REFERENCE) {
      this.#reference += String.fromCharCode(byte);
      return;
    }
    const code = codeOf(this.#reference);
    this.#state = this.#back;
    const put = (each: number): void => (this.#back === VALUE ? this.#valued(each) : this.#put(each));
    if (code === -1) {
      put(0x26);
      for (let i = 0; i < this.#reference.length; i++) put(this.#reference.charCodeAt(i) & 0xff);
      if (byte === 0x3b) put(byte);
    } else for (const each of utf8(code)) put(each);
    if (byte !== 0x3b) this.#take(byte);
  }
}

/** Of an element, an end, a declaration. A sign for less is none. */
function beginsTag(byte: number): boolean {
  const small = byte | 0x20;
  return (small >= 0x61 && small <= 0x7a) || byte === 0x2f || byte === 0x21 || byte === 0x3f || byte === 0x5f;
}

function codeOf(reference: string): number {
  if (!reference.startsWith("#")) return Object.hasOwn(REFERENCES, reference) ? (REFERENCES[reference] as number) : -1;
  const hex = reference[1] === "x" || reference[1] === "X";
  const digits = reference.slice(hex ? 2 : 1);
  if (!(hex ? /^[0-9a-fA-F]+$/ : /^[0-9]+$/).test(digits)) return -1;
  const code = Number.parseInt(digits, hex ? 16 : 10);
  return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? code : -1;
}

const encoder = new TextEncoder();

function utf8(code: number): Uint8Array {
  return encoder.encode(String.fromCodePoint(code));
}
