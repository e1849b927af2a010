/** A call of a model, out of a JSON body. */
import type { Question } from "../model/question.ts";
import { type Fields, fieldsOf } from "./_fields.ts";
import { llmPaths } from "./_llm-path.ts";
import { type Call, recognise, type Shape } from "./_llm-shape.ts";
import { type Heard, hearMessages, rangeOf, toolNames } from "./_llm-text.ts";
import { NO_CALL, readMcp } from "./_mcp.ts";
import { type Name, nameAt } from "./_names.ts";
import type { Body } from "./body.ts";
import { ARRAY, type JsonTape, KEY, OBJECT, STRING } from "./json.ts";
import { first, isTrue, member, numberAt, sibling, stringAt } from "./json-look.ts";
import type { Dialect, Llm, TextRange } from "./llm.ts";

/** What a field of the outermost object is for. */
type Use = "system" | "tools" | "images" | "inside" | "most" | "answers";

/** Bare texts in these fields are this role's. */
const SAID: ReadonlyMap<Name, string> = new Map<Name, string>([
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
]);
const USES: ReadonlyMap<Name, Use> = new Map<Name, Use>([
  ["system", "system"],
  ["system_prompt", "system"],
  ["systeminstruction", "system"],
  ["system_instruction", "system"],
  ["preamble", "system"],
  ["instructions", "system"],
  ["tools", "tools"],
  ["functions", "tools"],
  ["toolconfig", "tools"],
  ["images", "images"],
  ["inferenceconfig", "inside"],
  ["generationconfig", "inside"],
  ["generation_config", "inside"],
  ["textgenerationconfig", "inside"],
  ["options", "inside"],
  ["parameters", "inside"],
  ["input", "inside"],
  ["max_tokens", "most"],
  ["max_completion_tokens", "most"],
  ["max_output_tokens", "most"],
  ["maxtokens", "most"],
  ["maxoutputtokens", "most"],
  ["max_tokens_to_sample", "most"],
  ["max_new_tokens", "most"],
  ["max_gen_len", "most"],
  ["maxtokencount", "most"],
  ["num_predict", "most"],
  ["n_predict", "most"],
  ["maximum_tokens", "most"],
  ["max_length", "most"],
  ["n", "answers"],
  ["candidatecount", "answers"],
  ["candidate_count", "answers"],
  ["num_generations", "answers"],
  ["num_outputs", "answers"],
  ["numresults", "answers"],
]);

/** What the fields of one object come to, and of those inside it. */
interface Reading extends Heard {
  readonly tools: string[];
  /** Bytes of what describes the tools. */
  schemas: number;
  most: number;
  answers: number;
  /** Which fields bound the answer; null: any may. */
  readonly bound: Bound | null;
}

/** A server passes over a bound that another dialect has: it must not count for a small answer. */
interface Bound {
  readonly names: readonly Name[];
  /** In an object such as `options`, not beside the messages. */
  readonly inside: boolean;
}

const BOUNDS: Partial<Readonly<Record<Dialect, Bound>>> = {
  "openai-chat": { names: ["max_tokens", "max_completion_tokens"], inside: false },
  "openai-completions": { names: ["max_tokens"], inside: false },
  "openai-responses": { names: ["max_output_tokens"], inside: false },
  "anthropic-messages": { names: ["max_tokens"], inside: false },
  "anthropic-complete": { names: ["max_tokens_to_sample"], inside: false },
  ollama: { names: ["num_predict"], inside: true },
};

/** Nodes of one message, and between two yields: more cannot be read without being felt. */
const MOST_AT_ONCE = 64 * 1024;
const SLICE = 8 * 1024;

/** Null: no call of a model. `ambiguous`: keys that differ in case only, two protocols, or a path or models that can be read in two ways. `too_many`: values in one message. */
export function* readLlm(question: Question, tape: JsonTape): Generator<void, Llm | null | "ambiguous" | "too_many"> {
  if (tape.kind[0] !== OBJECT) return yield* readMcp(tape, null);
  const fields = fieldsOf(tape, 0);
  if (fields === null) return "ambiguous";
  const shape = shapeOf(question, tape, fields);
  if (shape === "ambiguous") return shape;
  // Servers of models pass over a field they do not know: a call in two protocols is one of either.
  if (fields.has("jsonrpc")) return shape === null ? yield* readMcp(tape, fields) : "ambiguous";
  return shape === null ? null : yield* read(tape, fields, shape);
}

const ARN = /^arn:[a-z0-9:-]{1,200}\/[A-Za-z0-9][A-Za-z0-9.:_-]{0,200}$/;

