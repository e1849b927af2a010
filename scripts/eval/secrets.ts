/**
 * How well secrets and personal data are told, over the labelled cases of a corpora folder (SALLYPORT_CORPORA,
 * scripts/eval/corpora.ts). `bun scripts/eval/secrets.ts [--misses]` prints it; another script may call `evaluateSecrets`.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { compileDlp, type Dlp, type DlpFinding } from "../../src/dlp/dlp.ts";
import { corporaFolder } from "./corpora.ts";

export interface EvalRow {
  /** "format", "assignment", "detect-secrets", or a recognizer. */
  readonly group: string;
  readonly name: string;
  readonly positives: number;
  readonly found: number;
  /** Found with medium or high confidence: what a policy acts on. */
  readonly foundSure: number;
  readonly negatives: number;
  readonly flagged: number;
  readonly flaggedSure: number;
  /** Texts in which something sure was found, taken out, and looked for again. */
  readonly sanitized: number;
  /** Of those, the ones in which a secret still stood. */
  readonly left: number;
  readonly misses: readonly Told[];
  readonly mistakes: readonly Told[];
}

export interface Told {
  readonly id: string;
  readonly text: string;
}

interface Case {
  readonly label: "tp" | "fp" | null;
  readonly rule?: string;
  readonly recognizer?: string;
  readonly id: string;
  readonly text: string;
}

/**
 * Rules whose secrets say by themselves whose they are: a literal, an armour, or a structure that can be read. All other
 * rules of the corpus name a value of hex or letters by the words beside it, and are counted as assignments.
 */
const FORMAT_RULES =
  /^(?:1password-|age-|airtable-personnal|alibaba-access|anthropic|artifactory|authress|aws-|azure-ad|clickhouse|clojars|cloudflare-origin|databricks|defined|digitalocean|doppler|duffel|dynatrace|easypost|facebook-page|flutterwave|flyio|frameio|gcp-api|github|gitlab|gocardless|grafana|harness|hashicorp-tf-api|heroku-api-key-v2|huggingface|infracost|intra42|jwt|linear-api|lob|mailchimp|mailgun-(?:private|pub-)|mapbox|maxmind|microsoft-teams|new-relic-(?:user-api-key|browser|insert)|notion|npm|octopus|openai|openshift|perplexity|plaid-api|planetscale|postman|prefect|private-key|pulumi|pypi|readme|rubygems|scalingo|sendgrid|sendinblue|sentry-(?:org|user)|settlemint|shippo|shopify|sidekiq-sensitive|slack|sourcegraph|square-|stripe|telegram|twilio|twitter-bearer|typeform|vault|yandex-(?:access|api))/;

/** Found by the name beside the value and nothing else. */
const BY_NAME = new Set(["generic-secret", "password", "authorization"]);

export function evaluateSecrets(folder: string = corporaFolder()): EvalRow[] {
  const dlp = compileDlp({ modes: { secret: "sanitize", personal: "sanitize", health: "sanitize" } });
  const counts = new Map<string, Count>();
  const leaks = read(folder, "gitleaks-rule-cases");
  // A text that one rule calls wrong and another right is a secret: of the other vendor.
  const secretTexts = new Set(leaks.filter(({ label }) => label === "tp").map(({ text }) => text));
  for (const row of leaks) {
    const { rule = "" } = row;
    if (row.label === "fp" && secretTexts.has(row.text)) continue;
    const format = FORMAT_RULES.test(rule);
    const findings = scan(dlp, row.text).filter((finding) => finding.class === "secret");
    tally(
      counts,
      format ? "format" : "assignment",
      rule,
      row,
      format ? findings.filter(({ name }) => !BY_NAME.has(name)) : findings,
      dlp,
    );
  }
  for (const row of read(folder, "detect-secrets")) {
    const [, file = ""] = row.id.split(":");
    tally(
      counts,
      "detect-secrets",
      file.replace("_test.py", ""),
      row,
      scan(dlp, row.text).filter((f) => f.class === "secret"),
      dlp,
    );
  }
  for (const row of read(folder, "fake-leaks")) {
    const [, path = ""] = row.id.split(":");
    tally(
      counts,
      "fake-leaks",
      path.split("/")[0] ?? "",
      row,
      scan(dlp, row.text).filter((f) => f.class === "secret"),
      dlp,
    );
  }
  for (const row of read(folder, "presidio-recognizers")) {
    const name = row.recognizer?.replace(/_recognizer$/, "") ?? "";
    tally(
      counts,
      "personal",
      name,
      row,
      scan(dlp, row.text).filter((f) => f.class !== "secret"),
      dlp,
    );
  }
  return [...counts.values()];
}

