/** Scans a body slice by slice. */

import type { Detectors, DlpBudget } from "./dlp.ts";
import { portionsOf } from "./fields.ts";
import type { BodyKind, DlpFinding } from "./finding.ts";
import { jsonPlaces } from "./json-places.ts";
import { View } from "./json-view.ts";
import { findingsOf } from "./judge-hits.ts";
import { MAX_MATCH, PATTERN_SLICE } from "./patterns.ts";
import type { Hit } from "./rule.ts";
import { MAX_HITS, Sink } from "./sink.ts";

export interface BodyOptions {
  readonly kind: BodyKind;
  /** Where it goes: a credential for its issuer's own host is no finding. */
  readonly host: string;
  readonly budget?: DlpBudget;
}

export const SLICE = 64 * 1024;
/** What a slice repeats of the one before. A finding belongs to the slice in whose middle it begins; none is longer than half. */
export const OVERLAP = 8 * 1024;
const HALF = OVERLAP / 2;

const view = new View(SLICE + 64);

export function* scanBody(
  bytes: Uint8Array,
  { kind, host, budget }: BodyOptions,
  detectors: Detectors,
): Generator<void, DlpFinding[] | "exhausted"> {
  const hits: Hit[] = [];
  for (let from = 0; ; ) {
    if (budget !== undefined && budget.clock() > budget.deadline) return "exhausted";
    const to = Math.min(bytes.length, from + SLICE);
    const end = scanSlice(bytes, from, to, { kind, detectors, hits });
    if (end >= bytes.length) break;
    from = end - OVERLAP;
    yield;
  }
  if (detectors.patterns !== null) {
    for (let from = 0; from < bytes.length; from += PATTERN_SLICE - MAX_MATCH) {
      if (budget !== undefined && budget.clock() > budget.deadline) return "exhausted";
      patternSlice(bytes, from, { kind, detectors, hits });
      yield;
    }
  }
  const joined: Hit[] = [];
  if (kind === "json" && detectors.modes.secret !== "off") portionsOf(bytes, detectors.scanner, joined);
  if (hits.length === 0 && joined.length === 0) return [];
  const tokenRequest =
    kind === "form" && bytes.length < SLICE && new TextDecoder("latin1").decode(bytes).includes("grant_type=");
  const where = { where: "body", host, tokenRequest };
  const findings = findingsOf(hits, bytes, detectors, where);
  const split = findingsOf(joined, bytes, detectors, where).filter(
    ({ start, end }) => !findings.some((f) => f.start < end && f.end > start && f.confidence === "high"),
  );
  const all = [...findings, ...split.map((finding) => ({ ...finding, redactable: false }))].sort(
    (a, b) => a.start - b.start,
  );
  return kind === "json" ? withPlaces(bytes, all) : all;
}

interface Slice {
  readonly kind: BodyKind;
  readonly detectors: Detectors;
  readonly hits: Hit[];
}

/** Answers where the slice ended: behind an escape, if `to` was within one. */
function scanSlice(bytes: Uint8Array, from: number, to: number, { kind, detectors, hits }: Slice): number {
  const text = kind === "json" ? view.unescaped(bytes, from, to) : view.plain(bytes, from, to);
  const { end } = view;
  const sink = new Sink();
  detectors.scanner.scan(text, sink);
  detectors.canaries?.scan(text, sink);
  detectors.dictionaries?.scan(text, sink);
  const first = from === 0 ? 0 : from + HALF;
  const last = end >= bytes.length ? bytes.length + 1 : end - HALF;
  for (const hit of sink.hits) {
    const start = view.place(hit.start);
    if (start >= first && start < last && hits.length < MAX_HITS)
      hits.push({ ...hit, start, end: Math.min(bytes.length, view.place(hit.end)) });
  }
  return end;
}

function patternSlice(bytes: Uint8Array, from: number, { kind, detectors, hits }: Slice): void {
  const to = Math.min(bytes.length, from + PATTERN_SLICE);
  const text = kind === "json" ? view.unescaped(bytes, from, to) : view.plain(bytes, from, to);
  const sink = new Sink();
  detectors.patterns?.scan(text, sink);
  const last = to === bytes.length ? to : to - MAX_MATCH / 2;
  for (const hit of sink.hits) {
    const start = view.place(hit.start);
    if ((from === 0 || start >= from + MAX_MATCH / 2) && start < last && hits.length < MAX_HITS)
      hits.push({ ...hit, start, end: view.place(hit.end) });
  }
}

/** What stands in a key, or across the bounds of values, is not redactable. */
function withPlaces(bytes: Uint8Array, findings: DlpFinding[]): DlpFinding[] {
  const places = jsonPlaces(bytes, findings);
  return findings.map((finding, i) => {
    const place = places[i]?.place;
    return place === "string" || place === "scalar" ? finding : { ...finding, redactable: false };
  });
}
