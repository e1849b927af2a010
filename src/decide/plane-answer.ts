/**
 * A plane's answer, read strictly and without holding the event loop: a replacement body of megabytes is cut out of the
 * JSON and read slice by slice, and only the small rest is parsed and validated in one piece.
 */
import { Fault } from "../errors.ts";
import type { HttpReply } from "../runtime/contract.ts";
import { type DecisionAnswer, decisionAnswerSchema } from "./governance-schema.ts";
import { nextTurn, TURN_MS } from "./inspect-in-turns.ts";
import { fromBase64 } from "./plane-request.ts";

/** All of an answer but a long replacement body. */
export const ANSWER_ROOM = 256 * 1024;
/** Bytes that are looked at between two glances at the clock, and of a long literal in one parse. */
const SLICE = 32 * 1024;
const COPY_PER_TURN = 1024 * 1024;

export interface PlaneAnswer {
  readonly answer: DecisionAnswer;
  /** What to send instead; null unless the answer is `sanitize`. */
  readonly redacted: Uint8Array | null;
}

interface Reading {
  /** The longest replacement, bytes. */
  readonly maxBody: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

/** Rejects with Fault `governance_malformed`. */
export async function readAnswer(reply: HttpReply, reading: Reading): Promise<PlaneAnswer> {
  if (reply.status !== 200) throw malformed(`status ${reply.status}`);
  const type = reply.headers["content-type"] ?? "";
  if (!/^application\/json *(?:;|$)/i.test(type)) throw malformed("the content type is not application/json");
  const turn = turns(reading.clock);
  const { body } = reply;
  const long = await findLong(body, turn);
  const answer = validated(long === null ? body : without(body, long));
  if (answer.decision !== "sanitize") return { answer, redacted: null };
  const base64 = answer.redacted_encoding === "base64";
  const text = answer.redacted_body ?? "";
  const out = new Replacement(reading.maxBody, base64);
  if (long === null) out.add(text);
  else {
    for (const [at, cut] of long.cuts.entries()) {
      out.add(literal(body.subarray(cut, long.cuts[at + 1] ?? long.end)));
      await turn();
    }
  }
  return { answer, redacted: await out.whole() };
}

function validated(bytes: Uint8Array): DecisionAnswer {
  if (bytes.length > ANSWER_ROOM) throw malformed("too long");
  let json: unknown;
  try {
    json = JSON.parse(strict.decode(bytes));
  } catch {
    throw malformed("not JSON");
  }
  const checked = decisionAnswerSchema.safeParse(json);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  // Paths only: an answer's values may quote the body.
  throw malformed(issue === undefined ? "not a decision" : `${issue.path.join(".") || "answer"}: ${issue.code}`);
}

const strict = new TextDecoder("utf-8", { fatal: true });
const strictPart = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The inside of the literal of a long `redacted_body`. */
interface Long {
  /** Behind the opening quote, and wherever it may be cut: between two characters, never inside an escape. */
  readonly cuts: readonly number[];
  /** Of the closing quote. */
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

/**
 * Finds it, and refuses a member that stands twice: whoever reads the plane's words otherwise would read another verdict.
 * It finds strings as a parser does; everything else about the grammar is the parser's to refuse.
 */
async function findLong(bytes: Uint8Array, turn: () => Promise<void> | null): Promise<Long | null> {
  const keys = new Set<string>();
  let depth = 0;
  let atKey = false;
  let key = "";
  let long: Long | null = null;
  for (let at = 0, glance = SLICE; at < bytes.length; at++) {
    if (at >= glance) {
      glance = at + SLICE;
      if (at - (long === null ? 0 : long.end - (long.cuts[0] as number)) > ANSWER_ROOM) throw malformed("too long");
      await turn();
    }
    switch (bytes[at]) {
      case 0x7b: // {
      case 0x5b: // [
        depth++;
        atKey = depth === 1;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth--;
        break;
      case 0x2c: // ,
        if (depth === 1) atKey = true;
        break;
      case QUOTE: {
        const cuts = [at + 1];
        const end = await stringEnd(bytes, cuts, turn);
        if (depth === 1 && atKey) {
          key = literal(bytes.subarray(at + 1, Math.min(end, at + 1 + SLICE)));
          if (keys.has(key)) throw malformed("a member stands twice");
          keys.add(key);
          atKey = false;
        } else if (depth === 1 && key === "redacted_body" && cuts.length > 1) {
          long = { cuts, end };
        }
        at = end;
        glance = Math.max(glance, at);
        break;
      }
    }
  }
  return long;
}

/** Where the string that begins at `cuts[0]` ends (its quote, or the end of the bytes); adds where it may be cut. */
async function stringEnd(bytes: Uint8Array, cuts: number[], turn: () => Promise<void> | null): Promise<number> {
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

function literal(inside: Uint8Array): string {
  try {
    return JSON.parse(`"${strictPart.decode(inside)}"`) as string;
  } catch {
    throw malformed("not JSON");
  }
}

/** The answer with an empty literal in the place of the long one. */
function without(bytes: Uint8Array, { cuts, end }: Long): Uint8Array {
  const start = cuts[0] as number;
  const length = bytes.length - (end - start);
  if (length > ANSWER_ROOM) throw malformed("too long");
  const rest = new Uint8Array(length);
  rest.set(bytes.subarray(0, start));
  rest.set(bytes.subarray(end), start);
  return rest;
}

/** Gathers the replacement from pieces of its text. */
class Replacement {
  readonly #maxBytes: number;
  readonly #base64: boolean;
  readonly #parts: Uint8Array[] = [];
  #length = 0;
  /** Base64 that does not make whole bytes yet. */
  #rest = "";
  #padded = false;

  constructor(maxBytes: number, base64: boolean) {
    this.#maxBytes = maxBytes;
    this.#base64 = base64;
  }

  add(text: string): void {
    // Half a surrogate pair has no bytes: it would be sent as something nobody decided on.
    if (!text.isWellFormed()) throw malformed("redacted_body is not text");
    if (!this.#base64) {
      this.#push(encoder.encode(text));
      return;
    }
    const all = this.#rest + text;
    const whole = all.length - (all.length % 4);
    this.#rest = all.slice(whole);
    if (whole === 0) return;
    // Padding ends the text: nothing may stand behind it.
    if (this.#padded) throw malformed("redacted_body is not base64");
    this.#padded = all[whole - 1] === "=";
    const bytes = fromBase64(all.slice(0, whole));
    if (bytes === null) throw malformed("redacted_body is not base64");
    this.#push(bytes);
  }

  #push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#length > this.#maxBytes) throw malformed("redacted_body is larger than a body may be");
    this.#parts.push(bytes);
  }

  /** Fresh memory is dear to write to: the loop gets a turn after every mebibyte. */
  async whole(): Promise<Uint8Array> {
    if (this.#rest !== "") throw malformed("redacted_body is not base64");
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
function turns(clock: () => number): () => Promise<void> | null {
  let began = clock();
  return () => {
    if (clock() - began < TURN_MS) return null;
    return nextTurn().then(() => {
      began = clock();
    });
  };
}

export function malformed(detail: string): Fault {
  return new Fault("governance_malformed", `the governance plane's answer is malformed: ${detail}`);
}
