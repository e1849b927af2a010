/**
 * Names of protocols' fields, known beforehand, so that reading a key makes no string: it answers the one that is here.
 * Letters in lower case, for readers in Go take `Model` for `model`.
 */
import type { JsonTape } from "./json.ts";
import { textOf } from "./json-look.ts";

const NAMES = [
  ...(["additional_messages", "amazon-bedrock-invocationmetrics", "anthropic_version", "args", "arguments"] as const),
  ...(["assistant_id", "audio", "billed_units", "bytes", "cache_control", "cache_creation_input_tokens"] as const),
  ...(["cache_read_input_tokens", "cached_tokens", "cachedcontenttokencount", "cachepoint"] as const),
  ...([
    "cachereadinputtokencount",
    "cachereadinputtokens",
    "cachewriteinputtokencount",
    "cachewriteinputtokens",
  ] as const),
  ...(["call_id", "callid", "candidate_count", "candidatecount", "candidatestokencount", "chat_history"] as const),
  ...(["completion_tokens", "completions", "content", "contents", "data", "delta", "detail", "details"] as const),
  ...(["documentid", "documents", "embeddingtypes", "encrypted_content", "eval_count", "extensions", "file"] as const),
  ...(["file_data", "file_id", "file_uri", "filedata", "fileuri", "format", "function", "function_call"] as const),
  ...(["function_declarations", "functioncall", "functiondeclarations", "functionresponse", "functions"] as const),
  ...(["generated_token_count", "generated_tokens", "generation_config", "generation_token_count"] as const),
  ...(["generationconfig", "id", "image", "image_url", "images", "index", "inferenceconfig", "inline_data"] as const),
  ...([
    "inlinedata",
    "input",
    "input_audio",
    "input_file",
    "input_image",
    "input_token_count",
    "input_tokens",
  ] as const),
  ...(["input_tokens_details", "input_type", "inputimage", "inputs", "inputtext", "inputtexttokencount"] as const),
  ...(["inputtokencount", "inputtokens", "instances", "instructions", "max_completion_tokens"] as const),
  ...(["max_gen_len", "max_length", "max_new_tokens", "max_output_tokens", "max_tokens"] as const),
  ...([
    "max_tokens_to_sample",
    "maximum_tokens",
    "maxoutputtokens",
    "maxtokencount",
    "maxtokens",
    "media_type",
  ] as const),
  ...(["message", "messages", "meta", "metadata", "metrics", "mime_type", "mimetype", "model", "model_id"] as const),
  ...([
    "model_version",
    "modelid",
    "modelversion",
    "n",
    "n_predict",
    "name",
    "num_generations",
    "num_outputs",
  ] as const),
  ...(["num_predict", "num_tokens_generated", "num_tokens_prompt_total", "numresults", "operationname"] as const),
  ...(["options", "output_token_count", "output_tokens", "outputtokencount", "outputtokens", "parameters"] as const),
  ...(["phase", "preamble", "previous_response_id", "prompt", "prompt_cache_hit_tokens", "prompt_eval_count"] as const),
  ...(["prompt_token_count", "prompt_tokens", "prompt_tokens_details", "prompttokencount", "query"] as const),
  ...([
    "reasoning",
    "requests",
    "response",
    "results",
    "role",
    "schemaversion",
    "signature",
    "size",
    "source",
  ] as const),
  ...(["status", "stream", "suffix", "system", "system_instruction", "system_prompt", "systeminstruction"] as const),
  ...(["temperature", "text", "text_prompts", "textgenerationconfig", "texts", "texttoimageparams"] as const),
  ...(["thought_signature", "thoughtsignature", "thoughtstokencount", "tokencount", "tokens", "tool_call_id"] as const),
  ...(["tool_calls", "tool_name", "tool_outputs", "tool_results", "tool_use_id", "toolcalls", "toolconfig"] as const),
  ...(["toolresult", "tools", "toolspec", "tooluse", "tooluseid", "top_p", "total_tokens"] as const),
  ...(["totaloutputtexttokencount", "type", "url", "usage", "usage_metadata", "usagemetadata", "variables"] as const),
  ...(["completion_tokens_details", "output_tokens_details", "reasoning_tokens"] as const),
  ...(["jsonrpc", "version", "video", "video_url", "x_groq"] as const),
] as const;

export type Name = (typeof NAMES)[number];

/** Values that are said again and again. */
const WORDS = [
  "user",
  "assistant",
  "developer",
  "tool",
  "input_text",
  "output_text",
  "tool_result",
  "function_call_output",
];

const SIZE = 2048;
const LONGEST = 48;
const table: (string | undefined)[] = new Array(SIZE).fill(undefined);
for (const name of [...NAMES, ...WORDS]) {
  let place = hashOf(
    Uint8Array.from(name, (letter) => letter.charCodeAt(0)),
    0,
    name.length,
  );
  while (table[place] !== undefined) place = (place + 1) & (SIZE - 1);
  table[place] = name;
}

/** The known name a key says, in any case; "" for any other. */
export function nameAt(tape: JsonTape, key: number): Name | "" {
  const start = tape.start[key] as number;
  const end = tape.end[key] as number;
  if (tape.escaped[key] === 1) return escapedName(tape, key);
  return (end - start > LONGEST ? "" : find(tape.bytes, start, end)) as Name | "";
}

/** A short string in lower case: a role, a type. */
export function wordAt(tape: JsonTape, node: number): string {
  const start = tape.start[node] as number;
  const end = tape.end[node] as number;
  if (end - start > 64) return "";
  const known = tape.escaped[node] === 1 ? "" : find(tape.bytes, start, end);
  return known === "" ? textOf(tape, node).toLowerCase() : known;
}

function escapedName(tape: JsonTape, key: number): Name | "" {
  const text = textOf(tape, key);
  if (text.length > LONGEST) return "";
  const bytes = new TextEncoder().encode(text);
  return find(bytes, 0, bytes.length) as Name | "";
}

function find(bytes: Uint8Array, start: number, end: number): string {
  let place = hashOf(bytes, start, end);
  for (let name = table[place]; name !== undefined; name = table[place]) {
    if (name.length === end - start && same(name, bytes, start)) return name;
    place = (place + 1) & (SIZE - 1);
  }
  return "";
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ lower(bytes[i] as number), 0x01000193);
  return (hash ^ (hash >>> 15)) & (SIZE - 1);
}

function same(name: string, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) !== lower(bytes[start + i] as number)) return false;
  return true;
}

function lower(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
}
