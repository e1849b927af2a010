/** Texts, calls and attachments out of the many ways messages are written; one walk for all dialects, so that a text in a place another dialect would read is not missed. */
import { type Name, nameAt, wordAt } from "./_names.ts";
import { ARRAY, type JsonTape, NUMBER, OBJECT, STRING } from "./json.ts";
import { first, isString, sibling, stringAt, textOf } from "./json-look.ts";
import type { LlmMessage, LlmToolCall, TextRange } from "./llm.ts";

/** Everything a request says; filled by the walk. */
export interface Heard {
  readonly messages: LlmMessage[];
  readonly toolCalls: LlmToolCall[];
  readonly system: TextRange[];
  images: number;
  files: number;
  /** Tokens sent as numbers. */
  numbers: number;
}

interface Open {
  readonly texts: TextRange[];
  toolCallId: string | null;
  toolResult: boolean;
}

/** Texts that are about the message and not of it. */
const LABELS: ReadonlySet<Name | ""> = new Set<Name>([
  "type",
  "id",
  "role",
  "call_id",
  "callid",
  "tool_use_id",
  "tooluseid",
  "tool_call_id",
  "status",
  "media_type",
  "mime_type",
  "mimetype",
  "format",
  "detail",
  "file_id",
  "fileuri",
  "file_uri",
  "signature",
  "thoughtsignature",
  "thought_signature",
  "encrypted_content",
  "cache_control",
  "cachepoint",
  "model",
  "index",
  "phase",
]);
const IMAGES: ReadonlySet<Name | ""> = new Set<Name>([
  "image",
  "image_url",
  "input_image",
  "images",
  "inlinedata",
  "inline_data",
]);
const FILES: ReadonlySet<Name | ""> = new Set<Name>([
  "file",
  "input_file",
  "video",
  "video_url",
  "audio",
  "input_audio",
  "filedata",
  "file_data",
]);

export function rangeOf(tape: JsonTape, node: number): TextRange {
  return {
    node,
    start: tape.start[node] as number,
    end: tape.end[node] as number,
    escaped: tape.escaped[node] === 1,
  };
}

/** A field that is one message, or a list of them: objects with a role each, or bare texts of `role`. */
export function hearMessages(tape: JsonTape, node: number, role: string, into: Heard): void {
  if (tape.kind[node] === ARRAY) {
    for (let each = first(tape, node); each !== -1; each = sibling(tape, each)) hearMessages(tape, each, role, into);
    return;
  }
  if (tape.kind[node] === NUMBER) into.numbers += 1;
  else if (tape.kind[node] === STRING || tape.kind[node] === OBJECT) hearMessage(tape, node, role, into);
}

function hearMessage(tape: JsonTape, node: number, role: string, into: Heard): void {
  const open: Open = { texts: [], toolCallId: null, toolResult: false };
  let said = role;
  let calls = into.toolCalls.length;
  if (tape.kind[node] === OBJECT) {
    for (let key = first(tape, node); key !== -1; key = sibling(tape, key + 1)) {
      const name = nameAt(tape, key);
      if (name === "role" && isString(tape, key + 1)) said = wordAt(tape, key + 1);
    }
  }
  if (said === "tool" || said === "function" || said === "document") open.toolResult = true;
  hear(tape, node, open, into);
  calls = into.toolCalls.length - calls;
  if (open.texts.length > 0 || calls === 0) {
    into.messages.push({ role: said, texts: open.texts, toolCallId: open.toolCallId, toolResult: open.toolResult });
  }
}

/** Depth is that of the JSON, which is bounded. */
function hear(tape: JsonTape, node: number, open: Open, into: Heard): void {
  const kind = tape.kind[node];
  if (kind === STRING) open.texts.push(rangeOf(tape, node));
  else if (kind === ARRAY) {
    for (let each = first(tape, node); each !== -1; each = sibling(tape, each)) hear(tape, each, open, into);
  } else if (kind === OBJECT) hearObject(tape, node, open, into);
}

