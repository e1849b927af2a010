/** What a request asks a model for, as the APIs of the well-known providers say it. */
import { type Path, parsePath } from "./amount-path.ts";
import { jsonPlaces, type Leaf } from "./json-places.ts";
import type { ModelCall } from "./subject.ts";

const OUTPUT = [
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "max_tokens_to_sample",
  "generationConfig.maxOutputTokens",
  "inferenceConfig.maxTokens",
];
const CHOICES = ["n", "best_of", "generationConfig.candidateCount"];
const PLACES: readonly Path[] = ["model", ...OUTPUT, ...CHOICES].map((place) => parsePath(`$.${place}`) ?? []);

/** Text has more bytes than this for a token, in nearly every language; pictures have many more. */
const BYTES_A_TOKEN = 3;
const MAX_CHOICES = 1024;

/** Gemini, Vertex and Bedrock name the model in the path. */
const IN_PATH =
  /\/models\/([^/:?]{1,256}):(?:generate|streamGenerate|embed|batchEmbed|predict|rawPredict|streamRawPredict)|\/model\/([^/?]{1,256})\/(?:invoke|converse)/;

/** Null when no model is asked. `body`: codings undone. */
export function modelCall(path: string, body: Uint8Array | null): ModelCall | null {
  if (body === null || body.length === 0) return null;
  const named = IN_PATH.exec(path);
  const inPath = named === null ? null : unescaped(named[1] ?? named[2] ?? "");
  const found = jsonPlaces(body, PLACES);
  const inputTokens = Math.ceil(body.length / BYTES_A_TOKEN);
  // It may be a model's all the same: one that cannot be read in one way has no price.
  if (found === null)
    return inPath !== null || mentions(body) ? { model: null, inputTokens, maxOutput: null, choices: 1 } : null;
  const [models = []] = found;
  const [first] = models;
  if (inPath === null && first === undefined) return null;
  const inBody = first?.kind === "string" ? first.text : null;
  // Which of two names counts depends on who reads.
  const model = inPath === null ? inBody : first === undefined || inBody === inPath ? inPath : null;
  const bounds = found
    .slice(1, 1 + OUTPUT.length)
    .map(countOf)
    .filter((each) => each !== null);
  const choices = found
    .slice(1 + OUTPUT.length)
    .map(countOf)
    .filter((each) => each !== null);
  return {
    model,
    inputTokens,
    maxOutput: bounds.length === 0 ? null : Math.max(...bounds),
    choices: Math.min(MAX_CHOICES, Math.max(1, ...choices)),
  };
}

function countOf(leaves: readonly Leaf[]): number | null {
  const [leaf] = leaves;
  return leaf?.kind === "number" && /^[0-9]{1,9}$/.test(leaf.text) ? Number(leaf.text) : null;
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const MODEL = new TextEncoder().encode('"model"');

function mentions(body: Uint8Array): boolean {
  for (let at = body.indexOf(0x22); at !== -1; at = body.indexOf(0x22, at + 1)) {
    let i = 1;
    while (i < MODEL.length && body[at + i] === MODEL[i]) i++;
    if (i === MODEL.length) return true;
  }
  return false;
}