/** One that all readings of the path agree on, and the body. */
function shapeOf(question: Question, tape: JsonTape, fields: Fields): Shape | null | "ambiguous" {
  const paths = llmPaths(question.path);
  if (paths === null) return "ambiguous";
  const header = (name: string): string | null => headerOf(question, name);
  let shape: Shape | null | undefined;
  for (const segments of paths) {
    const call: Call = { tape, fields, segments, header };
    const found = recognise(call);
    if (shape === undefined) shape = found;
    // Escaped as AWS wants it; who parts at its slashes finds no model there.
    else if ((found?.model ?? null) === null && ARN.test(shape?.model ?? "")) continue;
    else if (
      shape?.dialect !== found?.dialect ||
      shape?.operation !== found?.operation ||
      shape?.model !== found?.model
    ) {
      return "ambiguous";
    }
  }
  if (shape === undefined || shape === null || shape.model === null) return shape ?? null;
  // Azure's own path, in one reading: it and those that speak like it never go by the body.
  if (paths.length === 1 && paths[0]?.[0] === "openai" && paths[0][1] === "deployments") return shape;
  // Servers differ in which of the two they go by.
  for (const name of ["model", "model_id", "modelid"] as const) {
    const node = fields.get(name);
    if (node === undefined) continue;
    const said = stringAt(tape, node, 512);
    if (said !== shape.model && said !== `models/${shape.model}`) return "ambiguous";
  }
  return shape;
}

function* read(tape: JsonTape, fields: Fields, shape: Shape): Generator<void, Llm | "too_many"> {
  const reading: Reading = {
    ...{ messages: [], toolCalls: [], system: [], images: 0, files: 0, numbers: 0 },
    ...{ tools: [], schemas: 0, most: 0, answers: 1, bound: BOUNDS[shape.dialect] ?? null },
  };
  if (!(yield* take(tape, fields, reading))) return "too_many";
  if (shape.dialect === "replicate") takeSystem(tape, fields.get("input"), reading);
  if (!(yield* takeBatch(tape, fields.get("requests"), reading))) return "too_many";
  const { messages, toolCalls, system, images, files, tools, most, answers } = reading;
  return {
    dialect: shape.dialect,
    operation: shape.operation,
    model: shape.model ?? modelOf(tape, fields),
    stream: shape.stream || isTrue(tape, fields.get("stream") ?? -1),
    system,
    messages,
    tools,
    toolCalls,
    maxTokens: most === 0 ? null : most * answers,
    images,
    files,
    get inputTokens() {
      return estimate(tape, reading);
    },
  };
}

/** All fields that any dialect has, in the order of the body: which of them a server reads is its own affair. */
function* take(tape: JsonTape, fields: Fields, into: Reading): Generator<void, boolean> {
  for (const [name, node] of fields) {
    const role = SAID.get(name);
    if (role !== undefined && !(yield* hearAll(tape, node, role, into))) return false;
    const use = USES.get(name);
    const whole = use === "system" || use === "tools" || (use === "inside" && tape.kind[node] === OBJECT);
    if (whole && !fits(tape, node)) return false;
    if (use === "system") hearSystem(tape, node, into);
    else if (use === "tools") {
      const list = tape.kind[node] === OBJECT ? member(tape, node, "tools") : node;
      if (list !== -1) toolNames(tape, list, into.tools);
      into.schemas += (tape.end[node] as number) - (tape.start[node] as number);
    } else if (use === "images" && tape.kind[node] === ARRAY) {
      for (let each = first(tape, node); each !== -1; each = sibling(tape, each)) into.images += 1;
    } else if (use === "inside" && tape.kind[node] === OBJECT) {
      for (let key = first(tape, node); key !== -1; key = sibling(tape, key + 1)) {
        takeNumber(tape, nameAt(tape, key), key + 1, { into, inside: true });
      }
    } else takeNumber(tape, name, node, { into, inside: false });
  }
  return true;
}

/** A message at a time. */
function* hearAll(tape: JsonTape, node: number, role: string, into: Heard): Generator<void, boolean> {
  if (tape.kind[node] !== ARRAY) {
    if (!fits(tape, node)) return false;
    hearMessages(tape, node, role, into);
    return true;
  }
  let turn = node;
  for (let each = first(tape, node); each !== -1; each = sibling(tape, each)) {
    if (!fits(tape, each)) return false;
    hearMessages(tape, each, role, into);
    if (each - turn < SLICE) continue;
    turn = each;
    yield;
  }
  return true;
}

function fits(tape: JsonTape, node: number): boolean {
  return (tape.next[node] as number) - node <= MOST_AT_ONCE;
}

