/**
 * Answers of messages: server-sent events, lines of JSON, Amazon's event stream. Each message is read when it is whole, and
 * leaves when none of the texts it goes on ends in what may still become something.
 */
import { MESSAGE_LIMITS, type PieceSink, piecesOf, saysEnd } from "../content/answer-pieces.ts";
import { JsonTape } from "../content/json.ts";
import { member, stringAt } from "../content/json-look.ts";
import { SHORT_VALUE } from "../model/egress.ts";
import { AmazonReader } from "../wire/amazon-stream.ts";
import { fromBase64 } from "../wire/base64.ts";
import { concat } from "../wire/concat.ts";
import { LineReader } from "../wire/lines.ts";
import { SseReader } from "../wire/sse.ts";
import type { AnswerKind } from "./answer-kind.ts";
import type { AnswerReading, Reader } from "./answer-reading.ts";
import type { Ruled } from "./engine.ts";
import { MOST_GROWTH, RunningText } from "./running-text.ts";

/** Texts that are written side by side: of more the one that has waited longest is taken to be complete. */
const MAX_TEXTS = 64;
/** The windows of so many are a cost of every answer. */
const FEW_TEXTS = 8;
/** Bytes, about, for one message that waits, besides its own. */
const COST_OF_WAITING = 256;
/** Messages that wait for one text. Of more the text is taken to be complete. */
const MAX_WAITING = 64 * 1024;
/** Values that stood in a place the last time, so that the same are not read again. */
const MAX_PLACES = 64;
const MAX_KEPT = 256;
/** Messages that are read at a time: most are a word. */
const MESSAGES_A_STEP = 24;
const PARSED_A_STEP = 128 * 1024;
const DONE = "[DONE]";
/** The running text of what is no JSON. */
const RAW = -1;
/** The same of events as clients put them together that take their data for text. */
const JOINED = -2;
/** Of lines that are no data. Nothing waits for it to go on, so it grows by so many bytes at a time. */
const BESIDE = -3;
const BESIDE_BYTES = 512;
/** Of these minus their first byte. */
const FIELD_PLACES = -16;
/** Of a field with its name: a shorter one may be a number and nothing else. */
const MIN_FIELD = 12;
const LINE_END = Uint8Array.of(0x0a);
const COLON = 0x3a;
/** `event:`, `retry:`. */
const LONGEST_FIELD = 6;

interface Cutter {
  take(bytes: Uint8Array): number;
  end(): void;
  readonly whole: number;
  readonly kept: number;
}

interface Waiting {
  /** Of the answer: where the message ends. */
  readonly end: number;
  readonly texts: readonly RunningText[];
  /** How long each has to be let go. */
  readonly lengths: readonly number[];
}

interface Piece {
  readonly key: number;
  readonly text: Uint8Array;
  readonly lone: boolean;
}

const shared = new JsonTape();

export class MessageReading implements AnswerReading, PieceSink {
  readonly #reader: Reader;
  readonly #cutter: Cutter;
  readonly #texts = new Map<number, RunningText>();
  readonly #lone: RunningText;
  readonly #places = new Map<number, Uint8Array>();
  readonly #waiting: Waiting[] = [];
  #message: Uint8Array | null = null;
  #pieces: Piece[] = [];
  #touched = new Set<RunningText>();
  #overflown = false;
  #beside: Uint8Array[] = [];
  #besideBytes = 0;
  /** Messages are what a client puts together, and not lines of a text. */
  readonly #joins: boolean;
  free = 0;

  constructor(kind: Exclude<AnswerKind, "raw" | "perhaps">, reader: Reader) {
    this.#reader = reader;
    this.#lone = this.#made();
    this.#joins = kind === "events";
    const told = (data: Uint8Array): void => {
      this.#message = data;
    };
    const overflow = (): void => {
      this.#overflown = true;
    };
    const { bytes: most } = MESSAGE_LIMITS;
    if (kind === "amazon") this.#cutter = new AmazonReader({ message: told, overflow }, most);
    else if (kind === "lines") this.#cutter = new LineReader({ line: told, overflow }, most);
    else this.#cutter = new SseReader({ event: told, line: (line) => this.#field(line), overflow }, most);
  }

