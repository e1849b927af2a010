/** A call of a model, out of a JSON body. */
import type { Question } from "../model/question.ts";
import { type Fields, fieldsOf } from "./_fields.ts";
import { type Call, mcpMethod, recognise, type Shape } from "./_llm-shape.ts";
import { callOf, type Heard, hearMessages, rangeOf, toolNames } from "./_llm-text.ts";
import type { Name } from "./_names.ts";
import type { Body } from "./body.ts";
import { ARRAY, type JsonTape, KEY, NULL, OBJECT, STRING } from "./json.ts";
import { first, isTrue, member, numberAt, sibling, stringAt } from "./json-look.ts";
import type { Llm, LlmToolCall, TextRange } from "./llm.ts";

/** What a request may say in a field of its own, and who says it. */
const SYSTEM: readonly Name[] = [
  "system",
  "system_prompt",
  "systeminstruction",
  "system_instruction",
  "preamble",
  "instructions",
];
const SAID: readonly (readonly [field: Name, role: string])[] = [
  ["chat_history", "user"],
  ["messages", "user"],
  ["contents", "user"],
  ["content", "user"],
  ["input", "user"],
  ["inputs", "user"],
  ["prompt", "user"],
  ["suffix", "user"],
  ["message", "user"],
  ["inputtext", "user"],
  ["query", "user"],
  ["texts", "user"],
  ["text_prompts", "user"],
  ["texttoimageparams", "user"],
  ["instances", "user"],
  ["additional_messages", "user"],
  ["documents", "document"],
  ["tool_results", "tool"],
  ["tool_outputs", "tool"],
];
const TOOLS: readonly Name[] = ["tools", "functions", "toolconfig"];
/** Objects whose fields count like those of the body. */
const INSIDE: readonly Name[] = [
  "inferenceconfig",
  "generationconfig",
  "generation_config",
  "textgenerationconfig",
  "options",
  "parameters",
  "input",
];
const MOST: readonly Name[] = [
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "maxtokens",
  "maxoutputtokens",
  "max_tokens_to_sample",
  "max_new_tokens",
  "max_gen_len",
  "maxtokencount",
  "num_predict",
  "n_predict",
  "maximum_tokens",
  "max_length",
];
const ANSWERS: readonly Name[] = [
  "n",
  "candidatecount",
  "candidate_count",
  "num_generations",
  "num_outputs",
  "numresults",
];

/** Null: no call of a model. `ambiguous`: keys that differ in case only. */
export function readLlm(question: Question, tape: JsonTape): Llm | null | "ambiguous" {
  const mcp = readMcp(tape);
  if (mcp !== null) return mcp;
  if (tape.kind[0] !== OBJECT) return null;
  const fields = fieldsOf(tape, 0);
  if (fields === null) return "ambiguous";
  const call: Call = {
    tape,
    fields,
    segments: question.path.split("/").filter((segment) => segment !== ""),
    header: (name) => headerOf(question, name),
  };
  const shape = recognise(call);
  return shape === null ? null : read(tape, fields, shape);
}

function read(tape: JsonTape, fields: Fields, shape: Shape): Llm {
  const heard: Heard = { messages: [], toolCalls: [], system: [], images: 0, files: 0 };
  const tools: string[] = [];
  hearFields(tape, fields, heard);
  if (shape.dialect === "replicate") hearInside(tape, fields.get("input"), heard);
  hearBatch(tape, fields.get("requests"), heard);
  let schemas = 0;
  for (const name of TOOLS) {
    const node = fields.get(name);
    if (node === undefined) continue;
    const list = tape.kind[node] === OBJECT ? member(tape, node, "tools") : node;
    if (list !== -1) toolNames(tape, list, tools);
    schemas += (tape.end[node] as number) - (tape.start[node] as number);
  }
  const model = shape.model ?? modelOf(tape, fields);
  const { messages, toolCalls, system, images, files } = heard;
  return {
    dialect: shape.dialect,
    operation: shape.operation,
    model,
    stream: shape.stream || isTrue(tape, fields.get("stream") ?? -1),
    system,
    messages,
    tools,
    toolCalls,
    maxTokens: mostTokens(tape, fields),
    images,
    files,
    get inputTokens() {
      return estimate(tape, this, schemas);
    },
  };
}

function hearFields(tape: JsonTape, fields: Fields, heard: Heard): void {
  for (const name of SYSTEM) {
    const node = fields.get(name);
    if (node !== undefined) hearSystem(tape, node, heard);
  }
  for (const [name, role] of SAID) {
    const node = fields.get(name);
    if (node !== undefined && tape.kind[node] !== NULL) hearMessages(tape, node, role, heard);
  }
  const pictures = fields.get("images");
  if (pictures !== undefined && tape.kind[pictures] === ARRAY) {
    for (let each = first(tape, pictures); each !== -1; each = sibling(tape, each)) heard.images += 1;
  }
}

/** The `input` of Replicate has the fields of a body. */
function hearInside(tape: JsonTape, node: number | undefined, heard: Heard): void {
  const fields = node === undefined || tape.kind[node] !== OBJECT ? null : fieldsOf(tape, node);
  const system = fields?.get("system_prompt");
  if (system !== undefined) hearSystem(tape, system, heard);
}

/** Calls for later: each is a body of its own under `params` or `request`. */
function hearBatch(tape: JsonTape, node: number | undefined, heard: Heard): void {
  for (let each = first(tape, node ?? -1); each !== -1; each = sibling(tape, each)) {
    const params = member(tape, each, "params");
    const fields = fieldsOf(tape, params === -1 ? each : params);
    if (fields !== null) hearFields(tape, fields, heard);
  }
}

