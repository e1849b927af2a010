/**
 * Which dialect a call speaks: by what its body has and by how its path ends, never by the name of the host, so that a
 * gateway, a proxy or a server of one's own is the same call.
 */
import type { Fields } from "./_fields.ts";
import type { Name } from "./_names.ts";
import { ARRAY, type JsonTape, OBJECT, STRING } from "./json.ts";
import { element, first, member } from "./json-look.ts";
import type { Dialect, Operation } from "./llm.ts";

export interface Shape {
  readonly dialect: Dialect;
  readonly operation: Operation;
  /** As the path names it; goes before what the body says, for the server goes by it. */
  readonly model: string | null;
  readonly stream: boolean;
}

export interface Call {
  readonly tape: JsonTape;
  /** Of the outermost object. */
  readonly fields: Fields;
  /** Of one reading of the path, empty ones left out. */
  readonly segments: readonly string[];
  header(name: string): string | null;
}

export function recognise(call: Call): Shape | null {
  return byPath(call) ?? byBody(call);
}

function shape(dialect: Dialect, operation: Operation, model: string | null = null, stream = false): Shape {
  return { dialect, operation, model, stream };
}

/** Paths that carry the model, or that alone tell two dialects of one body apart. */
function byPath({ fields, segments, tape }: Call): Shape | null {
  const { length } = segments;
  const last = segments[length - 1] ?? "";
  const before = segments[length - 2] ?? "";
  const third = segments[length - 3] ?? "";
  if (third === "model" || third === "async-invoke") {
    const stream = last.endsWith("stream");
    if (last.startsWith("converse") && fields.has("messages"))
      return shape("bedrock-converse", "chat", decoded(before), stream);
    if (last.startsWith("invoke")) return shape("bedrock-invoke", bedrockOperation(fields), decoded(before), stream);
  }
  if (third === "endpoints" && last.startsWith("invocations")) {
    return shape("sagemaker", fields.has("messages") ? "chat" : "completion", decoded(before), last.endsWith("stream"));
  }
  const colon = last.lastIndexOf(":");
  if (colon > 0 && (before === "models" || before === "tunedModels" || before === "endpoints")) {
    const verb = last.slice(colon + 1);
    const vertex = segments.includes("publishers") || segments.includes("locations");
    const operation = VERBS.get(verb);
    if (operation !== undefined && (CONTENT_FIELDS.some((name) => fields.has(name)) || vertex)) {
      return shape(vertex ? "vertex" : "gemini", operation, decoded(last.slice(0, colon)), verb.startsWith("stream"));
    }
  }
  if (last === "predictions" && isObject(tape, fields.get("input"))) {
    const named = segments.lastIndexOf("models") !== -1 || segments.lastIndexOf("deployments") !== -1;
    return shape("replicate", "completion", named ? `${decoded(third)}/${decoded(before)}` : null);
  }
  if (before === "api" && (fields.has("model") || fields.has("name"))) {
    // Ollama streams unless told otherwise.
    if (last === "chat" && fields.has("messages"))
      return shape("ollama", "chat", null, !isFalse(tape, fields.get("stream")));
    if (last === "generate") return shape("ollama", "completion", null, !isFalse(tape, fields.get("stream")));
    if (last === "embed" || last === "embeddings") return shape("ollama", "embedding");
  }
  const assistants = segments.lastIndexOf("threads") !== -1 || last === "assistants" || before === "assistants";
  if (assistants && ASSISTANT_FIELDS.some((name) => fields.has(name))) return shape("openai-assistants", "other");
  if (assistants && last === "threads") return shape("openai-assistants", "other");
  return null;
}

const CONTENT_FIELDS: readonly Name[] = ["contents", "content", "instances", "requests", "messages"];
const ASSISTANT_FIELDS: readonly Name[] = [
  "assistant_id",
  "instructions",
  "tool_outputs",
  "content",
  "messages",
  "role",
  "model",
];

const VERBS: ReadonlyMap<string, Operation> = new Map([
  ["generateContent", "chat"],
  ["streamGenerateContent", "chat"],
  ["generateMessage", "chat"],
  ["generateText", "completion"],
  ["countTokens", "count"],
  ["embedContent", "embedding"],
  ["batchEmbedContents", "embedding"],
  ["predict", "completion"],
  ["serverStreamingPredict", "completion"],
  ["rawPredict", "chat"],
  ["streamRawPredict", "chat"],
  ["predictLongRunning", "other"],
]);

