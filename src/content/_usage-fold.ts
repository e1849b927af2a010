/** Token counts in one JSON text of an answer, whatever the provider calls them. */
import { type Fields, fieldsOf } from "./_fields.ts";
import type { Name } from "./_names.ts";
import { ARRAY, type JsonTape, OBJECT } from "./json.ts";
import { first, member, numberAt, sibling, stringAt } from "./json-look.ts";

/** Counters of streamed answers grow or repeat; the greatest seen is the answer's. -1: never told. */
export interface Counted {
  input: number;
  output: number;
  cached: number;
  /** Of the output. */
  thought: number;
  /** All together, of those who tell no more. */
  total: number;
  model: string | null;
}

const INPUT: readonly Name[] = [
  "prompt_tokens",
  "input_tokens",
  "prompttokencount",
  "inputtokens",
  "prompt_eval_count",
  "inputtokencount",
  "input_token_count",
  "inputtexttokencount",
  "prompt_token_count",
  "num_tokens_prompt_total",
];
const OUTPUT: readonly Name[] = [
  "completion_tokens",
  "output_tokens",
  "candidatestokencount",
  "outputtokens",
  "eval_count",
  "outputtokencount",
  "output_token_count",
  "generated_token_count",
  "totaloutputtexttokencount",
  "generation_token_count",
  "num_tokens_generated",
  "generated_tokens",
  "tokencount",
];
/** Already part of the input. */
const CACHED_INSIDE: readonly Name[] = ["cached_tokens", "cachedcontenttokencount", "prompt_cache_hit_tokens"];
/** Counted beside the input. */
const CACHED_BESIDE: readonly Name[] = ["cache_read_input_tokens", "cachereadinputtokens", "cachereadinputtokencount"];
const WRITTEN_BESIDE: readonly Name[] = [
  "cache_creation_input_tokens",
  "cachewriteinputtokens",
  "cachewriteinputtokencount",
];
const THOUGHT_BESIDE: readonly Name[] = ["thoughtstokencount"];
const THOUGHT_INSIDE: readonly Name[] = ["reasoning_tokens"];
/** Objects on the way to a count. `meta` of Cohere holds both billed units and tokens: the greater counts. */
const WAY: ReadonlySet<Name> = new Set<Name>([
  "usage",
  "usagemetadata",
  "usage_metadata",
  "message",
  "response",
  "metadata",
  "delta",
  "meta",
  "billed_units",
  "tokens",
  "metrics",
  "details",
  "amazon-bedrock-invocationmetrics",
  "prompt_tokens_details",
  "input_tokens_details",
  "completion_tokens_details",
  "output_tokens_details",
  "x_groq",
  "data",
  "results",
]);
const MODELS: readonly Name[] = ["model", "modelversion", "model_id", "model_version"];
const MAX_WAY = 5;

export function fold(tape: JsonTape, node: number, into: Counted): void {
  if (tape.kind[node] === ARRAY) {
    for (let each = first(tape, node); each !== -1; each = sibling(tape, each)) foldObject(tape, each, into, 0);
  } else foldObject(tape, node, into, 0);
}

function foldObject(tape: JsonTape, node: number, into: Counted, depth: number): void {
  if (tape.kind[node] !== OBJECT) return;
  const fields = fieldsOf(tape, node);
  if (fields === null) return;
  const sum = (names: readonly Name[]): number => {
    let found = -1;
    for (const name of names) {
      const at = fields.get(name);
      if (at !== undefined) found = Math.max(found, count(numberAt(tape, at)));
    }
    return found;
  };
  const output = sum(OUTPUT);
  const input = sum(INPUT);
  const beside = Math.max(sum(CACHED_BESIDE), 0);
  if (output >= 0) into.output = Math.max(into.output, output + Math.max(sum(THOUGHT_BESIDE), 0));
  if (input >= 0) into.input = Math.max(into.input, input + beside + Math.max(sum(WRITTEN_BESIDE), 0));
  into.total = Math.max(into.total, sum(["total_tokens"]));
  into.thought = Math.max(into.thought, sum(THOUGHT_INSIDE), sum(THOUGHT_BESIDE));
  into.cached = Math.max(into.cached, sum(CACHED_INSIDE), beside);
  if (depth < 2) for (const name of MODELS) into.model = stringAt(tape, fields.get(name) ?? -1, 512) ?? into.model;
  if (depth === MAX_WAY) return;
  for (const [name, at] of fields) {
    if (!WAY.has(name)) continue;
    if (tape.kind[at] === OBJECT) foldObject(tape, at, into, depth + 1);
    else if (name === "results") foldResults(tape, at, into);
  }
  if (depth === 0) foldWords(tape, fields, into);
}

/** Several results of one answer add up. */
function foldResults(tape: JsonTape, array: number, into: Counted): void {
  if (tape.kind[array] !== ARRAY) return;
  let input = -1;
  let output = -1;
  for (let each = first(tape, array); each !== -1; each = sibling(tape, each)) {
    const one: Counted = { input: -1, output: -1, cached: 0, thought: 0, total: -1, model: null };
    foldObject(tape, each, one, 1);
    if (one.input >= 0) input = Math.max(input, 0) + one.input;
    if (one.output >= 0) output = Math.max(output, 0) + one.output;
  }
  into.input = Math.max(into.input, input);
  into.output = Math.max(into.output, output);
}

/** AI21 lists the tokens themselves. */
function foldWords(tape: JsonTape, fields: Fields, into: Counted): void {
  const asked = member(tape, fields.get("prompt") ?? -1, "tokens");
  const answers = fields.get("completions");
  if (asked === -1 || answers === undefined || tape.kind[asked] !== ARRAY) return;
  into.input = Math.max(into.input, length(tape, asked));
  let output = 0;
  for (let each = first(tape, answers); each !== -1; each = sibling(tape, each)) {
    output += length(tape, member(tape, member(tape, each, "data"), "tokens"));
  }
  into.output = Math.max(into.output, output);
}

function length(tape: JsonTape, array: number): number {
  let found = 0;
  for (let each = first(tape, array); each !== -1; each = sibling(tape, each)) found += 1;
  return found;
}

/** What cannot be a number of tokens is none. */
function count(value: number | null): number {
  return value !== null && value >= 0 && value <= 1e12 ? Math.ceil(value) : -1;
}