function hearSystem(tape: JsonTape, node: number, heard: Heard): void {
  const apart: Heard = { messages: [], toolCalls: heard.toolCalls, system: [], images: 0, files: 0 };
  hearMessages(tape, node, "system", apart);
  for (const message of apart.messages) heard.system.push(...message.texts);
}

function modelOf(tape: JsonTape, fields: Fields): string | null {
  for (const name of ["model", "model_id", "modelid", "version"] as const) {
    const found = stringAt(tape, fields.get(name) ?? -1, 512);
    if (found !== null) return found;
  }
  return null;
}

function mostTokens(tape: JsonTape, fields: Fields): number | null {
  let most: number | null = null;
  let answers = 1;
  const look = (inside: Fields): void => {
    for (const name of MOST) {
      const found = numberAt(tape, inside.get(name) ?? -1);
      if (found !== null && found > 0 && Number.isFinite(found)) most = Math.max(most ?? 0, Math.ceil(found));
    }
    for (const name of ANSWERS) {
      const found = numberAt(tape, inside.get(name) ?? -1);
      if (found !== null && found > 1 && Number.isFinite(found)) answers = Math.max(answers, Math.ceil(found));
    }
  };
  look(fields);
  for (const name of INSIDE) {
    const node = fields.get(name);
    if (node !== undefined && tape.kind[node] === OBJECT) {
      const inside = fieldsOf(tape, node);
      if (inside !== null) look(inside);
    }
  }
  return most === null ? null : most * answers;
}

/** JSON-RPC of the Model Context Protocol: one message, or an array of them. */
function readMcp(tape: JsonTape): Llm | null {
  const calls: LlmToolCall[] = [];
  let known = false;
  let tool = false;
  const one = (object: number): void => {
    const method = mcpMethod(tape, object);
    if (method === null) return;
    known = true;
    const params = member(tape, object, "params");
    if (method === "tools/call") {
      tool = true;
      if (params !== -1) calls.push(callOf(tape, params));
    } else if (params !== -1 && (method === "prompts/get" || method === "resources/read")) {
      const name =
        stringAt(tape, member(tape, params, "name"), 512) ?? stringAt(tape, member(tape, params, "uri"), 4096);
      calls.push({ name: `${method} ${name ?? ""}`, id: null, arguments: rangeOf(tape, params) });
    }
  };
  if (tape.kind[0] === OBJECT) one(0);
  else for (let each = first(tape, 0); each !== -1; each = sibling(tape, each)) one(each);
  if (!known) return null;
  return {
    ...EMPTY,
    dialect: "mcp",
    operation: tool ? "tool" : "other",
    toolCalls: calls,
  };
}

function estimate(
  tape: JsonTape,
  llm: Pick<Llm, "system" | "messages" | "toolCalls" | "images" | "files">,
  schemas: number,
): number {
  let quarters = schemas;
  const add = ({ start, end }: TextRange): void => {
    quarters += end - start;
    for (let i = start; i < end; i++) if ((tape.bytes[i] as number) > 0x7f) quarters += 1;
  };
  for (const range of llm.system) add(range);
  for (const { texts } of llm.messages) for (const range of texts) add(range);
  for (const call of llm.toolCalls) if (call.arguments !== null) add(call.arguments);
  return Math.ceil(quarters / 4) + 4 * llm.messages.length + 1000 * (llm.images + llm.files);
}

function headerOf({ headers }: Question, wanted: string): string | null {
  for (const [name, value] of headers) {
    if (name.length === wanted.length && name.toLowerCase() === wanted) return typeof value === "string" ? value : "";
  }
  return null;
}

/** Calls whose body is a form: speech and pictures. */
export function readFormLlm(question: Question, { bytes, parts }: Pick<Body, "bytes" | "parts">): Llm | null {
  const segments = question.path.split("/");
  const audio = segments.includes("audio");
  if (!audio && !segments.includes("images")) return null;
  const text = (name: string): string | null => {
    const part = parts.find((each) => each.name === name && each.filename === null);
    return part === undefined
      ? null
      : new TextDecoder().decode(bytes.subarray(part.start, Math.min(part.end, part.start + 512)));
  };
  const model = text("model");
  const files = parts.filter(({ filename }) => filename !== null).length;
  if (model === null && files === 0) return null;
  const prompt = parts.find(({ name }) => name === "prompt");
  const texts = prompt === undefined ? [] : [{ node: -1, start: prompt.start, end: prompt.end, escaped: false }];
  return {
    ...EMPTY,
    dialect: audio ? "openai-audio" : "openai-images",
    operation: audio ? "audio" : "image",
    model,
    stream: text("stream") === "true",
    messages: texts.length === 0 ? [] : [{ role: "user", texts, toolCallId: null, toolResult: false }],
    images: audio ? 0 : files,
    files: audio ? files : 0,
    inputTokens: 1000 * files + Math.ceil(((prompt?.end ?? 0) - (prompt?.start ?? 0)) / 2),
  };
}

const EMPTY: Omit<Llm, "dialect" | "operation"> = {
  model: null,
  stream: false,
  system: [],
  messages: [],
  tools: [],
  toolCalls: [],
  maxTokens: null,
  images: 0,
  files: 0,
  inputTokens: 0,
};

/** String values and keys below a node, in the order of the text: of a tool call's arguments, for whoever looks at them. */
export function textsBelow(tape: JsonTape, node: number, most = 10_000): TextRange[] {
  const found: TextRange[] = [];
  const end = tape.next[node] as number;
  for (let each = node; each < end && found.length < most; each++) {
    if (tape.kind[each] === STRING || tape.kind[each] === KEY) found.push(rangeOf(tape, each));
  }
  return found;
}