function byBody(call: Call): Shape | null {
  const { fields, segments, tape } = call;
  const last = segments[segments.length - 1] ?? "";
  const has = (name: Name) => fields.has(name);
  const deployment = Math.max(segments.lastIndexOf("deployments"), segments.lastIndexOf("engines"));
  const azure = deployment !== -1 && deployment + 2 < segments.length ? decoded(segments[deployment + 1] ?? "") : null;

  if (isFirst(tape, fields.get("messages"), OBJECT)) return byMessages(call, last, azure);
  if (isArray(tape, fields.get("contents")) && tapeHasParts(tape, fields.get("contents")))
    return shape("gemini", "chat");
  if (has("model_id") && (has("input") || has("inputs"))) {
    return shape("watsonx", last.startsWith("embeddings") ? "embedding" : "completion", null, last.endsWith("_stream"));
  }
  if (has("requests") && last === "batches" && segments.includes("messages"))
    return shape("anthropic-messages", "chat");
  const named = has("model") || azure !== null;
  if (has("prompt")) {
    if (has("max_tokens_to_sample")) return shape("anthropic-complete", "completion");
    if (segments.includes("images") && (named || has("size") || has("n")))
      return shape("openai-images", "image", azure);
    if (last === "generate" && named && segments.includes("v1")) return shape("cohere", "completion");
    if (named || COMPLETION_FIELDS.some(has)) return shape("openai-completions", "completion", azure);
    return null;
  }
  if (has("message") && (has("chat_history") || has("preamble") || (named && last === "chat")))
    return shape("cohere", "chat");
  if (has("documents") && has("query") && named) return shape("cohere", "rerank");
  if (has("texts") && named && has("input_type")) return shape("cohere", "embedding");
  if (has("images") && named && has("input_type")) return shape("cohere", "embedding");
  if (has("inputtext")) return shape("bedrock-invoke", bedrockOperation(fields));
  if (has("input") && named) return byInput(call, last, azure);
  if (last === "responses" && (has("input") || has("previous_response_id"))) return shape("openai-responses", "chat");
  if (has("inputs") && (has("parameters") || has("options") || segments.includes("models")))
    return huggingFace(segments);
  return null;
}

const COMPLETION_FIELDS: readonly Name[] = [
  "max_tokens",
  "n_predict",
  "max_gen_len",
  "maximum_tokens",
  "max_new_tokens",
  "maxtokens",
  "temperature",
];

function byMessages({ fields, segments, tape, header }: Call, last: string, azure: string | null): Shape | null {
  const has = (name: Name) => fields.has(name);
  const model = has("model") || azure !== null;
  if (last === "completions") return shape("openai-chat", "chat", azure);
  if (
    last === "messages" ||
    last === "count_tokens" ||
    has("anthropic_version") ||
    header("anthropic-version") !== null
  ) {
    return shape("anthropic-messages", last === "count_tokens" ? "count" : "chat");
  }
  if (has("inferenceconfig") || has("toolconfig") || has("schemaversion")) return shape("bedrock-converse", "chat");
  if (has("model_id")) return shape("watsonx", "chat", null, last.endsWith("_stream"));
  if (last === "chat" && segments.includes("v2") && model) return shape("cohere", "chat");
  if (has("system") && has("max_tokens") && model) return shape("anthropic-messages", "chat");
  const role = member(tape, element(tape, fields.get("messages") ?? -1, 0), "role");
  return role !== -1 && (model || CHAT_FIELDS.some(has)) ? shape("openai-chat", "chat", azure) : null;
}

const CHAT_FIELDS: readonly Name[] = [
  "max_tokens",
  "max_completion_tokens",
  "temperature",
  "stream",
  "tools",
  "functions",
  "top_p",
];

function byInput({ fields, segments, tape }: Call, last: string, azure: string | null): Shape {
  if (last === "responses" || RESPONSE_FIELDS.some((name) => fields.has(name))) {
    return shape("openai-responses", "chat", azure);
  }
  if (last.startsWith("moderation")) return shape("openai-moderations", "moderation", azure);
  if (segments.includes("audio")) return shape("openai-audio", "audio", azure);
  const start = first(tape, fields.get("input") ?? -1);
  const items = start !== -1 && tape.kind[start] === OBJECT && member(tape, start, "role") !== -1;
  return items ? shape("openai-responses", "chat", azure) : shape("openai-embeddings", "embedding", azure);
}

const RESPONSE_FIELDS: readonly Name[] = [
  "instructions",
  "max_output_tokens",
  "previous_response_id",
  "stream",
  "tools",
  "reasoning",
];

function huggingFace(segments: readonly string[]): Shape {
  const models = segments.indexOf("models");
  const model =
    models === -1
      ? null
      : segments
          .slice(models + 1, models + 3)
          .map(decoded)
          .join("/");
  const embedding = segments.includes("feature-extraction");
  return shape("huggingface", embedding ? "embedding" : "completion", model === "" ? null : model);
}

function bedrockOperation(fields: Fields): Operation {
  if (fields.has("messages")) return "chat";
  if (fields.has("texts") || fields.has("embeddingtypes") || fields.has("inputimage")) return "embedding";
  if (fields.has("inputtext") && !fields.has("textgenerationconfig")) return "embedding";
  if (fields.has("text_prompts") || fields.has("texttoimageparams")) return "image";
  return fields.has("message") ? "chat" : "completion";
}

function isFirst(tape: JsonTape, node: number | undefined, kind: number): boolean {
  const start = node === undefined || tape.kind[node] !== ARRAY ? -1 : first(tape, node);
  return start !== -1 && tape.kind[start] === kind;
}

function tapeHasParts(tape: JsonTape, node: number | undefined): boolean {
  const start = node === undefined ? -1 : first(tape, node);
  return start !== -1 && member(tape, start, "parts") !== -1;
}

function isArray(tape: JsonTape, node: number | undefined): boolean {
  return node !== undefined && tape.kind[node] === ARRAY;
}

function isObject(tape: JsonTape, node: number | undefined): boolean {
  return node !== undefined && tape.kind[node] === OBJECT;
}

function isFalse(tape: JsonTape, node: number | undefined): boolean {
  return node !== undefined && tape.kind[node] !== STRING && tape.bytes[tape.start[node] as number] === 0x66;
}

/** A segment of a path as a name; what cannot be decoded stays as it is. */
export function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
