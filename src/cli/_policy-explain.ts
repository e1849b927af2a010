import { factsOf } from "../content/facts.ts";
import { Fault } from "../errors.ts";
import type { Question } from "../model/question.ts";
import { readQuestion } from "../plane/question.ts";
import { Asked } from "../policy/asked.ts";
import { type ExplainedRule, type Explanation, explain, placeOfRule } from "../policy/explain.ts";
import type { Program } from "../policy/program.ts";
import { findingsOf, questionOf, questionOfJson } from "../policy/spoken-request.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type Arguments, type CommandSpec, EXIT, readArgs, wrong } from "./_args.ts";
import { explainCertificate, indented } from "./_policy-certificate.ts";
import { loadPolicy, parseJson, readText } from "./_policy-load.ts";
import { notesOnFindings, notesOnLimits } from "./_policy-notes.ts";

const SPEC: CommandSpec = {
  name: "policy explain",
  summary: "say why a request, or a certificate, was decided as it was",
  usage: "[POLICY] --url URL [options] | --question FILE | --certificate FILE | --id ID",
  options: [
    { name: "url", value: "URL", doc: "a request to this URL" },
    { name: "method", value: "METHOD", doc: "GET, or POST when there is data" },
    { name: "header", value: "LINE", repeat: true, doc: '"Name: value"; repeatable' },
    { name: "data", value: "TEXT", doc: "the body; @FILE reads a file, @- standard input" },
    { name: "agent", value: "NAME", doc: "who asks" },
    { name: "parent", value: "NAME", doc: "on whose behalf" },
    { name: "tenant", value: "ORG", doc: "the tenant" },
    { name: "tunnel", doc: "a CONNECT, of which only host and port are known" },
    { name: "at", value: "TIME", doc: "when, such as 2026-01-31T12:00:00Z" },
    { name: "finding", value: "VECTOR", repeat: true, doc: "what inspection found, such as dlp_personal:payment-card" },
    { name: "question", value: "FILE", doc: "a question as JSON (docs/policy.md); - reads standard input" },
    { name: "certificate", value: "FILE", doc: "a certificate, or an answer with one; - reads standard input" },
    {
      name: "id",
      value: "ID",
      doc: "a certificate by its id, out of the audit log, or out of --certificate FILE or FOLDER",
    },
    {
      name: "findings",
      value: "FILE",
      doc: "where findings are kept; findings.jsonl beside the log when it is not said",
    },
    { name: "all", doc: "show every rule, not only those that were near" },
    { name: "json", doc: "print a JSON object" },
  ],
  operands: [0, 1],
  notes: `
POLICY is a file, a directory, or the name of a starting policy; without it EVE_PROXY_POLICY. Inspection is not run:
say with --finding what it would have found. A question is one of the decision API (docs/governance-api.md), or shorter,
{"method": "GET", "host": "api.example.com", "port": 443}. --id alone looks in the folder of EVE_PROXY_AUDIT_PATH. Exits 0 whatever the verdict.`,
};

const MAX_INPUT = 16 * 1024 * 1024;
const MAX_NEAR = 20;

export async function policyExplain(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const given = ["url", "question", "certificate"].filter((option) => parsed.has(option));
  const id = parsed.value("id");
  const byId = id !== null && !parsed.has("url") && !parsed.has("question");
  if (given.length !== 1 && !(given.length === 0 && byId))
    return wrong(runtime, SPEC, "say one of --url, --question and --certificate, or --id");
  if (id !== null && !byId) return wrong(runtime, SPEC, "--id names a certificate, which goes with --certificate only");
  const path = parsed.operands[0] ?? runtime.env.EVE_PROXY_POLICY ?? null;
  const program = path === null ? null : await loadPolicy(runtime, path);
  const certificate = parsed.value("certificate");
  if (certificate !== null || id !== null) {
    return explainCertificate(runtime, {
      file: certificate,
      id,
      findings: parsed.value("findings"),
      program,
      json: parsed.has("json"),
    });
  }
  if (program === null) return wrong(runtime, SPEC, "give a POLICY, or set EVE_PROXY_POLICY");
  const question = await questionFrom(runtime, parsed);
  if (typeof question === "string") return wrong(runtime, SPEC, question);
  const findings = findingsOf(
    parsed.values("finding").map((text) => {
      const [vector = "", name] = text.split(":", 2);
      return name === undefined ? { vector } : { vector, name };
    }),
  );
  const explanation = explain(program, new Asked(question, factsOf(question), findings));
  const { ruling } = explanation;
  const notes = [...notesOnFindings(program, ruling, findings), ...(await notesOnLimits(program, ruling, question))];
  const told = { program, explanation, notes };
  runtime.stdout(parsed.has("json") ? toJson(told) : toText(told, parsed.has("all")));
  return EXIT.ok;
}

