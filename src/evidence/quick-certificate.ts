import type { Certificate } from "../model/certificate.ts";
import { MAX_CERTIFICATE_BYTES } from "./certificate.ts";
import { type ReadProblem, readCertificate } from "./read-certificate.ts";

/** What the verification of a log needs of a certificate. */
export type LineFacts = Pick<
  Certificate,
  "certificate_id" | "verdict" | "timestamp" | "algorithm" | "kid" | "signature" | "phase" | "chain" | "recovered"
>;

export interface ReadLine {
  readonly certificate: LineFacts;
  readonly signedText: string;
}

/**
 * Reads a line of a log. Stricter than readCertificate about what stands around the object: a log has lines, and white
 * space before or behind a certificate is no part of one.
 */
export function readLine(line: string): ReadLine | ReadProblem {
  const quick = quickCertificate(line);
  if (quick !== null) return quick;
  if (!line.startsWith("{") || !line.endsWith("}")) {
    return { code: "malformed", detail: "it is no JSON object from its first byte to its last" };
  }
  return readCertificate(line);
}

// One pattern for a whole line as certificate.ts writes it proves, without parsing, that the text is canonical: every
// member is named, in canonical order and therefore once; strings hold no escape but the seven short ones, which are the
// canonical spelling of what they stand for; numbers have no second spelling. Whatever does not fit (other members, other
// escapes, a recovery, a certificate without a chain) is left to readCertificate. Each loop is closed by a character that
// it cannot take itself, so matching is linear; the bound on the length keeps it within the engine's compiled code.
const PLAIN = String.raw`[\x20\x21\x23-\x5b\x5d-\ud7ff\ue000-\uffff]*`;
const STRING = String.raw`"${PLAIN}(?:\\["\\bfnrt]${PLAIN})*"`;
const STRING_OR_NULL = `(?:null|${STRING})`;
/** Up to 15 digits: below 2^53, so that it comes back from a parser as it was. */
const COUNT = String.raw`(?:0|[1-9]\d{0,14})`;
/** At most 12 significant digits and none behind the last that matters. */
const MILLISECONDS = String.raw`(?:0|[1-9]\d{0,8})(?:\.\d{0,2}[1-9])?`;
const HEX64 = "[0-9a-f]{64}";
type Row = readonly [name: string, value: string, left?: "out"];
/** The pattern of an object with exactly these members, in this order; one that may be left out is never the first. */
const members = ([[first, value], ...rows]: readonly [Row, ...Row[]]) =>
  `\\{"${first}":${value}${rows.map(([name, value, left]) => (left === "out" ? `(?:,"${name}":${value})?` : `,"${name}":${value}`)).join("")}\\}`;

const CERTIFICATE = new RegExp(
  `^${members([
    ["addresses", `(?:null|\\[(?:${STRING}(?:,${STRING})*)?\\])`],
    ["agent", STRING_OR_NULL],
    ["algorithm", '"([A-Za-z0-9-]+)"'],
    ["attestation_hash", STRING_OR_NULL],
    ["caller", STRING],
    ["certificate_id", '"(cert_[0-9a-f]{16})"'],
    [
      "chain",
      members([
        ["id", '"([0-9a-f]{16})"'],
        ["outcomes", `"(${HEX64})"`],
        ["prev", `"(${HEX64})"`],
        ["seq", `(${COUNT})`],
      ]),
    ],
    ["content_bytes", `(?:null|${COUNT})`],
    ["content_hash", STRING_OR_NULL],
    ["forwarded_hash", STRING_OR_NULL],
    ["kid", '"([A-Za-z0-9_-]+)"'],
    ["latency_ms", MILLISECONDS],
    ["matched_pillar", STRING_OR_NULL],
    ["matched_vector", STRING_OR_NULL],
    ["mode", STRING],
    ["org_id", STRING],
    ["parent", STRING_OR_NULL],
    ["phase", '"(request|tunnel|message|response|approval)"'],
    ["policy_version", STRING_OR_NULL],
    ["reason", STRING],
    [
      "request",
      `(?:null|${members([
        ["door", STRING],
        ["host", STRING],
        ["method", STRING],
        ["path", STRING],
        ["port", COUNT],
        ["scheme", STRING],
        ["target_hash", STRING],
      ])})`,
    ],
    ["rule", STRING_OR_NULL],
    ["timestamp", String.raw`"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"`],
    ["v", "1"],
    ["verdict", '"(allow|sanitize|hold|block|fail_closed)"'],
    ["would", STRING_OR_NULL],
    ["signature", '"([A-Za-z0-9_-]+)"'],
  ])}$`,
);

/** Bytes of the signature member but for its value. */
const AROUND_SIGNATURE = ',"signature":""}'.length;

type Groups = readonly [
  string,
  LineFacts["algorithm"],
  id: string,
  chain: string,
  outcomes: string,
  prev: string,
  seq: string,
  kid: string,
  LineFacts["phase"],
  timestamp: string,
  LineFacts["verdict"],
  signature: string,
];

/** What readCertificate would say of a line in the common form, several times faster; null for any other line. */
export function quickCertificate(line: string): ReadLine | null {
  const found = line.length > MAX_CERTIFICATE_BYTES ? null : CERTIFICATE.exec(line);
  if (found === null) return null;
  // Every group takes part in a match, so each of them is a string.
  const [, algorithm, certificate_id, id, outcomes, prev, seq, kid, phase, timestamp, verdict, signature] =
    found as unknown as Groups;
  return {
    certificate: {
      algorithm,
      certificate_id,
      chain: { id, outcomes, prev, seq: Number(seq) },
      kid,
      phase,
      timestamp,
      verdict,
      signature,
    },
    signedText: `${line.slice(0, line.length - AROUND_SIGNATURE - signature.length)}}`,
  };
}

const OUTCOME = new RegExp(
  `^${members([
    ["address", STRING_OR_NULL],
    ["answer", STRING, "out"],
    ["bytes_down", COUNT],
    ["bytes_up", COUNT],
    ["certificate_id", '"(cert_[0-9a-f]{16})"'],
    ["duration_ms", MILLISECONDS],
    ["error", STRING_OR_NULL],
    ["prev", `"(${HEX64})"`],
    ["protocol", STRING_OR_NULL],
    ["seq", `(${COUNT})`],
    ["severed", "(?:true|false)"],
    ["status", `(?:null|${COUNT})`],
    ["transcript", `"${HEX64}"`, "out"],
  ])}$`,
);

/** The same for a line of the outcome log. */
export function quickOutcome(
  line: string,
): { readonly id: string; readonly prev: string; readonly seq: number } | null {
  const found = line.length > MAX_CERTIFICATE_BYTES ? null : OUTCOME.exec(line);
  return found === null ? null : { id: found[1] as string, prev: found[2] as string, seq: Number(found[3]) };
}
