/**
 * JSON with one member that may be megabytes long: it is cut out and read slice by slice, without holding the event loop,
 * and only the small rest is parsed in one piece. The plane reads questions so, the relay answers.
 */
import type { Fault } from "../errors.ts";
import { nextTurn, TURN_MS } from "./inspect-in-turns.ts";
import { fromStrictBase64 } from "./plane-request.ts";

/** Bytes that are looked at between two glances at the clock, and of a long literal in one parse. */
const SLICE = 32 * 1024;
const COPY_PER_TURN = 1024 * 1024;

export type Complaint = (detail: string) => Fault;

export interface LongMember {
  /** The keys that lead to it from the root. */
  readonly path: readonly string[];
  /** Bytes that everything else may come to. */
  readonly room: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  readonly complain: Complaint;
}

export interface Cut {
  /** The text, with `""` in the place of the member when that was long. */
  readonly rest: Uint8Array;
  /** The long member's text; null: it is short and still in `rest`. */
  readonly pieces: AsyncIterable<string> | null;
}

/**
 * Rejects with what `complain` makes for a member that stands twice on the way to the long one (whoever reads the text
 * otherwise would read another value), for a broken literal and for more than `room` besides it. Everything else about
 * the grammar is the parser's to refuse.
 */
export async function cutLong(bytes: Uint8Array, member: LongMember): Promise<Cut> {
  const turn = turns(member.clock);
  const long = await find(bytes, member, turn);
  const length = bytes.length - (long === null ? 0 : long.end - (long.cuts[0] as number));
  if (length > member.room) throw member.complain("too long");
  if (long === null) return { rest: bytes, pieces: null };
  const start = long.cuts[0] as number;
  const rest = new Uint8Array(length);
  rest.set(bytes.subarray(0, start));
  rest.set(bytes.subarray(long.end), start);
  return { rest, pieces: pieces(bytes, long, { turn, complain: member.complain }) };
}

type Turn = () => Promise<void> | null;

/** The inside of a long literal. */
interface Long {
  /** Behind the opening quote, and wherever it may be cut: between two characters, never inside an escape. */
  readonly cuts: readonly number[];
  /** Of the closing quote. */
  readonly end: number;
}