type Count = { -readonly [Key in keyof EvalRow]: EvalRow[Key] extends readonly Told[] ? Told[] : EvalRow[Key] };

function tally(
  counts: Map<string, Count>,
  group: string,
  name: string,
  row: Case,
  findings: readonly DlpFinding[],
  dlp: Dlp,
): void {
  if (row.label === null) return;
  const key = `${group}/${name}`;
  const count: Count = counts.get(key) ?? {
    group,
    name,
    positives: 0,
    found: 0,
    foundSure: 0,
    negatives: 0,
    flagged: 0,
    flaggedSure: 0,
    sanitized: 0,
    left: 0,
    misses: [],
    mistakes: [],
  };
  counts.set(key, count);
  const any = findings.length > 0;
  const sure = findings.some(({ confidence }) => confidence !== "low");
  if (row.label === "tp") {
    count.positives++;
    if (any) count.found++;
    if (sure) {
      count.foundSure++;
      count.sanitized++;
      if (!isGone(dlp, row.text, findings)) count.left++;
    } else count.misses.push({ id: row.id, text: row.text });
  } else {
    count.negatives++;
    if (any) count.flagged++;
    if (sure) {
      count.flaggedSure++;
      count.mistakes.push({ id: row.id, text: `${findings.map((finding) => finding.name).join(",")}: ${row.text}` });
    }
  }
}

/** True when nothing that was found and sure stands in the text once it is sanitised. */
function isGone(dlp: Dlp, text: string, findings: readonly DlpFinding[]): boolean {
  const bytes = new TextEncoder().encode(text);
  const done = driven(dlp.sanitize(bytes, { kind: "text", host: "collector.example" }));
  if (done === "exhausted") return false;
  const after = new TextDecoder().decode(done.bytes);
  return findings
    .filter(({ confidence, mode }) => confidence !== "low" && mode === "sanitize")
    .every(({ start, end }) => !after.includes(new TextDecoder().decode(bytes.subarray(start, end))));
}

function driven<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

function scan(dlp: Dlp, text: string): readonly DlpFinding[] {
  const found = driven(dlp.scanBody(new TextEncoder().encode(text), { kind: "text", host: "collector.example" }));
  return found === "exhausted" ? [] : found;
}

function read(folder: string, name: string): Case[] {
  const path = join(folder, "secrets", `${name}.jsonl.gz`);
  if (!existsSync(path)) return [];
  return gunzipSync(readFileSync(path))
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "    –" : `${((100 * part) / whole).toFixed(1)} %`.padStart(7);
}

if (import.meta.main) {
  const rows = evaluateSecrets();
  const misses = process.argv.includes("--misses");
  for (const group of ["format", "assignment", "detect-secrets", "fake-leaks", "personal"]) {
    const of = rows.filter((row) => row.group === group);
    const sum = (pick: (row: EvalRow) => number): number => of.reduce((total, row) => total + pick(row), 0);
    const found = sum((row) => row.foundSure);
    const wrong = sum((row) => row.flaggedSure);
    console.log(
      `${group.padEnd(15)} recall ${percent(
        found,
        sum((row) => row.positives),
      )} of ${sum((row) => row.positives)}, precision ${percent(found, found + wrong)}, ${wrong} of ${sum((row) => row.negatives)} negatives flagged; with low confidence too: recall ${percent(
        sum((row) => row.found),
        sum((row) => row.positives),
      )}, ${sum((row) => row.flagged)} flagged`,
    );
    for (const row of of) {
      const dull = row.foundSure === row.positives && row.flaggedSure === 0;
      if (group !== "personal" && (dull || !misses)) continue;
      console.log(
        `  ${row.name.padEnd(34)} ${row.foundSure}/${row.found}/${row.positives} found, ${row.flaggedSure}/${row.flagged}/${row.negatives} wrong`,
      );
      if (misses)
        for (const { text } of [...row.misses.slice(0, 3), ...row.mistakes.slice(0, 3)])
          console.log(`      ${JSON.stringify(text).slice(0, 140)}`);
    }
  }
}