function takeNumber(
  tape: JsonTape,
  name: Name | "",
  node: number,
  { into, inside }: { readonly into: Reading; readonly inside: boolean },
): void {
  const use = name === "" ? undefined : USES.get(name);
  if (name === "" || (use !== "most" && use !== "answers")) return;
  const { bound } = into;
  if (use === "most" && bound !== null && (bound.inside !== inside || !bound.names.includes(name))) return;
  const found = numberAt(tape, node);
  if (found === null || !(found > 0) || !Number.isFinite(found)) return;
  into[use] = Math.max(into[use], Math.ceil(found));
}

/** The `input` of Replicate has the fields of a body. */
function takeSystem(tape: JsonTape, node: number | undefined, into: Heard): void {
  const found = node === undefined ? -1 : member(tape, node, "system_prompt");
  if (found !== -1) hearSystem(tape, found, into);
}

/** Calls for later: each is a body of its own under `params`. */
function* takeBatch(tape: JsonTape, node: number | undefined, into: Reading): Generator<void, boolean> {
  for (let each = first(tape, node ?? -1); each !== -1; each = sibling(tape, each)) {
    const params = member(tape, each, "params");
    const fields = fieldsOf(tape, params === -1 ? each : params);
    if (fields !== null && !(yield* take(tape, fields, into))) return false;
    yield;
  }
  return true;
}

function hearSystem(tape: JsonTape, node: number, into: Heard): void {
  const apart: Heard = { messages: [], toolCalls: into.toolCalls, system: [], images: 0, files: 0, numbers: 0 };
  hearMessages(tape, node, "system", apart);
  for (const message of apart.messages) into.system.push(...message.texts);
}

function modelOf(tape: JsonTape, fields: Fields): string | null {
  for (const name of ["model", "model_id", "modelid", "version"] as const) {
    const found = stringAt(tape, fields.get(name) ?? -1, 512);
    if (found !== null) return found;
  }
  return null;
}

function eachText({ system, messages, toolCalls }: Heard, visit: (range: TextRange) => void): void {
  for (const range of system) visit(range);
  for (const { texts } of messages) for (const range of texts) visit(range);
  for (const call of toolCalls) if (call.arguments !== null) visit(call.arguments);
}

/** Of more bytes only every second, third, … is looked at. */
const SAMPLES = 256 * 1024;

function estimate(tape: JsonTape, llm: Reading): number {
  let bytes = llm.schemas;
  let wide = 0;
  let stride = 0;
  const look = ({ start, end }: TextRange): void => {
    if (stride === 0) bytes += end - start;
    else for (let i = start; i < end; i += stride) if ((tape.bytes[i] as number) > 0x7f) wide += stride;
  };
  eachText(llm, look);
  stride = Math.max(1, Math.floor(bytes / SAMPLES));
  eachText(llm, look);
  return llm.numbers + Math.ceil((bytes + wide) / 4) + 4 * llm.messages.length + 1000 * (llm.images + llm.files);
}

function headerOf({ headers }: Question, wanted: string): string | null {
  for (const [name, value] of headers) {
    if (name.length === wanted.length && name.toLowerCase() === wanted) return typeof value === "string" ? value : "";
  }
  return null;
}

/** Calls whose body is a form: speech and pictures. */
export function readFormLlm(question: Question, { bytes, parts }: Pick<Body, "bytes" | "parts">): Llm | null {
  const paths = llmPaths(question.path) ?? [];
  const audio = paths.some((segments) => segments.includes("audio"));
  if (!audio && !paths.some((segments) => segments.includes("images"))) return null;
  const text = (name: string): string | null => {
    const part = parts.find((each) => each.name === name && each.filename === null);
    return part === undefined
      ? null
      : new TextDecoder("utf-8", { ignoreBOM: true }).decode(
          bytes.subarray(part.start, Math.min(part.end, part.start + 512)),
        );
  };
  const model = text("model");
  const files = parts.filter(({ filename }) => filename !== null).length;
  if (model === null && files === 0) return null;
  const prompt = parts.find(({ name }) => name === "prompt");
  const texts = prompt === undefined ? [] : [{ node: -1, start: prompt.start, end: prompt.end, escaped: false }];
  return {
    ...NO_CALL,
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

/** String values and keys below a node, in the order of the text: of a tool call's arguments, for whoever looks at them. */
export function textsBelow(tape: JsonTape, node: number, most = 10_000): TextRange[] {
  const found: TextRange[] = [];
  const end = tape.next[node] as number;
  for (let each = node; each < end && found.length < most; each++) {
    if (tape.kind[each] === STRING || tape.kind[each] === KEY) found.push(rangeOf(tape, each));
  }
  return found;
}
