/** The end of a text that is still being written: what it holds by now, and from where on it may become something. */
import { ALNUM, DIGIT, KIND } from "./bytes.ts";
import type { Detectors } from "./dlp.ts";
import type { DlpFinding } from "./finding.ts";
import { findingsOf, type Where } from "./judge-hits.ts";
import { Reading, saysQuotedPrintable } from "./readings.ts";
import type { Hit } from "./rule.ts";
import { release, type Sink, takeSink } from "./sink.ts";

/** Bytes; nothing that is found is longer. */
export const MAX_TAIL = 24 * 1024;

export interface TailOptions {
  /** Where the text comes from: its issuer's own credential is no finding. */
  readonly host: string;
  /** Nothing comes behind it: what its end cuts is what it is. */
  readonly whole: boolean;
  /** Personal data is waited for, too, which nearly every word and number may begin. */
  readonly personal: boolean;
}

export interface Tail {
  /** In the order of their starts. What reaches the end of a text that goes on is not told yet. */
  readonly findings: readonly DlpFinding[];
  /** The first byte of what may still become something; the length when nothing may. */
  readonly open: number;
  /** There was nothing to tell of, now or when it is whole. */
  readonly quiet: boolean;
}

/** Longer than this nothing is waited for: what a finding's beginning has come to is the finding. */
const MAX_OPEN = 8 * 1024;
const NONE: readonly DlpFinding[] = [];
const room = (): boolean => true;
const reading = new Reading();

export function scanTail(bytes: Uint8Array, { host, whole, personal }: TailOptions, detectors: Detectors): Tail {
  const { length } = bytes;
  const scanner = detectors.scanner();
  const sink = takeSink();
  scanned(bytes, detectors, sink);
  scanner.ends(bytes, sink);
  if (detectors.patterns !== null) {
    for (let index = 0; index < detectors.patterns.count; index++) detectors.patterns.scan(index, bytes, sink);
    sink.opens(wordStart(bytes));
  }
  if (personal) sink.opens(personalStart(bytes));
  let { open } = sink;
  let { hits } = sink;
  if (reading.read(bytes, { escaped: null, quotedPrintable: saysQuotedPrintable(bytes) })) {
    const kept = hits.slice();
    scanned(reading.text, detectors, sink);
    scanner.ends(reading.text, sink);
    for (const hit of sink.hits) {
      const view = hit.view === "plain" ? reading.view : `${reading.view} > ${hit.view}`;
      kept.push({ ...hit, start: reading.place(hit.start), end: Math.min(length, reading.place(hit.end)), view });
    }
    if (sink.open < reading.text.length) open = Math.min(open, reading.place(sink.open));
    hits = kept;
    reading.release();
  }
  const escaped = whole ? length : escapeStart(bytes);
  open = Math.min(open, escaped, length);
  if (length - open > MAX_OPEN) open = length - MAX_OPEN;
  release(sink);
  if (hits.length === 0) return { findings: NONE, open, quiet: true };
  const where: Where = { where: "body", host, tokenRequest: false, room };
  const steps = findingsOf(whole ? hits : hits.filter((hit) => isDone(hit, length, open)), bytes, detectors, where);
  for (;;) {
    const step = steps.next();
    if (step.done) return { findings: step.value, open, quiet: false };
  }
}

function scanned(bytes: Uint8Array, { scanner, canaries, dictionaries }: Detectors, sink: Sink): void {
  sink.begin(bytes);
  scanner().scan(bytes, sink);
  canaries?.scan(bytes, sink);
  dictionaries?.scan(bytes, sink);
}

/** It begins before what is still open and ends before the text does; or it is so long that it is not waited for. */
function isDone({ start, end }: Hit, length: number, open: number): boolean {
  return start < open && (end < length || length - start > MAX_OPEN);
}

/** An escape that the end cuts, or a word with one in it, is read when it is whole. */
function escapeStart(bytes: Uint8Array): number {
  const start = wordStart(bytes);
  for (let i = start; i < bytes.length; i++) if (bytes[i] === 0x25 || bytes[i] === 0x5c) return start;
  return bytes.length;
}

function wordStart(bytes: Uint8Array): number {
  let start = bytes.length;
  while (start > 0 && (bytes[start - 1] as number) > 0x20) start--;
  return start;
}

/** The longest identifier with blanks in it, and the word behind it that says what it is. */
const LONGEST = 44 + 32;

/** The last word may be the first part of an address; and from the first of some words with digits on all may be one number. */
function personalStart(bytes: Uint8Array): number {
  let start = wordStart(bytes);
  const least = Math.max(0, bytes.length - LONGEST);
  for (let at = bytes.length - 1; at >= least; at--) {
    if (((KIND[bytes[at] as number] as number) & DIGIT) === 0) continue;
    start = Math.min(start, at);
  }
  while (start > 0 && bytes.length - start < LONGEST + 16 && isPart(bytes[start - 1] as number)) start--;
  return start;
}

/** Letters may stand before a number with a blank between. */
function isPart(byte: number): boolean {
  return ((KIND[byte] as number) & ALNUM) !== 0 || byte > 0x7f;
}