async function questionFrom(runtime: Runtime, parsed: Arguments): Promise<Question | string> {
  const file = parsed.value("question");
  if (file !== null) {
    const text = await readText(runtime, file, MAX_INPUT);
    const value = parseJson(text, "the question");
    return isOfApi(value) ? questionOfApi(runtime, text) : questionOfJson(value, runtime.now());
  }
  const headers: Record<string, string[]> = {};
  for (const line of parsed.values("header")) {
    const colon = line.indexOf(":");
    if (colon < 1) return `--header is "Name: value"`;
    const name = line.slice(0, colon).trim();
    headers[name] = [...(headers[name] ?? []), line.slice(colon + 1).trim()];
  }
  const data = parsed.value("data");
  const body = data?.startsWith("@") ? await readText(runtime, data.slice(1), MAX_INPUT) : data;
  const [method, agent, parent, tenant, at] = ["method", "agent", "parent", "tenant", "at"].map((each) =>
    parsed.value(each),
  );
  return questionOf(
    {
      url: parsed.value("url") ?? "",
      headers,
      ...(method == null ? {} : { method }),
      ...(body == null ? {} : { body }),
      ...(agent == null ? {} : { agent }),
      ...(parent == null ? {} : { parent }),
      ...(tenant == null ? {} : { tenant }),
      ...(at == null ? {} : { at }),
      ...(parsed.has("tunnel") ? { phase: "tunnel" as const } : {}),
    },
    runtime.now(),
  );
}

/** Only the question of the decision API says its version. */
function isOfApi(value: unknown): boolean {
  return typeof value === "object" && value !== null && "v" in value;
}

/** Read as a plane reads it. A text says what is wrong. */
async function questionOfApi(runtime: Runtime, text: string): Promise<Question | string> {
  try {
    const { monotonic: clock, now } = runtime;
    return (await readQuestion(new TextEncoder().encode(text), { maxBody: MAX_INPUT, clock, now })).question;
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.code !== "governance_malformed") throw thrown;
    return thrown.message;
  }
}

interface Told {
  readonly program: Program;
  readonly explanation: Explanation;
  readonly notes: readonly string[];
}

function toText({ program, explanation: { ruling, rules }, notes }: Told, all: boolean): string {
  const lines = [`${ruling.verdict}: ${ruling.reason}`, `  by ${ruling.rule}, policy ${program.version}`];
  const place = placeOfRule(program, ruling.rule);
  if (place !== null) lines.push(`  at ${place.at}`, ...indented(place.text, "    "));
  if (ruling.message !== null) lines.push(`  message: ${ruling.message}`);
  if (ruling.controls.length > 0) lines.push(`  controls: ${ruling.controls.join(", ")}`);
  if (ruling.would !== null) {
    lines.push(`  without shadow: ${ruling.would.verdict} by ${ruling.would.rule}: ${ruling.would.reason}`);
  }
  for (const note of notes) lines.push(`  note: ${note}`);
  const near = all ? rules : rules.filter(isNear).slice(0, MAX_NEAR);
  if (near.length > 0) lines.push("", "rules:");
  for (const each of near) lines.push(...ruleLines(each));
  const left = rules.length - near.length;
  if (left > 0) lines.push("", `not shown: ${left} rules that do not hold (--all shows them)`);
  return `${lines.join("\n")}\n`;
}

/** It holds, may hold, or fails by one condition. */
function isNear({ counts, conditions, holds }: ExplainedRule): boolean {
  return counts || holds !== "no" || conditions.filter((condition) => !fulfilled(condition)).length === 1;
}

function fulfilled({ name, holds }: ExplainedRule["conditions"][number]): boolean {
  return name.startsWith("not ") ? holds === "no" : holds === "yes";
}

function ruleLines({ rule, counts, holds, conditions, aside }: ExplainedRule): string[] {
  const mode = rule.mode === "shadow" ? " (shadow)" : "";
  const said = counts ? (holds === "yes" ? "holds" : "may hold, which is enough to forbid") : "does not hold";
  const lines = [`  ${rule.name}: ${rule.verdict}${mode}: ${said}  ${rule.at()}`];
  if (aside !== null) lines.push(`      ${aside}`);
  for (const condition of conditions) {
    const mark = condition.holds === "yes" ? "yes" : condition.holds === "no" ? "no " : " ? ";
    const found = condition.found === null ? "" : `, it is ${condition.found}`;
    lines.push(`      ${mark}  ${condition.name}: ${condition.says}${found}`);
  }
  return lines;
}

function toJson({ program, explanation: { ruling, rules }, notes }: Told): string {
  const { matched, ...rest } = ruling;
  const shown = rules.map(({ rule, ...each }) => ({
    id: rule.id,
    verdict: rule.verdict,
    mode: rule.mode,
    at: rule.at(),
    ...each,
  }));
  const names = matched.map(({ rule }) => rule.id);
  return `${JSON.stringify({ policy_version: program.version, ...rest, matched: names, notes, rules: shown }, null, 2)}\n`;
}
