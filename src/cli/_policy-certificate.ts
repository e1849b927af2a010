/** Why a certificate says what it says: its rule, its vector, and the local findings that never leave this machine. */
import { Fault } from "../errors.ts";
import { readLines } from "../evidence/lines.ts";
import { readCertificate } from "../evidence/read-certificate.ts";
import type { Certificate } from "../model/certificate.ts";
import { placeOfRule } from "../policy/explain.ts";
import type { Program } from "../policy/program.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { EXIT } from "./_args.ts";
import { directoryOf, parseJson, readText } from "./_policy-load.ts";
import { wordsOf } from "./_policy-words.ts";

export interface CertificateToExplain {
  readonly file: string;
  readonly findings: string | null;
  readonly program: Program | null;
  readonly json: boolean;
}

interface LocalFinding {
  readonly vector: string;
  readonly name: string;
  readonly severity: string;
  readonly view: string;
  readonly where: string;
  readonly start: number;
  readonly end: number;
  readonly reason: string;
}

const MAX_CERTIFICATE = 256 * 1024;
/** The newest findings; older ones are rotated away or out of reach. */
const MAX_FINDINGS_BYTES = 64 * 1024 * 1024;
const MAX_FINDINGS = 50;
const DEFAULT_AUDIT = "data/governance/fail_closed/fail_closed_events.jsonl";

export async function explainCertificate(runtime: Runtime, given: CertificateToExplain): Promise<number> {
  const certificate = certificateIn(await readText(runtime, given.file, MAX_CERTIFICATE));
  const beside = `${directoryOf(runtime.env.EVE_PROXY_AUDIT_PATH ?? DEFAULT_AUDIT)}/findings.jsonl`;
  // A dash says that none are kept, which reads as a file that is not there.
  const kept = given.findings ?? runtime.env.EVE_PROXY_FINDINGS ?? beside;
  const findings = await findingsFor(runtime, kept, certificate.certificate_id);
  if (given.findings !== null && findings === null)
    throw new Fault("usage", `there is no file ${quote(given.findings)}`);
  const { program } = given;
  const place = program === null || certificate.rule === null ? null : placeOfRule(program, certificate.rule);
  const controls = program?.rules.find(({ name }) => name === certificate.rule)?.controls ?? [];
  const samePolicy = given.program !== null && given.program.version === certificate.policy_version;
  const { what, help } = wordsOf(certificate.matched_vector);
  if (given.json) {
    const { certificate_id, verdict, would, mode, reason, matched_pillar, matched_vector, policy_version } =
      certificate;
    const told = { certificate_id, verdict, would, mode, reason, matched_pillar, matched_vector, policy_version };
    const out = {
      ...told,
      rule: certificate.rule,
      what,
      help,
      rule_place: place,
      controls,
      same_policy: samePolicy,
      findings,
    };
    runtime.stdout(`${JSON.stringify(out, null, 2)}\n`);
    return EXIT.ok;
  }
  const lines = [`${certificate.certificate_id}: ${doneTo(certificate)}`, `  ${certificate.reason}`];
  if (certificate.matched_vector !== null) {
    lines.push(`  why: ${what} (${certificate.matched_vector}, pillar ${certificate.matched_pillar})`);
  }
  if (certificate.rule !== null) lines.push(`  rule: ${certificate.rule}, policy ${certificate.policy_version}`);
  if (place !== null) {
    if (!samePolicy) lines.push(`  the policy here is another one (${program?.version}); the rule may have changed:`);
    lines.push(`  at ${place.at}`, ...indented(place.text, "    "));
    if (controls.length > 0) lines.push(`  controls: ${controls.join(", ")}`);
  } else if (given.program !== null && certificate.rule?.startsWith("rules.") === true) {
    lines.push(`  the policy here (${given.program.version}) has no such rule`);
  }
  if (findings === null) lines.push(`  findings: there is no ${quote(kept)} here`);
  else if (findings.length === 0 && certificate.matched_vector !== null) lines.push("  findings: none are kept for it");
  for (const each of findings ?? []) {
    lines.push(
      `  found ${each.vector} ${each.name} (${each.severity}) in ${each.where}, bytes ${each.start} to ${each.end}, read as ${each.view}: ${each.reason}`,
    );
  }
  if (certificate.matched_vector !== null && certificate.verdict !== "allow") lines.push(`  what to do: ${help}`);
  runtime.stdout(`${lines.join("\n")}\n`);
  return EXIT.ok;
}

function doneTo({ verdict, would, mode, request, timestamp }: Certificate): string {
  const said: Readonly<Record<string, string>> = {
    allow: "let through",
    sanitize: "let through redacted",
    hold: "held for approval",
    block: "blocked",
    fail_closed: "refused because the decision failed",
  };
  const what =
    request === null
      ? "nothing"
      : `${request.method} ${request.scheme}://${request.host}:${request.port}${request.path}`;
  const otherwise = would === null ? "" : ` (mode ${mode}; otherwise ${said[would] ?? would})`;
  return `${what} at ${timestamp} was ${said[verdict] ?? verdict}${otherwise}`;
}

/** A certificate alone, or inside the answer that came with it. */
function certificateIn(text: string): Certificate {
  const trimmed = text.trim().replace(/^x-eve-decision-cert:\s*/i, "");
  const read = readCertificate(trimmed);
  if ("certificate" in read) return read.certificate;
  const outer = parseJson(trimmed, "the certificate");
  const inner = typeof outer === "object" && outer !== null && "certificate" in outer ? outer.certificate : null;
  const within = inner === null ? read : readCertificate(JSON.stringify(inner));
  if ("certificate" in within) return within.certificate;
  throw new Fault("evidence_corrupt", `this is no certificate: ${within.detail}`);
}

/** Null when there is no such file. Reads at most its last megabytes, and keeps only what is asked for. */
async function findingsFor(runtime: Runtime, path: string, id: string): Promise<LocalFinding[] | null> {
  const info = await runtime.stat(path).catch(() => null);
  if (info === null || info.directory) return null;
  const source =
    info.size > MAX_FINDINGS_BYTES ? once(await runtime.readTail(path, MAX_FINDINGS_BYTES)) : runtime.readChunks(path);
  const found: LocalFinding[] = [];
  for await (const { lines } of readLines(source)) {
    for (const line of lines) {
      if (typeof line !== "string" || !line.includes(id) || found.length >= MAX_FINDINGS) continue;
      for (const each of listIn(line, id)) if (found.length < MAX_FINDINGS) found.push(each);
    }
  }
  return found;
}

function listIn(line: string, id: string): LocalFinding[] {
  try {
    const value = JSON.parse(line) as { certificate_id?: unknown; findings?: unknown };
    if (value.certificate_id !== id || !Array.isArray(value.findings)) return [];
    return value.findings.filter(isFinding);
  } catch {
    // A torn line is somebody else's finding.
    return [];
  }
}

function isFinding(value: unknown): value is LocalFinding {
  if (typeof value !== "object" || value === null) return false;
  const given = value as Readonly<Record<string, unknown>>;
  return (
    ["vector", "name", "severity", "view", "where", "reason"].every((key) => typeof given[key] === "string") &&
    ["start", "end"].every((key) => typeof given[key] === "number")
  );
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The text of a rule below what is said of it. */
export function indented(text: string, by: string): string[] {
  return text.split("\n").map((line) => `${by}${line}`);
}
