import { canonicalize, membersSorted } from "../crypto/canonical.ts";
import type { Certificate } from "../model/certificate.ts";

/** A certificate as found: what it says, and the bytes its signature is over. */
export interface ReadCertificate {
  readonly certificate: Certificate;
  readonly signedText: string;
}

export type ReadProblem = { readonly code: "malformed" | "duplicate_key" | "unknown_version"; readonly detail: string };

/** Reads any text as one certificate. Total: every input gives a certificate or a problem. Unknown members are kept. */
export function readCertificate(json: string): ReadCertificate | ReadProblem {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return malformed("it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return malformed("it is not a JSON object");
  try {
    const record = value as Record<string, unknown>;
    // Text that comes back unchanged has no member twice: parsing would have dropped one.
    const exact = JSON.stringify(value) === json;
    if (!exact && hasDuplicateKey(json)) {
      return { code: "duplicate_key", detail: "a member stands twice in it, so it has two readings" };
    }
    if (record.v !== 1) return { code: "unknown_version", detail: `its version is ${show(record.v)}, not 1` };
    const wrong = wrongMember(record);
    if (wrong !== null) return malformed(`its ${wrong} is missing or of another form`);
    const certificate = value as Certificate;
    return { certificate, signedText: (exact && quickSignedText(json, record)) || slowSignedText(record) };
  } catch {
    // Nesting beyond what can be walked, or a lone surrogate: no canonical form exists.
    return malformed("it has no canonical form");
  }
}

/** True when some object in a valid JSON text has the same member name twice, however it is escaped. */
export function hasDuplicateKey(json: string): boolean {
  const open: (Set<string> | null)[] = [];
  let atKey = false;
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i);
    if (char === 0x7b || char === 0x5b) {
      atKey = char === 0x7b;
      open.push(atKey ? new Set() : null);
    } else if (char === 0x7d || char === 0x5d) open.pop();
    else if (char === 0x2c) atKey = (open.at(-1) ?? null) !== null;
    else if (char === 0x22) {
      const begin = i++;
      for (; i < json.length && json.charCodeAt(i) !== 0x22; i++) if (json.charCodeAt(i) === 0x5c) i++;
      const names = open.at(-1);
      if (!atKey || !names) continue;
      const name = JSON.parse(json.slice(begin, i + 1)) as string;
      if (names.has(name)) return true;
      names.add(name);
      atKey = false;
    }
  }
  return false;
}

/**
 * The signed bytes by cutting the signature off, for text as this project writes it: members in canonical order, then
 * `signature` last. Null when it is anything else. `json` is what JSON.stringify gives for `record`.
 */
function quickSignedText(json: string, record: Record<string, unknown>): string | null {
  const end = `,"signature":"${record.signature as string}"}`;
  if (!json.endsWith(end) || json.includes("\\ud")) return null;
  const keys = Object.keys(record);
  for (let i = 0; i + 1 < keys.length; i++) {
    const key = keys[i] as string;
    if (i > 0 && !((keys[i - 1] as string) < key)) return null;
    if (!membersSorted(record[key])) return null;
  }
  return `${json.slice(0, -end.length)}}`;
}

function slowSignedText(record: Record<string, unknown>): string {
  const { signature: _, ...signed } = record;
  return canonicalize(signed);
}

const VERDICTS = new Set<unknown>(["allow", "sanitize", "hold", "block", "fail_closed"]);
const HEX64 = /^[0-9a-f]{64}$/;
const HEX16 = /^[0-9a-f]{16}$/;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** The first member that a verifier relies on and that is not as specified, or null. */
function wrongMember(c: Record<string, unknown>): string | null {
  const id = c.certificate_id;
  if (typeof id !== "string" || !id.startsWith("cert_") || !HEX16.test(id.slice(5))) return "certificate_id";
  if (!VERDICTS.has(c.verdict)) return "verdict";
  if (typeof c.timestamp !== "string" || !TIMESTAMP.test(c.timestamp)) return "timestamp";
  if (typeof c.latency_ms !== "number") return "latency_ms";
  for (const name of ["reason", "caller", "org_id", "signature", "algorithm", "kid", "phase", "mode"]) {
    if (typeof c[name] !== "string") return name;
  }
  for (const name of ["matched_pillar", "matched_vector", "content_hash"]) {
    if (c[name] !== null && typeof c[name] !== "string") return name;
  }
  if (c.phase === "recovery" && c.chain !== null && !goodRecovery(c.recovered)) return "recovered";
  return c.chain === null || goodChain(c.chain) ? null : "chain";
}

function goodChain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { id, seq, prev, outcomes } = value as Record<string, unknown>;
  return (
    typeof id === "string" &&
    HEX16.test(id) &&
    isCount(seq) &&
    typeof prev === "string" &&
    HEX64.test(prev) &&
    typeof outcomes === "string" &&
    HEX64.test(outcomes)
  );
}

function goodRecovery(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { late, late_hash, torn_hash, torn_bytes, unwritten, unwritten_hash } = value as Record<string, unknown>;
  if (typeof torn_hash !== "string" || !isCount(torn_bytes)) return false;
  if (late !== undefined && !(isCount(late) && typeof late_hash === "string")) return false;
  return unwritten === undefined || unwritten === 0 || (isCount(unwritten) && typeof unwritten_hash === "string");
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function malformed(detail: string): ReadProblem {
  return { code: "malformed", detail };
}

function show(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 20) ?? "missing";
}
