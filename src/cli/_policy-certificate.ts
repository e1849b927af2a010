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
import { doneTo, HAS_PLACE, inWords, mayRestOnFindings } from "./_policy-happened.ts";
import { parseJson, readText } from "./_policy-load.ts";
import { findingsBeside, loggedCertificate } from "./_policy-logged.ts";

export interface CertificateToExplain {
  /** Null: in the log that the settings name, by `id`. */
  readonly file: string | null;
  /** Which of the certificates in it; null: it has one. */
  readonly id: string | null;
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

export async function explainCertificate(runtime: Runtime, given: CertificateToExplain): Promise<number> {
  const { certificate, log } = await certificateOf(runtime, given);
  const kept = given.findings ?? findingsBeside(runtime, log);
  const findings = await findingsFor(runtime, kept, certificate.certificate_id);
  const { program } = given;
  const place = program === null || certificate.rule === null ? null : placeOfRule(program, certificate.rule);
  const rule = program?.rules.find(({ name }) => name === certificate.rule) ?? null;
  const controls = rule?.controls ?? [];
  const samePolicy = given.program !== null && given.program.version === certificate.policy_version;
  const { what, help } = inWords(certificate, place !== null);
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
  // Before what it points to.
  if (certificate.matched_vector !== null && certificate.verdict !== "allow") lines.push(`  what to do: ${help}`);
  if (certificate.rule !== null) lines.push(`  rule: ${certificate.rule}, policy ${certificate.policy_version}`);
  if (place !== null) {
    if (!samePolicy) lines.push(`  the policy here is another one (${program?.version}); the rule may have changed:`);
    lines.push(`  at ${place.at}`, ...indented(place.text, "    "));
    if (controls.length > 0) lines.push(`  controls: ${controls.join(", ")}`);
  } else if (given.program !== null && certificate.rule !== null && HAS_PLACE.test(certificate.rule)) {
    lines.push(`  the policy here (${given.program.version}) has no such rule`);
  }
  const elsewhere = "if they are kept elsewhere, as those of sallyport exec are, say --findings FILE";
  if ((findings === null || findings.length === 0) && mayRestOnFindings(certificate, rule)) {
    const none = findings === null ? `there is no ${quote(kept)} here` : `none are kept for it in ${quote(kept)}`;
    lines.push(`  findings: ${none}; ${elsewhere}`);
  }
  for (const each of findings ?? []) {
    lines.push(
      `  found ${each.vector} ${each.name} (${each.severity}) in ${each.where}, bytes ${each.start} to ${each.end}, read as ${each.view}: ${each.reason}`,
    );
  }
  runtime.stdout(`${lines.join("\n")}\n`);
  return EXIT.ok;
}

/** The log it stands in is null where it was given alone. */
async function certificateOf(
  runtime: Runtime,
  { file, id }: CertificateToExplain,
): Promise<{ readonly certificate: Certificate; readonly log: string | null }> {
  if (id !== null || file === null) {
    const { certificate, file: log } = await loggedCertificate(runtime, id ?? "", file);
    return { certificate, log };
  }
  return { certificate: certificateIn(await textOf(runtime, file), file), log: null };
}

async function textOf(runtime: Runtime, file: string): Promise<string> {
  const info = file === "-" ? null : await runtime.stat(file).catch(() => null);
  if (info !== null && (info.directory || info.size > MAX_CERTIFICATE)) {
    throw new Fault(
      "usage",
      `${quote(file)} is ${info.directory ? "a folder" : "longer than a certificate"}: of an audit log ${WHICH}`,
    );
  }
  return readText(runtime, file, MAX_CERTIFICATE);
}

const WHICH = "say which certificate with --id CERTIFICATE_ID";

/** A certificate alone, its header, or the answer that came with it: its body, or head and body. */
function certificateIn(text: string, file: string): Certificate {
  const given = text.trim();
  // A tunnel's answer stands before that of what went through it.
  const fields = [...given.matchAll(/^x-eve-decision-cert:[ \t]*(.+?)\r?$/gim)];
  const trimmed = fields.at(-1)?.[1] ?? given;
  const read = readCertificate(trimmed);
  if ("certificate" in read) return read.certificate;
  if (/^HTTP\/[0-9.]+ [0-9]{3}/.test(trimmed)) {
    throw new Fault(
      "usage",
      `${quote(file)} begins with an HTTP head that has no X-EVE-Decision-Cert: nothing was decided about it`,
    );
  }
  const lines = trimmed.split("\n").filter((line) => line.trim() !== "");
  if (lines.length > 1 && [lines[0], lines.at(-1)].some((line) => "certificate" in readCertificate(line ?? ""))) {
    throw new Fault("usage", `${quote(file)} is an audit log: ${WHICH}`);
  }
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
