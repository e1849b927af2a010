/** Scans a body slice by slice, and a slice in steps of a millisecond or less. */

import { OVERLAP } from "../model/bounds.ts";
import type { Detectors, DlpBudget } from "./dlp.ts";
import { portionsOf } from "./fields.ts";
import type { BodyKind, DlpFinding } from "./finding.ts";
import { jsonPlaces } from "./json-places.ts";
import { releaseView, takeView, type View } from "./json-view.ts";
import { findingsOf, type Where } from "./judge-hits.ts";
import { MAX_MATCH, PATTERN_SLICE } from "./patterns.ts";
import { Reading, saysQuotedPrintable } from "./readings.ts";
import type { Hit } from "./rule.ts";
import { release, type Sink, takeSink } from "./sink.ts";
import { Joined, Told } from "./told.ts";

export interface BodyOptions {
  readonly kind: BodyKind;
  /** Where it goes: a credential for its issuer's own host is no finding. */
  readonly host: string;
  readonly budget?: DlpBudget;
}

export interface ScanOptions extends BodyOptions {
  /** Only these findings, and all of them: none may be left out because there is much of it. */
  readonly wanted?: (finding: DlpFinding) => boolean;
}

/** "exhausted": the budget ran out. "full": there is more than can be told of what may not be left out. */
export type Scanned = readonly DlpFinding[] | "exhausted" | "full";

export const SLICE = 64 * 1024;
/** A finding belongs to the slice in whose middle it begins; none is longer than half of what slices share. */
const HALF = OVERLAP / 2;
/** Looked at between two yields. Even. */
const STEP = 8 * 1024;
const PLACED_A_TURN = 1000;

/** One body that is being scanned. */
interface Scan {
  readonly bytes: Uint8Array;
  readonly kind: BodyKind;
  readonly detectors: Detectors;
  readonly where: Where;
  readonly view: View;
  readonly sink: Sink;
  readonly told: Told;
  readonly reading: Reading;
  /** Something before says that it is quoted-printable. */
  quotedPrintable: boolean;
}

const quietReading = new Reading();

/**
 * True: a body of a few kilobytes in which nothing is found, however it is read; most are. Any other has to be scanned. The
 * same as `scanBody` does, without a generator for every step of it.
 */
export function isQuiet(bytes: Uint8Array, { kind, budget }: BodyOptions, detectors: Detectors): boolean {
  if (bytes.length > STEP || detectors.patterns !== null || kind === "form" || isOver(budget)) return false;
  const [view, sink] = [takeView(), takeSink()];
  const text = kind === "json" ? view.unescaped(bytes, 0, bytes.length) : view.plain(bytes, 0, bytes.length);
  const scanner = detectors.scanner();
  sink.begin(text);
  scanner.places(text, 0, STEP, sink);
  let quiet = view.end >= bytes.length && scanner.runs(text, 0, sink) >= text.length;
  if (quiet) {
    detectors.canaries?.scan(text, sink);
    detectors.dictionaries?.scan(text, sink);
    quiet = sink.hits.length === 0 && !(kind === "json" && sink.promising);
  }
  if (quiet && quietReading.read(text, { escaped: null, quotedPrintable: saysQuotedPrintable(text) })) {
    quietReading.release();
    quiet = false;
  }
  releaseView(view);
  release(sink);
  return quiet;
}

export function* scanBody(
  bytes: Uint8Array,
  { kind, host, budget, wanted }: ScanOptions,
  detectors: Detectors,
): Generator<void, Scanned> {
  if (isOver(budget)) return "exhausted";
  const scanner = detectors.scanner();
  if (bytes.length > STEP) while (!scanner.prepare()) yield;
  const tokenRequest = kind === "form" && asksToken(bytes);
  const told = new Told(wanted ?? null);
  const where: Where = { where: "body", host, tokenRequest, room: (name, mode) => told.room(name, mode) };
  const [view, sink, reading] = [takeView(), takeSink(), new Reading()];
  const scan: Scan = { bytes, kind, detectors, where, view, sink, told, reading, quotedPrintable: false };
  for (let from = 0; ; ) {
    const to = Math.min(bytes.length, from + SLICE);
    if (from > 0) {
      yield;
      if (isOver(budget)) return "exhausted";
    }
    yield* scanSlice(scan, from, to);
    if (told.full) return "full";
    if (view.end >= bytes.length) break;
    from = view.end - OVERLAP;
  }
  if (detectors.patterns !== null) {
    yield* told.settle();
    if (!(yield* scanPatterns(scan, budget))) return told.full ? "full" : "exhausted";
  }
  if (kind === "json" && sink.promising && detectors.modes.secret !== "off") {
    const joined = new Joined(told, yield* told.settle());
    const tell = function* (hits: readonly Hit[]): Generator<void, void> {
      joined.add(yield* findingsOf(hits, bytes, detectors, where));
    };
    if (!(yield* portionsOf(bytes, scanner, { tell, over: () => isOver(budget) }))) return "exhausted";
    if (told.full) return "full";
  }
  releaseView(view);
  release(sink);
  const all = yield* told.settle();
  return kind === "json" && all.length > 0 ? yield* withPlaces(bytes, all) : all;
}

function isOver(budget: DlpBudget | undefined): boolean {
  return budget !== undefined && budget.clock() > budget.deadline;
}

const ASKING = "grant_type=";

