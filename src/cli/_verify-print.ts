import type { Finding, Report, Severity } from "../evidence/report.ts";
import type { Runtime } from "../runtime/contract.ts";

export interface Printed {
  readonly target: string;
  /** How many keys were given; null when signatures were not checked. */
  readonly keys: number | null;
}

/** The report for a person. */
export function printReport(runtime: Pick<Runtime, "stdout">, report: Report, { target, keys }: Printed): void {
  const [first] = report.findings.error;
  // Nothing was opened: to say how many certificates are in it would be to say that it is there.
  if (report.counts.error === 1 && first?.code === "unreadable" && first.file === target && report.certificates === 0) {
    runtime.stdout(`${show(first).trim()}\n${summary(report)}\n`);
    return;
  }
  const lines = [
    `${visible(target)}: ${count(report.certificates)} certificate${report.certificates === 1 ? "" : "s"}`,
  ];
  for (const [verdict, n] of Object.entries(report.verdicts))
    if (n > 0) lines.push(`  ${verdict.padEnd(12)} ${count(n)}`);
  if (report.recoveries > 0) lines.push(`  ${"recovery".padEnd(12)} ${count(report.recoveries)}`);
  lines.push(
    keys === null ? "signatures were NOT verified" : `signatures checked with ${keys} key${keys === 1 ? "" : "s"}`,
  );
  for (const severity of ["error", "warning", "info"] as const) lines.push(...section(report, severity));
  lines.push(summary(report));
  runtime.stdout(`${lines.join("\n")}\n`);
}

/** The same for a program: one JSON object on one line. */
export function printJson(runtime: Pick<Runtime, "stdout">, report: Report, { target, keys }: Printed): void {
  const { ok, certificates, recoveries, verdicts, counts, findings } = report;
  const signatures = keys === null ? "not_verified" : "verified";
  const { error: errors, warning: warnings, info: infos } = findings;
  const begins_late = report.late;
  const result = {
    ok,
    target,
    signatures,
    begins_late,
    certificates,
    recoveries,
    verdicts,
    counts,
    errors,
    warnings,
    infos,
  };
  runtime.stdout(`${JSON.stringify(result)}\n`);
}

/** The last line: what a hurried reader takes away must not say more than was verified. */
function summary({ ok, late, certificates, counts, findings }: Report): string {
  if (certificates === 0 && counts.error === 1 && findings.error[0]?.code === "empty") return "NOTHING TO VERIFY";
  if (late === null) return ok ? "OK" : "FAILED";
  const others = late.logs > 1 ? ` (and ${count(late.logs - 1)} more logs begin late)` : "";
  return `${ok ? "OK" : "FAILED"}: ${visible(late.log)} begins at seq ${late.seq}, earlier lines not given${others}`;
}

function section(report: Report, severity: Severity): string[] {
  const total = report.counts[severity];
  if (total === 0) return [];
  const lines = report.findings[severity].map(show);
  const more = total - lines.length;
  if (more > 0) lines.push(`  (+${count(more)} more)`);
  const title = severity === "info" ? "notes" : `${severity}s`;
  return [`${title}: ${count(total)}`, ...lines];
}

function show({ file, line, code, detail }: Finding): string {
  return `  ${visible(file)}${line > 0 ? `:${line}` : ""}: ${code}: ${visible(detail)}`;
}

/** Names and quotes come from files: nothing of them may steer the terminal. */
function visible(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "?");
}

function count(n: number): string {
  return n.toLocaleString("en");
}
