/**
 * Decides an answer while it passes: takes its bytes in any pieces, says how many of those it was given may leave, or that
 * nothing more does. The verdict depends on the bytes alone, never on how they were cut.
 */
import { typeAllowed } from "../policy/responses.ts";
import {
  type AnswerKind,
  type AnswerMetadata,
  looksBinary,
  SNIFFED,
  typeOfAnswer,
  WHOLE_ANSWER,
} from "./answer-kind.ts";
import type { AnswerProfile } from "./answer-profile.ts";
import type { AnswerReading, Reader } from "./answer-reading.ts";
import { AnswerTally } from "./answer-tally.ts";
import type { Ruled } from "./engine.ts";
import { MessageReading } from "./message-reading.ts";
import { RawReading } from "./raw-reading.ts";
import type { Ruling } from "./ruling.ts";

export interface ScreenStep {
  /** Bytes from the front of what has been given and has not left yet. */
  readonly release: number;
  /** Nothing more of the answer may leave; "exhausted": it could not be looked at, which is never a pass. */
  readonly veto: Ruled | null;
  /** There is work left: call `more` in another turn, and give nothing until it says false. */
  readonly more: boolean;
}

export interface ScreenOptions {
  readonly profile: AnswerProfile;
  readonly head: AnswerMetadata;
  /** Where the answer comes from: normalised. */
  readonly host: string;
}

/** Steps of work, each of a few kilobytes, before the event loop is handed back; where disguises are undone each is long enough. */
const STEPS_A_TURN = 4;

export class AnswerScreen {
  readonly kind: AnswerKind;
  /** Nothing leaves before all has been looked at, so a veto can still be the answer. */
  readonly holdWhole: boolean;
  readonly #profile: AnswerProfile;
  readonly #tally: AnswerTally;
  readonly #reader: Reader;
  #reading: AnswerReading | null = null;
  /** First bytes of what may be no text. */
  #sniffed: Uint8Array | null = null;
  /** It is no text, or nothing is looked for. */
  #passes: boolean;
  #work: Generator<void, Ruled | null> | null = null;
  #given = 0;
  #left = 0;
  #ended = false;
  #veto: Ruled | null = null;

  constructor({ profile, head, host }: ScreenOptions) {
    this.#profile = profile;
    this.#tally = new AnswerTally(profile);
    this.#reader = { profile, tally: this.#tally, host };
    const { media, kind } = typeOfAnswer(head.contentType);
    this.kind = kind;
    this.#passes = profile.idle;
    this.#veto = this.#judgeHead(head, media);
    const isStream = this.kind !== "raw";
    this.holdWhole = !isStream && !this.#passes && this.#acts && head.length > 0 && head.length <= WHOLE_ANSWER;
    if (this.kind === "raw") this.#reading = new RawReading(this.#reader, this.holdWhole);
    else if (this.kind === "perhaps") this.#sniffed = new Uint8Array(0);
    else this.#reading = new MessageReading(this.kind, this.#reader);
  }

  /** Null as long as nothing speaks against it; behind the head already when that does. */
  get veto(): Ruled | null {
    return this.#veto;
  }

  /** What of the answer has been let go ends where a message does. */
  get between(): boolean {
    return this.#reading?.between ?? false;
  }

  /** Bytes that are kept beyond what every answer takes: of a message that is not whole, of many texts side by side. */
  get kept(): number {
    return this.#reading?.kept ?? 0;
  }

  /** What the answer comes to when nothing of it was a veto: an allow that says what would have been. */
  get ruling(): Ruling {
    return this.#tally.ruling;
  }

  /** Whatever is found, nothing of the answer is held back for it: neither what it says nor its size ends it. */
  get watchesOnly(): boolean {
    return this.#isFree && this.#profile.terms.maxBytes === null && this.#veto === null;
  }

  /** For who finds that an answer cannot be read at all, such as codings that cannot be undone; null: nobody minds. */
  unreadable(vector: string, reason: string): Ruled | null {
    this.#veto ??= this.#tally.unreadable(vector, reason);
    return this.#veto;
  }