function asksToken(bytes: Uint8Array): boolean {
  return bytes.length < SLICE && new TextDecoder("latin1").decode(bytes).includes(ASKING);
}

/** Afterwards `view.end` is where it ended: behind an escape, if `to` was within one. */
function* scanSlice(scan: Scan, from: number, to: number): Generator<void, void> {
  const { bytes, kind, view } = scan;
  const text = kind === "json" ? view.unescaped(bytes, from, to) : view.plain(bytes, from, to);
  const { end } = view;
  // What a form says of people is told of the form as it is read.
  yield* scanText(scan, text, kind === "form");
  const hits = placed(scan, scan.sink.hits);
  if (yield* readAgain(scan, text)) {
    yield* scanText(scan, scan.reading.text, false);
    addRead(scan, hits);
  }
  if (hits.length === 0) return;
  const first = from === 0 ? 0 : from + HALF;
  const last = end >= bytes.length ? bytes.length + 1 : end - HALF;
  yield* tellHits(scan, hits, { first, last });
}

/** What `text` holds, into the sink. */
function* scanText({ detectors, sink }: Scan, text: Uint8Array, secretsOnly: boolean): Generator<void, void> {
  const { length } = text;
  const scanner = detectors.scanner();
  sink.begin(text);
  if (secretsOnly) sink.numbersFrom = sink.atsFrom = length;
  for (let at = 0; at < length; at += STEP) {
    if (at > 0) yield;
    scanner.places(text, at, at + STEP, sink);
  }
  for (let at = 0; at < length; ) {
    at = scanner.runs(text, at, sink);
    if (at < length) yield;
  }
  detectors.canaries?.scan(text, sink);
  detectors.dictionaries?.scan(text, sink);
}

/** True: something in `text` is written in another way, and `scan.reading` has undone it. */
function* readAgain(scan: Scan, text: Uint8Array): Generator<void, boolean> {
  const { kind, reading } = scan;
  if (!scan.quotedPrintable && kind !== "form") scan.quotedPrintable = saysQuotedPrintable(text);
  reading.release();
  if (!reading.read(text, { escaped: kind === "form" ? "form" : null, quotedPrintable: scan.quotedPrintable }))
    return false;
  yield;
  return true;
}

/** Hits of the view's text, where they stand in the body. */
function placed({ bytes, view }: Scan, hits: readonly Hit[]): Hit[] {
  return hits.map((hit) => ({
    ...hit,
    start: view.place(hit.start),
    end: Math.min(bytes.length, view.place(hit.end)),
  }));
}

/** And those of what was undone in it, which is now in the sink. */
function addRead(scan: Scan, hits: Hit[]): void {
  const { reading, sink } = scan;
  const as = reading.view;
  const read = sink.hits.map((hit) => ({
    ...hit,
    start: reading.place(hit.start),
    end: reading.place(hit.end),
    view: hit.view === "plain" ? as : `${as} > ${hit.view}`,
  }));
  for (const hit of placed(scan, read)) hits.push(hit);
  reading.release();
}

interface Middle {
  readonly first: number;
  readonly last: number;
}

/** Of what was found, what begins from `first` to before `last`. The rest only takes part in the contest. */
function* tellHits({ bytes, detectors, where, told }: Scan, hits: readonly Hit[], { first, last }: Middle) {
  yield;
  for (const finding of yield* findingsOf(hits, bytes, detectors, where))
    if (finding.start >= first && finding.start < last) told.add(finding);
}

/** False: the budget ran out. */
function* scanPatterns(scan: Scan, budget: DlpBudget | undefined): Generator<void, boolean> {
  const { bytes, kind, view, sink, told } = scan;
  const { patterns } = scan.detectors;
  if (patterns === null) return true;
  for (let from = 0; from < bytes.length; from += PATTERN_SLICE - MAX_MATCH) {
    const to = Math.min(bytes.length, from + PATTERN_SLICE);
    const text = kind === "json" ? view.unescaped(bytes, from, to) : view.plain(bytes, from, to);
    sink.begin(text);
    for (let index = 0; index < patterns.count; index++) {
      patterns.scan(index, text, sink);
      yield;
      if (isOver(budget)) return false;
    }
    const hits = placed(scan, sink.hits);
    if (yield* readAgain(scan, text)) {
      sink.begin(scan.reading.text);
      for (let index = 0; index < patterns.count; index++) {
        patterns.scan(index, scan.reading.text, sink);
        yield;
        if (isOver(budget)) return false;
      }
      addRead(scan, hits);
    }
    if (hits.length > 0) {
      const first = from === 0 ? 0 : from + MAX_MATCH / 2;
      yield* tellHits(scan, hits, { first, last: to === bytes.length ? to : to - MAX_MATCH / 2 });
    }
    if (told.full) return false;
  }
  return true;
}

/** What stands in a key, or across the bounds of values, is not redactable. */
function* withPlaces(bytes: Uint8Array, findings: readonly DlpFinding[]): Generator<void, DlpFinding[]> {
  const places = yield* jsonPlaces(bytes, findings);
  const told: DlpFinding[] = [];
  for (const finding of findings) {
    const place = places[told.length]?.place;
    told.push(place === "string" || place === "scalar" ? finding : { ...finding, redactable: false });
    if (told.length % PLACED_A_TURN === 0) yield;
  }
  return told;
}