function hearObject(tape: JsonTape, node: number, open: Open, into: Heard): void {
  let type = "";
  let call = false;
  for (let key = first(tape, node); key !== -1; key = sibling(tape, key + 1)) {
    const name = nameAt(tape, key);
    if (name === "type" && isString(tape, key + 1)) type = wordAt(tape, key + 1);
    else if (name === "tool_call_id" || name === "tool_use_id" || name === "tooluseid" || name === "call_id") {
      open.toolCallId = stringAt(tape, key + 1, 256) ?? open.toolCallId;
    }
    if (name === "arguments" || name === "input" || name === "args" || name === "parameters") call = true;
  }
  if (
    type === "tool_use" ||
    type === "server_tool_use" ||
    type === "mcp_call" ||
    type === "function_call" ||
    type === "custom_tool_call"
  ) {
    if (call) {
      into.toolCalls.push(callOf(tape, node));
      return;
    }
  }
  if (type.endsWith("tool_result") || type === "function_call_output" || type === "tool_result") open.toolResult = true;
  if (type === "document") into.files += 1;
  const media =
    type === "image" || type === "input_image" || type === "image_url" || type === "base64" || type === "audio";
  for (let key = first(tape, node); key !== -1; key = sibling(tape, key + 1)) {
    const name = nameAt(tape, key);
    const value = key + 1;
    if (LABELS.has(name) || (name === "name" && isString(tape, value))) continue;
    if (name === "tool_calls" || name === "toolcalls") hearCalls(tape, value, into);
    else if (
      (name === "function_call" || name === "functioncall" || name === "tooluse") &&
      tape.kind[value] === OBJECT
    ) {
      into.toolCalls.push(callOf(tape, value));
    } else if (IMAGES.has(name)) into.images += tape.kind[value] === ARRAY ? countOf(tape, value) : 1;
    else if (FILES.has(name)) into.files += 1;
    else if (media && (name === "source" || name === "url" || name === "data"))
      into.images += name === "source" ? 1 : 0;
    else if (name === "url" && isString(tape, value)) continue;
    else {
      if (name === "functionresponse" || name === "toolresult" || name === "tool_results") open.toolResult = true;
      hear(tape, value, open, into);
    }
  }
}

function hearCalls(tape: JsonTape, node: number, into: Heard): void {
  for (let each = first(tape, node); each !== -1; each = sibling(tape, each)) {
    if (tape.kind[each] === OBJECT) into.toolCalls.push(callOf(tape, each));
  }
}

/** `{id, function: {name, arguments}}`, `{name, input}`, `{name, args}`, `{name, parameters}`. */
export function callOf(tape: JsonTape, object: number): LlmToolCall {
  let name = "";
  let id: string | null = null;
  let given: TextRange | null = null;
  for (let key = first(tape, object); key !== -1; key = sibling(tape, key + 1)) {
    const field = nameAt(tape, key);
    const value = key + 1;
    if (field === "function" && tape.kind[value] === OBJECT) {
      const inner = callOf(tape, value);
      name = inner.name;
      given = inner.arguments;
    } else if (field === "name" || field === "tool_name") name = stringAt(tape, value, 512) ?? name;
    else if (field === "id" || field === "call_id" || field === "tooluseid") id = stringAt(tape, value, 256) ?? id;
    else if (field === "arguments" || field === "input" || field === "args" || field === "parameters")
      given = rangeOf(tape, value);
  }
  return { name, id, arguments: given };
}

/** Names of tools as offered, however they are wrapped; of a built-in one its type. */
export function toolNames(tape: JsonTape, node: number, into: string[]): void {
  for (let each = first(tape, node); each !== -1; each = sibling(tape, each)) {
    if (tape.kind[each] === STRING) into.push(textOf(tape, each));
    else if (tape.kind[each] === OBJECT) toolName(tape, each, into);
  }
}

function toolName(tape: JsonTape, object: number, into: string[]): void {
  let name: string | null = null;
  let type: string | null = null;
  let wrapped = false;
  let firstKey = -1;
  for (let key = first(tape, object); key !== -1; key = sibling(tape, key + 1)) {
    const field = nameAt(tape, key);
    const value = key + 1;
    if (firstKey === -1) firstKey = key;
    if (field === "name") name = stringAt(tape, value, 512);
    else if (field === "type") type = stringAt(tape, value, 512);
    else if (field === "functiondeclarations" || field === "function_declarations") {
      toolNames(tape, value, into);
      wrapped = true;
    } else if ((field === "function" || field === "toolspec") && tape.kind[value] === OBJECT) {
      toolName(tape, value, into);
      wrapped = true;
    }
  }
  if (wrapped) return;
  const found = name ?? type ?? (firstKey === -1 ? null : textOf(tape, firstKey));
  if (found !== null) into.push(found);
}

function countOf(tape: JsonTape, array: number): number {
  let count = 0;
  for (let each = first(tape, array); each !== -1; each = sibling(tape, each)) count += 1;
  return count;
}
