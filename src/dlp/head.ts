/** Host, path, query, headers and trailers. Credentials have been replaced by what they are: those are judged by issuer. */

import { finish } from "../content/finish.ts";
import type { Credential, Field, Question } from "../model/question.ts";
import type { Detectors } from "./dlp.ts";
import { type DlpFinding, VECTORS } from "./finding.ts";
import { carriesData, decodedLabels } from "./host-labels.ts";
import { ownership } from "./issuers.ts";
import { findingsOf } from "./judge-hits.ts";
import { type ReadAs, Reading } from "./readings.ts";
import { release, type Sink, takeSink } from "./sink.ts";

const encoder = new TextEncoder();
/** Shorter texts hold nothing. */
const SHORT = 8;
/** What a client says of itself and of what it takes; numbers and random values are usual in it. */
const PLAIN_HEADERS =
  /^(?:accept(?:-.*)?|user-agent|content-(?:type|length|encoding|language|disposition|md5|range)|host|date|expect|te|via|traceparent|tracestate|x-request-id|x-correlation-id|idempotency-key|if-.*|range|etag|last-modified|connection|sec-.*|x-stainless-.*|x-amz-date|x-amz-content-sha256|anthropic-.*|openai-.*|boundary|digest|content-digest)$/;

const MAX_REMEMBERED = 512;
/** Names of headers are few, and judged over and over. */
const plain = new Map<string, boolean>();

function isPlain(name: string): boolean {
  const known = plain.get(name);
  if (known !== undefined) return known;
  const is = PLAIN_HEADERS.test(name.toLowerCase());
  if (plain.size < MAX_REMEMBERED) plain.set(name, is);
  return is;
}

/** What of a head has to be read. The rest was read before, for the same place, to no effect. */
export interface Unread {
  /** Host, path and query. */
  readonly url: boolean;
  readonly headers: readonly Field[];
}

export function scanHead(question: Question, { url, headers }: Unread, detectors: Detectors): DlpFinding[] {
  const { host } = question;
  const findings: DlpFinding[] = [];
  const text = (value: string, where: string, escaped: ReadAs["escaped"] = "url"): void => {
    if (value.length >= SHORT) findings.push(...scanned(value, { where, host, escaped }, detectors));
  };
  const fields = (list: Question["headers"], kind: string): void => {
    for (const [name, value] of list) {
      if (typeof value === "string" && value.length < SHORT && name.length < SHORT) continue;
      const where = `${kind} ${name.slice(0, 80)}`;
      if (typeof value !== "string") {
        const found = foreign(value, where, host, detectors);
        if (found !== null) findings.push(found);
      } else if (kind === "query") {
        text(name, where);
        text(value, where);
        // The same with `+` for blanks, which not every server means by it.
        if (value.includes("+")) text(value, where, "form");
      } else if (value.length < SHORT) continue;
      else if (isPlain(name))
        findings.push(...scanned(value, { where, host, escaped: "url" }, detectors).filter(isSure));
      else text(value, where);
    }
  };
  if (url) {
    if (!question.literal && !detectors.quietHosts.has(host)) {
      hostName(question, detectors, findings);
      if (findings.length === 0 && detectors.quietHosts.size < MAX_REMEMBERED) detectors.quietHosts.add(host);
    }
    text(question.path, "path");
    fields(question.query, "query");
  }
  fields(headers, "header");
  fields(question.trailers, "trailer");
  return findings;
}

/** A credential of a known issuer on its way to somebody else's host. */
function foreign(credential: Credential, where: string, host: string, detectors: Detectors): DlpFinding | null {
  const { issuer, kind } = credential;
  if (ownership(issuer, host) !== "foreign" || detectors.allowedNames.has("foreign-credential")) return null;
  const mode = detectors.modes.secret;
  if (mode === "off") return null;
  return {
    pillar: "CoreGuard",
    vector: VECTORS.secret,
    name: "foreign-credential",
    severity: "high",
    view: "plain",
    where,
    start: 0,
    end: 0,
    reason: `a credential of ${issuer} (${kind}) is on its way to ${host}, which is not ${issuer}'s`,
    class: "secret",
    mode,
    confidence: "high",
    issuer,
    redactable: false,
  };
}

function hostName({ host }: Question, detectors: Detectors, findings: DlpFinding[]): void {
  const mode = detectors.modes.secret;
  if (mode === "off") return;
  // What cannot be told by its shape may still say a secret.
  const text = `${host}\n${decodedLabels(host)}`;
  const inside = scanned(text, { where: "host", host, escaped: null }, detectors).filter(
    (finding) => finding.class === "canary" || finding.class === "secret" || isNumberOfValue(finding),
  );
  findings.push(...inside.map((finding) => ({ ...finding, start: 0, end: host.length })));
  const reason = carriesData(host);
  if (reason === null || detectors.allowedNames.has("data-in-host")) return;
  findings.push({
    pillar: "CoreGuard",
    vector: VECTORS.secret,
    name: "data-in-host",
    severity: "high",
    view: "plain",
    where: "host",
    start: 0,
    end: host.length,
    reason,
    class: "secret",
    mode,
    confidence: "medium",
    issuer: null,
    redactable: false,
  });
}

/** In what is full of numbers and random values only what says by itself what it is counts. */
function isSure({ class: of, confidence, issuer }: DlpFinding): boolean {
  return of === "secret"
    ? confidence === "high" && issuer !== null && issuer !== "jwt"
    : of !== "personal" && of !== "health";
}

/** A card, an account: numbers with a check that are worth something by themselves. */
function isNumberOfValue({ class: of, severity, confidence }: DlpFinding): boolean {
  return of === "personal" && severity === "high" && confidence !== "low";
}

interface HeadText {
  readonly where: string;
  readonly host: string;
  readonly escaped: ReadAs["escaped"];
}

function scanned(value: string, { where, host, escaped }: HeadText, detectors: Detectors): DlpFinding[] {
  const { read, written } = encoder.encodeInto(value, scratch);
  const bytes = read === value.length ? scratch.subarray(0, written) : encoder.encode(value);
  const sink = takeSink();
  scanInto(sink, bytes, detectors);
  let { hits } = sink;
  if (reading.read(bytes, { escaped, quotedPrintable: false })) {
    const as = reading.view;
    scanInto(sink, reading.text, detectors);
    const again = sink.hits.map((hit) => ({
      ...hit,
      start: reading.place(hit.start),
      end: reading.place(hit.end),
      view: hit.view === "plain" ? as : `${as} > ${hit.view}`,
    }));
    hits = [...hits, ...again];
    reading.release();
  }
  const findings =
    hits.length === 0 ? [] : finish(findingsOf(hits, bytes, detectors, { where, host, tokenRequest: false, room }));
  release(sink);
  return findings;
}

function scanInto(sink: Sink, bytes: Uint8Array, detectors: Detectors): void {
  sink.begin(bytes);
  detectors.scanner().scan(bytes, sink);
  detectors.canaries?.scan(bytes, sink);
  detectors.dictionaries?.scan(bytes, sink);
  const { patterns } = detectors;
  if (patterns !== null) for (let index = 0; index < patterns.count; index++) patterns.scan(index, bytes, sink);
}

const reading = new Reading();
const scratch = new Uint8Array(1024);
const room = (): boolean => true;