async function* pieces(
  bytes: Uint8Array,
  { cuts, end }: Long,
  { turn, complain }: { readonly turn: Turn; readonly complain: Complaint },
): AsyncGenerator<string> {
  for (const [at, cut] of cuts.entries()) {
    yield literal(bytes.subarray(cut, cuts[at + 1] ?? end), complain);
    await turn();
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

/** The objects that are open and stand on the path, outermost first; `depth` counts everything that is open. */
interface Open {
  readonly keys: Set<string>;
  key: string;
}

async function find(bytes: Uint8Array, { path, room, complain }: LongMember, turn: Turn): Promise<Long | null> {
  const open: Open[] = [];
  let depth = 0;
  let atKey = false;
  let long: Long | null = null;
  for (let at = 0, glance = SLICE; at < bytes.length; at++) {
    if (at >= glance) {
      glance = at + SLICE;
      if (at - (long === null ? 0 : long.end - (long.cuts[0] as number)) > room) throw complain("too long");
      await turn();
    }
    switch (bytes[at]) {
      case 0x7b: // {
        depth++;
        if (open.length === depth - 1 && (depth === 1 || open[depth - 2]?.key === path[depth - 2])) {
          open.push({ keys: new Set(), key: "" });
          atKey = true;
        } else atKey = false;
        break;
      case 0x5b: // [
        depth++;
        atKey = false;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        if (open.length === depth) open.pop();
        depth--;
        break;
      case 0x2c: // ,
        if (depth > 0 && depth === open.length) atKey = true;
        break;
      case QUOTE: {
        const cuts = [at + 1];
        // Nearly every string is short, and waiting for nothing costs more than reading it.
        const short = shortEnd(bytes, at + 1);
        const end = short === -1 ? await stringEnd(bytes, cuts, turn) : short;
        const inside = open[depth - 1];
        if (inside !== undefined && depth === open.length) {
          if (atKey) {
            const key = literal(bytes.subarray(at + 1, Math.min(end, at + 1 + SLICE)), complain);
            if (inside.keys.has(key)) throw complain("a member stands twice");
            inside.keys.add(key);
            inside.key = key;
            atKey = false;
          } else if (depth === path.length && inside.key === path[depth - 1] && cuts.length > 1) {
            long = { cuts, end };
          }
        }
        at = end;
        glance = Math.max(glance, at);
        break;
      }
    }
  }
  return long;
}

/** Where the string that begins at `from` ends, or -1 when that is not within a slice. */
function shortEnd(bytes: Uint8Array, from: number): number {
  const limit = Math.min(bytes.length, from + SLICE);
  for (let at = from; at < limit; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return -1;
}

/** Where the string that begins at `cuts[0]` ends (its quote, or the end of the bytes); adds where it may be cut. */
async function stringEnd(bytes: Uint8Array, cuts: number[], turn: Turn): Promise<number> {
  let at = cuts[0] as number;
  let next = at + SLICE;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) return at;
    // Not in the middle of a character.
    if (at >= next && (byte & 0xc0) !== 0x80) {
      cuts.push(at);
      next = at + SLICE;
      await turn();
      // Most slices are plain text, and looking for two bytes is what a machine does best.
      const slice = bytes.subarray(at, next);
      if (!slice.includes(QUOTE) && !slice.includes(BACKSLASH)) {
        at += slice.length;
        continue;
      }
    }
    if (byte !== BACKSLASH) at++;
    else if (bytes[at + 1] !== LETTER_U) at += 2;
    else at += isHighSurrogate(bytes, at) && bytes[at + 6] === BACKSLASH && bytes[at + 7] === LETTER_U ? 12 : 6;
  }
  return bytes.length;
}

/** `\ud8xx` to `\udbxx`: what follows may be its other half. */
function isHighSurrogate(bytes: Uint8Array, at: number): boolean {
  if (((bytes[at + 2] as number) | 0x20) !== 0x64) return false;
  const digit = (bytes[at + 3] as number) | 0x20;
  return digit === 0x38 || digit === 0x39 || digit === 0x61 || digit === 0x62;
}

/** Most keys: without escapes, and without what JSON does not let stand in a string, they are what they say. */
const PLAIN = 64;
const NOT_PLAIN = /[\u0000-\u001f"\\]/;

const strictPart = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function literal(inside: Uint8Array, complain: Complaint): string {
  try {
    const text = strictPart.decode(inside);
    return text.length <= PLAIN && !NOT_PLAIN.test(text) ? text : (JSON.parse(`"${text}"`) as string);
  } catch {
    throw complain("not JSON");
  }
}

export interface Gathering {
  /** Of the member, for complaints. */
  readonly name: string;
  readonly maxBytes: number;
  readonly base64: boolean;
  readonly complain: Complaint;
}

/** Bytes that a member says as text or as base64, from pieces of it. */
export async function gather(pieces: AsyncIterable<string> | string, gathering: Gathering): Promise<Uint8Array> {
  const out = new Gathered(gathering);
  if (typeof pieces === "string") out.add(pieces);
  else for await (const piece of pieces) out.add(piece);
  return out.whole();
}

class Gathered {
  readonly #about: Gathering;
  readonly #parts: Uint8Array[] = [];
  #length = 0;
  /** Base64 that does not make whole bytes yet. */
  #rest = "";
  #padded = false;

  constructor(about: Gathering) {
    this.#about = about;
  }

  add(text: string): void {
    const { name, base64, complain } = this.#about;
    // Half a surrogate pair has no bytes: it would be read as something nobody decided on.
    if (!text.isWellFormed()) throw complain(`${name} is not text`);
    if (!base64) {
      this.#push(encoder.encode(text));
      return;
    }
    const all = this.#rest + text;
    const whole = all.length - (all.length % 4);
    this.#rest = all.slice(whole);
    if (whole === 0) return;
    // Padding ends the text: nothing may stand behind it.
    if (this.#padded) throw complain(`${name} is not base64`);
    this.#padded = all[whole - 1] === "=";
    const bytes = fromStrictBase64(all.slice(0, whole));
    if (bytes === null) throw complain(`${name} is not base64`);
    this.#push(bytes);
  }

  #push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#length > this.#about.maxBytes)
      throw this.#about.complain(`${this.#about.name} is larger than a body may be`);
    this.#parts.push(bytes);
  }

  /** Fresh memory is dear to write to: the loop gets a turn after every mebibyte. */
  async whole(): Promise<Uint8Array> {
    if (this.#rest !== "") throw this.#about.complain(`${this.#about.name} is not base64`);
    const [only] = this.#parts;
    if (this.#parts.length === 1 && only !== undefined) return only;
    const out = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      if (Math.floor((at + part.length) / COPY_PER_TURN) > Math.floor(at / COPY_PER_TURN)) await nextTurn();
      at += part.length;
    }
    return out;
  }
}

const encoder = new TextEncoder();

/** Hands the loop back when this turn of it has lasted long enough; null when it has not. */
function turns(clock: () => number): Turn {
  let began = clock();
  return () => {
    if (clock() - began < TURN_MS) return null;
    return nextTurn().then(() => {
      began = clock();
    });
  };
}
