import { readLines } from "../evidence/lines.ts";
import { readCertificate } from "../evidence/read-certificate.ts";
import type { Certificate } from "../model/certificate.ts";
import type { Program } from "../policy/program.ts";
import { beforePolicy, questionOfCertificate, type Replayed, replay } from "../policy/replay.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import { type CommandSpec, EXIT, readArgs, wrong } from "./_args.ts";
import { loadPolicy } from "./_policy-load.ts";
import { auditFilesIn } from "./_verify-target.ts";

const SPEC: CommandSpec = {
  name: "policy diff",
  summary: "say what another policy would have changed, by an audit log",
  usage: "OLD NEW --against AUDIT-LOG [options]",
  options: [
    {
      name: "against",
      value: "PATH",
      repeat: true,
      doc: "an audit log, or a folder of them; repeatable, - reads standard input",
    },
    { name: "examples", value: "N", doc: "examples of each change, 3 if not said" },
    { name: "json", doc: "print a JSON object" },
  ],
  operands: [2, 2],
  notes: `
Each certificate of a request or a tunnel is asked of both policies, those of answers and messages of neither; of a
folder those of all audit logs in it, rotated files too. A certificate keeps method, place, path, agent, tenant and time, not
headers, query, body or findings: where a rule needs those, what would change is "unknown". What inspection or the
address guard refused stays refused and is counted apart. Exits 0 whether or not anything changes.`,
};

interface Change {
  readonly before: string;
  readonly after: string;
  readonly outcome: Replayed["outcome"];
  readonly ruleBefore: string;
  readonly ruleAfter: string;
  count: number;
  readonly examples: { readonly certificate_id: string; readonly request: string; readonly agent: string | null }[];
}

interface Tally {
  certificates: number;
  same: number;
  changed: number;
  unknown: number;
  /** Decided by inspection, guard or fault. */
  apart: number;
  unreadable: number;
  readonly changes: Map<string, Change>;
}

/** Kinds of change, by verdicts and rules; the rest is counted only. */
const MAX_CHANGES = 1000;
/** Lines between two looks at the clock. */
const TURN_LINES = 2000;

export async function policyDiff(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const given = parsed.values("against");
  if (given.length === 0) return wrong(runtime, SPEC, "say --against which audit log");
  const examples = Number(parsed.value("examples") ?? "3");
  if (!Number.isInteger(examples) || examples < 0 || examples > 100) {
    return wrong(runtime, SPEC, "--examples is a number from 0 to 100");
  }
  const logs: string[] = [];
  for (const path of given) {
    const found = path === "-" ? [path] : await logsAt(runtime, path);
    if (typeof found === "string") return wrong(runtime, SPEC, found);
    logs.push(...found);
  }
  const [oldPath = "", newPath = ""] = parsed.operands;
  const [before, after] = [await loadPolicy(runtime, oldPath), await loadPolicy(runtime, newPath)];
  const tally: Tally = {
    certificates: 0,
    same: 0,
    changed: 0,
    unknown: 0,
    apart: 0,
    unreadable: 0,
    changes: new Map(),
  };
  for (const log of logs) {
    let lines = 0;
    for await (const batch of readLines(log === "-" ? runtime.stdin() : runtime.readChunks(log))) {
      for (const line of batch.lines) {
        const read = typeof line === "string" ? readCertificate(line) : null;
        if (read === null || !("certificate" in read)) tally.unreadable += 1;
        else add(tally, read.certificate, { before, after, examples });
        if (++lines % TURN_LINES === 0) await new Promise<void>((resolve) => runtime.afterTurn(resolve));
      }
    }
  }
  const changes = [...tally.changes.values()].sort((a, b) => b.count - a.count);
  runtime.stdout(
    parsed.has("json")
      ? `${JSON.stringify({ old: before.version, new: after.version, ...tally, changes }, null, 2)}\n`
      : toText(tally, changes, before, after),
  );
  return EXIT.ok;
}

/** The files of what a path names; a text says why there are none. */
async function logsAt(runtime: Runtime, path: string): Promise<readonly string[] | string> {
  try {
    const info = await runtime.stat(path);
    if (info === null) return `there is no file ${quote(path)}`;
    if (!info.directory) return [path];
    const files = await auditFilesIn(runtime, path);
    return files.length > 0 ? files : `there is no audit log (*.jsonl) in ${quote(path)}`;
  } catch (thrown) {
    return `${quote(path)} ${whyUnreadable(thrown)}`;
  }
}

interface Comparing {
  readonly before: Program;
  readonly after: Program;
  readonly examples: number;
}

function add(tally: Tally, certificate: Certificate, { before, after, examples }: Comparing): void {
  const question = questionOfCertificate(certificate);
  if (question === null) return;
  tally.certificates += 1;
  if (beforePolicy(certificate)) {
    tally.apart += 1;
    return;
  }
  const replayed = replay(before, after, question);
  tally[replayed.outcome] += 1;
  if (replayed.outcome === "same") return;
  const { outcome, ruleBefore, ruleAfter } = replayed;
  const key = [outcome, replayed.before, replayed.after, ruleBefore, ruleAfter].join("\n");
  let change = tally.changes.get(key);
  if (change === undefined) {
    if (tally.changes.size === MAX_CHANGES) return;
    change = { outcome, before: replayed.before, after: replayed.after, ruleBefore, ruleAfter, count: 0, examples: [] };
    tally.changes.set(key, change);
  }
  change.count += 1;
  if (change.examples.length < examples) {
    const { method, scheme, host, port, path } = question;
    const request = `${method} ${scheme}://${host}:${port}${path}`;
    change.examples.push({ certificate_id: certificate.certificate_id, request, agent: certificate.agent });
  }
}

function toText(tally: Tally, changes: readonly Change[], before: Program, after: Program): string {
  const lines = [
    `${tally.certificates} decision${tally.certificates === 1 ? "" : "s"}, ${before.version} to ${after.version}:`,
    `  ${tally.same} the same, ${tally.changed} changed, ${tally.unknown} unknown, ${tally.apart} not the policy's to decide`,
  ];
  if (tally.unreadable > 0)
    lines.push(
      `  ${tally.unreadable} ${tally.unreadable === 1 ? "line is no certificate" : "lines are no certificates"}`,
    );
  for (const change of changes) {
    const what = `${change.before} (${change.ruleBefore}) to ${change.after} (${change.ruleAfter})`;
    lines.push("", `${change.count} ${change.outcome === "unknown" ? "unknown" : "changed"}: ${what}`);
    for (const { certificate_id, request, agent } of change.examples) {
      lines.push(`  ${certificate_id}  ${request}${agent === null ? "" : `  ${agent}`}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
