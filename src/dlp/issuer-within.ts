/** Whose key stands in a text that is told as a credential, and so is seen by nobody but whoever tells of it. */
import { issuerOf } from "./credential.ts";
import { Reading } from "./readings.ts";
import { scannerOf } from "./scanners.ts";
import { release, type Sink, takeSink } from "./sink.ts";

const MIN_SECRET = 15;
const WANTED = { secrets: true, personal: true };
const encoder = new TextEncoder();
const reading = new Reading();

/** Makes the tables, a millisecond or less a step. Whoever asks before that waits for them. */
export function* prepareIssuers(): Generator<void, void> {
  const scanner = scannerOf(WANTED);
  while (!scanner.prepare()) yield;
}

/**
 * The issuer of a key that stands among other things, or is escaped; null when there is none, or it is nobody's in
 * particular. `encoded`: in base64 and hex too.
 */
export function issuerWithin(text: string, encoded: boolean): string | null {
  if (text.length < MIN_SECRET) return null;
  const bytes = encoder.encode(text);
  const sink = takeSink();
  let issuer = inBytes(bytes, encoded, sink);
  if (issuer === null && reading.read(bytes, { escaped: "url", quotedPrintable: false })) {
    issuer = inBytes(reading.text, encoded, sink);
    reading.release();
  }
  release(sink);
  return issuer;
}

function inBytes(bytes: Uint8Array, encoded: boolean, sink: Sink): string | null {
  sink.begin(bytes);
  sink.numbersFrom = sink.atsFrom = bytes.length;
  scannerOf(WANTED).scan(bytes, sink);
  for (const { rule, confidence, view, start, end } of sink.hits) {
    if (rule.issuer === null || rule.issuer === "jwt" || confidence !== "high") continue;
    if (view !== "plain") {
      if (encoded) return rule.issuer;
      continue;
    }
    // As it stands it is told like any other: many a server hands out keys that begin like somebody else's.
    const issuer = issuerOf(String.fromCharCode(...bytes.subarray(start, Math.min(end, start + 1024))));
    if (issuer !== null) return issuer;
  }
  return null;
}
