/**
 * Recorded traffic of providers against what is recognised of it. `bun scripts/eval/wire.ts [CORPUS] [--misses]` prints
 * for every provider how many calls of a model are recognised, with their model, messages and usage.
 */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { factsOf } from "../../src/content/facts.ts";
import { readUsage } from "../../src/content/usage.ts";
import type { Question } from "../../src/model/question.ts";

export const WIRE_CORPUS = "/work/shared/corpora/wire/openllmetry.jsonl.gz";

export interface Recorded {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: unknown;
  readonly status?: number;
  readonly resp_headers?: Readonly<Record<string, readonly string[]>>;
  readonly resp_body?: unknown;
}

export interface WireRow {
  readonly provider: string;
  /** Calls of a model, by their path alone. */
  calls: number;
  recognised: number;
  model: number;
  /** Of operations that have a text. */
  texts: number;
  /** Answers whose text holds counts. */
  counted: number;
  usage: number;
  /** Requests that are no call but were taken for one. */
  wrong: number;
  readonly misses: string[];
}

/** Paths of calls, written here independently of what the gateway goes by. */
const CALL =
  /\/(?:chat\/completions|completions|responses|embeddings|embed|messages|complete|chat|generate|rerank|converse|converse-stream|invoke|invoke-with-response-stream|invocations|predictions|images\/generations)$|:(?:generateContent|streamGenerateContent)$|\/generation\/text(?:_stream)?$|\/threads(?:\/[^/]+\/(?:runs|messages)(?:\/[^/]+\/submit_tool_outputs)?)?$|\/v1\/assistants$|endpoints\.huggingface\.cloud\/$/;
const COUNTS =
  /"(?:prompt_tokens|input_tokens|promptTokenCount|inputTokens|prompt_eval_count|inputTextTokenCount|prompt_token_count|input_token_count|num_tokens_prompt_total|generated_tokens)" ?: ?\d/;
const NO_TEXT = new Set(["openai-assistants", "mcp"]);

export function questionOf(recorded: Recorded): Question {
  const url = new URL(recorded.url);
  const { body } = recorded;
  const text = body === null || body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
  return {
    org: "eval",
    caller: "eval",
    agent: null,
    parentAgent: null,
    phase: "request",
    door: "forward",
    method: recorded.method.toUpperCase(),
    scheme: url.protocol === "http:" ? "http" : "https",
    host: url.hostname,
    port: 443,
    literal: false,
    path: url.pathname,
    query: [...url.searchParams],
    headers: Object.entries(recorded.headers).flatMap(([name, values]) =>
      values.map((value) => [name, value] as const),
    ),
    trailers: [],
    upgrade: null,
    body: new TextEncoder().encode(text),
    at: 0,
  };
}

export function wireRows(recorded: readonly Recorded[]): WireRow[] {
  const rows = new Map<string, WireRow>();
  for (const each of recorded) {
    const url = new URL(each.url);
    const provider = url.hostname;
    let row = rows.get(provider);
    if (row === undefined) {
      row = { provider, calls: 0, recognised: 0, model: 0, texts: 0, counted: 0, usage: 0, wrong: 0, misses: [] };
      rows.set(provider, row);
    }
    judge(each, url, row);
  }
  return [...rows.values()].sort((one, other) => other.calls - one.calls);
}

function judge(each: Recorded, url: URL, row: WireRow): void {
  const call = each.method.toUpperCase() === "POST" && CALL.test(url.hostname + url.pathname);
  const fact = factsOf(questionOf(each)).llm();
  const llm = fact.known ? fact.value : null;
  if (!call) {
    if (llm !== null) {
      row.wrong += 1;
      row.misses.push(`no call, taken for ${llm.dialect}: ${url.pathname}`);
    }
    return;
  }
  row.calls += 1;
  if (llm === null) {
    row.misses.push(`not recognised${fact.known ? "" : ` (${fact.reason}: ${fact.detail})`}: ${url.pathname}`);
    return;
  }
  row.recognised += 1;
  const named = llm.model !== null || llm.dialect === "openai-assistants" || llm.dialect === "huggingface";
  if (named) row.model += 1;
  else row.misses.push(`no model (${llm.dialect}): ${url.pathname}`);
  const said = NO_TEXT.has(llm.dialect) || llm.messages.some(({ texts }) => texts.length > 0) || llm.images > 0;
  if (said) row.texts += 1;
  else row.misses.push(`no text (${llm.dialect}): ${url.pathname}`);
  const answer =
    typeof each.resp_body === "string" ? each.resp_body : each.resp_body ? JSON.stringify(each.resp_body) : "";
  if (!COUNTS.test(answer)) return;
  row.counted += 1;
  const type = Object.entries(each.resp_headers ?? {}).find(([name]) => name.toLowerCase() === "content-type")?.[1][0];
  if (readUsage(type ?? null, new TextEncoder().encode(answer)) !== null) row.usage += 1;
  else row.misses.push(`no usage (${llm.dialect}): ${url.pathname}`);
}

export function readRecorded(path: string): Recorded[] {
  const lines = gunzipSync(readFileSync(path)).toString("utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

if (import.meta.main) {
  const path = process.argv[2]?.startsWith("/") ? process.argv[2] : WIRE_CORPUS;
  if (!existsSync(path)) {
    console.log(`SKIP no corpus at ${path}`);
    process.exit(0);
  }
  const rows = wireRows(readRecorded(path));
  const share = (part: number, all: number) => (all === 0 ? "–" : `${((100 * part) / all).toFixed(1)} %`);
  console.log(
    "| provider | calls | recognised | model | texts | usage (of answers with counts) | wrong |\n|---|---|---|---|---|---|---|",
  );
  const total = { provider: "all", calls: 0, recognised: 0, model: 0, texts: 0, counted: 0, usage: 0, wrong: 0 };
  for (const row of [...rows.filter(({ calls, wrong }) => calls + wrong > 0), total]) {
    console.log(
      `| ${row.provider} | ${row.calls} | ${share(row.recognised, row.calls)} | ${share(row.model, row.calls)} | ${share(row.texts, row.calls)} | ${share(row.usage, row.counted)} (${row.counted}) | ${row.wrong} |`,
    );
    for (const key of ["calls", "recognised", "model", "texts", "counted", "usage", "wrong"] as const) {
      if (row !== total) total[key] += row[key];
    }
  }
  if (process.argv.includes("--misses"))
    for (const row of rows) for (const miss of row.misses) console.log(row.provider, miss);
}
