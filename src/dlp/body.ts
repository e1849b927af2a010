/** Scans a body slice by slice, and a slice in steps of a millisecond or less. */

import type { Detectors, DlpBudget } from "./dlp.ts";
import { portionsOf } from "./fields.ts";
import type { BodyKind, DlpFinding } from "./finding.ts";
import { jsonPlaces } from "./json-places.ts";
import { releaseView, takeView, type View } from "./json-view.ts";
import { findingsOf, type Where } from "./judge-hits.ts";
import { MAX_MATCH, PATTERN_SLICE } from "./patterns.ts";
import type { Hit } from "./rule.ts";
import { release, type Sink, takeSink } from "./sink.ts";
import { Told } from "./told.ts";

export interface BodyOptions {
  readonly kind: BodyKind;
  /** Where it goes: a credential for its issuer's own host is no finding. */
  readonly host: string;
  readonly budget?: DlpBudget;
  /** Nothing that was found may be left out because there is much of it. */
  readonly every?: boolean;
}

export const SLICE = 64 * 1024;
/** What a slice repeats of the one before. A finding belongs to the slice in whose middle it begins; none is longer than half. */
export const OVERLAP = 8 * 1024;
const HALF = OVERLAP / 2;
/** Looked at between two yields. Even. */
const STEP = 8 * 1024;
const HITS_A_TURN = 1000;

/** One body that is being scanned. */
interface Scan {
  readonly bytes: Uint8Array;
  readonly kind: BodyKind;
  readonly detectors: Detectors;
  readonly where: Where;
  readonly view: View;
  readonly sink: Sink;
  readonly told: Told;
}

export function* scanBody(
  bytes: Uint8Array,
  { kind, host, budget, every = false }: BodyOptions,
  detectors: Detectors,
): Generator<void, DlpFinding[] | "exhausted"> {
  if (isOver(budget)) return "exhausted";
  const scanner = detectors.scanner();
  if (bytes.length > STEP) while (!scanner.prepare()) yield;
  const tokenRequest = kind === "form" && asksToken(bytes);
  const told = new Told(every);
  const where: Where = { where: "body", host, tokenRequest, room: (name, mode) => told.room(name, mode) };
  const scan: Scan = { bytes, kind, detectors, where, view: takeView(), sink: takeSink(), told };
  const { sink, view } = scan;
  for (let from = 0; ; ) {
    const to = Math.min(bytes.length, from + SLICE);
    if (from > 0) {
      yield;
      if (isOver(budget)) return "exhausted";
    }
    yield* scanSlice(scan, from, to);
    if (told.full) return "exhausted";
    if (view.end >= bytes.length) break;
    from = view.end - OVERLAP;
  }
  if (detectors.patterns !== null && !(yield* scanPatterns(scan, budget))) return "exhausted";
  if (kind === "json" && sink.promising && detectors.modes.secret !== "off") {
    const joined: Hit[] = [];
    if (!(yield* portionsOf(bytes, scanner, { hits: joined, over: () => isOver(budget) }))) return "exhausted";
    if (joined.length > 0) {
      const found = yield* findingsOf(joined, bytes, detectors, where);
      told.addJoined(found);
    }
  }
  releaseView(view);
  release(sink);
  if (told.findings.length === 0) return told.findings;
  const all = told.sorted();
  return kind === "json" ? yield* withPlaces(bytes, all) : all;
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
  const { bytes, kind, detectors, view, sink } = scan;
  const text = kind === "json" ? view.unescaped(bytes, from, to) : view.plain(bytes, from, to);
  const { end } = view;
  const { length } = text;
  const scanner = detectors.scanner();
  sink.begin(text);
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
  if (sink.hits.length === 0) return;
  const first = from === 0 ? 0 : from + HALF;
  const last = end >= bytes.length ? bytes.length + 1 : end - HALF;
  yield* tellHits(scan, first, last);
}

/** Of what the view's text held, what begins from `first` to before `last`. The rest only takes part in the contest. */
function* tellHits({ bytes, detectors, where, view, sink, told }: Scan, first: number, last: number) {
  const { hits } = sink;
  for (let i = 0; i < hits.length; i++) {
    if (i % HITS_A_TURN === HITS_A_TURN - 1) yield;
    const hit = hits[i] as Hit;
    hits[i] = { ...hit, start: view.place(hit.start), end: Math.min(bytes.length, view.place(hit.end)) };
  }
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
    if (sink.hits.length > 0) {
      const first = from === 0 ? 0 : from + MAX_MATCH / 2;
      yield* tellHits(scan, first, to === bytes.length ? to : to - MAX_MATCH / 2);
    }
    if (told.full) return false;
  }
  return true;
}

/** What stands in a key, or across the bounds of values, is not redactable. */
function* withPlaces(bytes: Uint8Array, findings: DlpFinding[]): Generator<void, DlpFinding[]> {
  const places = yield* jsonPlaces(bytes, findings);
  return findings.map((finding, i) => {
    const place = places[i]?.place;
    return place === "string" || place === "scalar" ? finding : { ...finding, redactable: false };
  });
}