  /** `bytes` must stay as they are while `more` is true. */
  push(bytes: Uint8Array): ScreenStep {
    if (this.#work !== null || this.#ended) throw new TypeError("an answer is given on before the screen has taken it");
    this.#given += bytes.length;
    if (!this.#takesLittle(bytes)) this.#work = this.#take(bytes);
    return this.more();
  }

  end(): ScreenStep {
    if (this.#work !== null || this.#ended) throw new TypeError("an answer ends before the screen has taken it");
    this.#ended = true;
    const plain = this.#plain;
    if (plain === null) this.#work = this.#finish();
    else this.#veto ??= plain.endAtOnce();
    return this.more();
  }

  /** Most answers are short texts, and need no steps. */
  #takesLittle(bytes: Uint8Array): boolean {
    return this.#profile.terms.maxBytes === null && this.#veto === null && this.#plain?.takeLittle(bytes) === true;
  }

  /** A text as it comes that is looked at; null where there is more to it. */
  get #plain(): RawReading | null {
    return !this.#passes && this.#sniffed === null && this.#reading instanceof RawReading ? this.#reading : null;
  }

  more(): ScreenStep {
    const work = this.#work;
    const steps = this.#profile.deep ? 1 : STEPS_A_TURN;
    for (let step = 0; work !== null && this.#veto === null && step < steps; step++) {
      const { done, value } = work.next();
      if (done !== true) continue;
      this.#veto = value;
      this.#work = null;
      break;
    }
    const more = this.#work !== null && this.#veto === null;
    if (!more) this.#work = null;
    return { release: this.#released(more), veto: this.#veto, more };
  }

  #released(more: boolean): number {
    if (this.#veto !== null) return 0;
    const done = this.#ended && !more;
    if (this.holdWhole && !done) return 0;
    const free = done || this.#isFree ? this.#given : Math.min(this.#given, this.#reading?.free ?? 0);
    const release = free - this.#left;
    this.#left = free;
    return release;
  }

  /** Nothing that is looked for ends the answer, or nothing is looked for any more. */
  get #isFree(): boolean {
    return this.#passes || !this.#acts;
  }

  get #acts(): boolean {
    return this.#profile.acting.size > 0 || this.#profile.holds;
  }

  #judgeHead({ length }: AnswerMetadata, type: string): Ruled | null {
    const { terms } = this.#profile;
    if (length !== 0 && !typeAllowed(terms, type)) {
      const named = type === "" ? "no media type" : `the media type ${type}`;
      const veto = this.#tally.limit("response_type", `the answer has ${named}, which the policy does not let in`);
      if (veto !== null) return veto;
    }
    const { maxBytes } = terms;
    return maxBytes === null || length <= maxBytes ? null : this.#tooLarge(maxBytes);
  }

  #tooLarge(maxBytes: number): Ruled | null {
    return this.#tally.limit("response_too_large", `the answer has more than ${maxBytes} bytes`);
  }

  *#take(bytes: Uint8Array): Generator<void, Ruled | null> {
    const { maxBytes } = this.#profile.terms;
    const over = maxBytes !== null && this.#given > maxBytes;
    if (!over) return yield* this.#read(bytes);
    // What stands before the limit is judged first, however the bytes came.
    const within = bytes.length - (this.#given - maxBytes);
    const veto = within > 0 ? yield* this.#read(bytes.subarray(0, within)) : null;
    return veto ?? this.#tooLarge(maxBytes) ?? (yield* this.#read(bytes.subarray(Math.max(0, within))));
  }

  *#read(bytes: Uint8Array): Generator<void, Ruled | null> {
    if (this.#passes) return null;
    if (this.#sniffed === null) return (yield* this.#reading?.take(bytes) ?? nothing()) ?? null;
    const all = new Uint8Array(this.#sniffed.length + bytes.length);
    all.set(this.#sniffed);
    all.set(bytes, this.#sniffed.length);
    this.#sniffed = all;
    return all.length < SNIFFED ? null : yield* this.#told(all);
  }

  /** Its first bytes say whether it is a text. */
  *#told(first: Uint8Array): Generator<void, Ruled | null> {
    this.#sniffed = null;
    if (looksBinary(first.subarray(0, SNIFFED))) {
      this.#passes = true;
      return null;
    }
    this.#reading = new RawReading(this.#reader, false);
    return yield* this.#reading.take(first);
  }

  *#finish(): Generator<void, Ruled | null> {
    if (this.#passes) return null;
    if (this.#sniffed !== null) {
      const veto = yield* this.#told(this.#sniffed);
      if (veto !== null) return veto;
    }
    return this.#passes || this.#reading === null ? null : yield* this.#reading.end();
  }
}

// biome-ignore lint/correctness/useYield: there is nothing to do.
function* nothing(): Generator<void, Ruled | null> {
  return null;
}