  get between(): boolean {
    return true;
  }

  get kept(): number {
    let texts = 0;
    if (this.#texts.size > FEW_TEXTS) for (const { size } of this.#texts.values()) texts += size;
    return this.#cutter.kept + this.#waiting.length * COST_OF_WAITING + texts;
  }

  *take(bytes: Uint8Array): Generator<void, Ruled | null> {
    for (let at = 0, count = 1; at < bytes.length; count++) {
      if (count % MESSAGES_A_STEP === 0) yield;
      at += this.#cutter.take(at === 0 ? bytes : bytes.subarray(at));
      const veto = yield* this.#told();
      if (veto !== null) return veto;
    }
    return null;
  }

  *end(): Generator<void, Ruled | null> {
    this.#cutter.end();
    this.#tellBeside();
    // Lines that no blank one ended, such as those of a text that is no stream of events, are looked at too.
    const veto = (yield* this.#told()) ?? (yield* this.#grow()) ?? this.#finish();
    this.free = Number.POSITIVE_INFINITY;
    return veto;
  }

  // ── what a message holds ──

  running(key: number, text: Uint8Array): void {
    this.#pieces.push({ key, text, lone: false });
  }

  lone(key: number, text: Uint8Array): void {
    const last = this.#places.get(key);
    if (last !== undefined && isSame(last, text)) return;
    if (text.length <= MAX_KEPT) {
      if (last === undefined && this.#places.size >= MAX_PLACES) this.#places.clear();
      this.#places.set(key, text.slice());
    }
    this.#pieces.push({ key, text, lone: true });
  }

  /**
   * A line of an event that is none of its data, or of what is no stream of events at all: whoever takes the answer for a text
   * reads it. Each that is long enough for a finding is looked at by itself; all go on over lines, and wait for nothing.
   */
  #field(line: Uint8Array): void {
    if (line.length < MIN_FIELD && saysLittle(line)) return;
    // Names of events are said again with each of them, and so is what keeps a stream alive: a place for every kind.
    const place = FIELD_PLACES - (line[0] as number);
    const last = this.#places.get(place);
    if (last !== undefined && isSame(last, line)) return;
    const copy = line.slice();
    if (line.length > SHORT_VALUE) this.lone(place, copy);
    else this.#places.set(place, copy);
    this.#beside.push(copy.subarray(copy.subarray(0, LONGEST_FIELD).indexOf(COLON) + 1), LINE_END);
    this.#besideBytes += copy.length;
    if (this.#besideBytes >= BESIDE_BYTES) this.#tellBeside();
  }

  #tellBeside(): void {
    if (this.#beside.length > 0) this.running(BESIDE, concat(this.#beside));
    this.#beside = [];
    this.#besideBytes = 0;
  }

  *#told(): Generator<void, Ruled | null> {
    if (this.#overflown) return "exhausted";
    const message = this.#message;
    if (message === null) {
      // Lines need no blank one, ever.
      const veto = this.#pieces.length < MESSAGES_A_STEP ? null : yield* this.#grow();
      if (veto !== null) return veto;
      // Between two messages nothing is waited for.
      if (this.#waiting.length === 0 && this.#pieces.length === 0) this.free = this.#cutter.whole;
      return null;
    }
    this.#message = null;
    const ends = yield* this.#read(message, true);
    if (ends === "exhausted") return ends;
    const veto = (yield* this.#grow()) ?? (ends ? this.#finish() : null);
    if (veto !== null) return veto;
    return this.#queue();
  }

  /** Puts down the pieces of one message. True: it says that its texts are complete. */
  *#read(message: Uint8Array, outer: boolean): Generator<void, boolean | "exhausted"> {
    if (message.length === 0) return false;
    if (message.length === DONE.length && String.fromCharCode(...message) === DONE) return true;
    const large = message.length > PARSED_A_STEP;
    const tape = large ? new JsonTape() : shared;
    tape.begin(message, MESSAGE_LIMITS);
    while (!tape.step(PARSED_A_STEP)) yield;
    if (tape.outcome === "invalid") {
      this.running(RAW, message);
      this.running(RAW, LINE_END);
      if (this.#joins) this.running(JOINED, message);
      return false;
    }
    if (tape.outcome !== "ok") return "exhausted";
    piecesOf(tape, this);
    const ends = saysEnd(tape);
    const inner = outer ? stringAt(tape, member(tape, 0, "bytes"), MESSAGE_LIMITS.bytes) : null;
    const payload = inner === null ? null : fromBase64(inner);
    if (payload === null) return ends;
    const innerEnds = yield* this.#read(payload, false);
    return innerEnds === "exhausted" ? innerEnds : innerEnds || ends;
  }

  *#grow(): Generator<void, Ruled | null> {
    const pieces = this.#pieces;
    if (pieces.length === 0) return null;
    this.#pieces = [];
    let work = 0;
    for (const { key, text, lone } of pieces) {
      const into = lone ? this.#lone : this.#textOf(key);
      if (into === null) return "exhausted";
      if (key !== BESIDE) this.#touched.add(into);
      for (let at = 0; at < text.length; at += MOST_GROWTH) {
        into.add(text.subarray(at, at + MOST_GROWTH));
        const veto = into.grow();
        if (veto !== null) return veto;
        work += Math.min(MOST_GROWTH, text.length);
        if (work < MOST_GROWTH) continue;
        work = 0;
        yield;
      }
      if (!lone) continue;
      into.add(LINE_END);
      const veto = into.grow() ?? into.finish();
      if (veto !== null) return veto;
    }
    return null;
  }

  #queue(): Ruled | null {
    const end = this.#cutter.whole;
    const texts: RunningText[] = [];
    for (const text of this.#touched) if (text.free < text.length) texts.push(text);
    this.#touched.clear();
    if (texts.length > 0) this.#waiting.push({ end, texts, lengths: texts.map(({ length }) => length) });
    let veto: Ruled | null = null;
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) {
        this.free = end;
        return veto;
      }
      const open = first.texts.filter((text, i) => text.free < (first.lengths[i] as number));
      if (open.length === 0) {
        this.#waiting.shift();
        this.free = first.end;
      } else if (end - this.free > MAX_WAITING) {
        for (const text of open) veto ??= text.finish();
        if (veto !== null) return veto;
      } else {
        // Whole messages before the first that waits have left; this one and those behind it have not.
        return veto;
      }
    }
  }

  /** A text may wait for ever to be gone on with: then what it ends in is what it is. */
  #finish(): Ruled | null {
    for (const text of this.#texts.values()) {
      const veto = text.finish();
      if (veto !== null) return veto;
    }
    return null;
  }

  /** Null: one that made room for it is a veto. */
  #textOf(key: number): RunningText | null {
    let text = this.#texts.get(key);
    if (text !== undefined) {
      if (this.#texts.size > 8) {
        this.#texts.delete(key);
        this.#texts.set(key, text);
      }
      return text;
    }
    if (this.#texts.size >= MAX_TEXTS) {
      const [oldest] = this.#texts;
      if (oldest !== undefined) {
        this.#texts.delete(oldest[0]);
        if (oldest[1].finish() !== null) return null;
      }
    }
    text = this.#made();
    this.#texts.set(key, text);
    return text;
  }

  #made(): RunningText {
    const { profile, tally, host } = this.#reader;
    return new RunningText(profile, tally, host);
  }
}

/** Nothing, or a number: `:`, `id: 7`, `retry: 3000`. */
function saysLittle(line: Uint8Array): boolean {
  let at = line.indexOf(COLON) + 1;
  if (at > LONGEST_FIELD) return false;
  while (at < line.length && ((line[at] as number) === 0x20 || ((line[at] as number) ^ 0x30) < 10)) at++;
  return at === line.length;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
