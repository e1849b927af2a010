/** The Model Context Protocol as it travels over HTTP: JSON-RPC 2.0, one message or an array of them. */
import type { Fields } from "./_fields.ts";
import { callOf, rangeOf } from "./_llm-text.ts";
import type { JsonTape } from "./json.ts";
import { first, member, sibling, stringAt } from "./json-look.ts";
import type { Llm, LlmToolCall } from "./llm.ts";

/** Nodes between two yields. */
const SLICE = 8 * 1024;

/** A call that says nothing; for readers to fill in. */
export const NO_CALL: Omit<Llm, "dialect" | "operation"> = {
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

/** `fields`: of the outermost object; null when it is an array. Null: not of the protocol. */
export function* readMcp(tape: JsonTape, fields: Fields | null): Generator<void, Llm | null> {
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
  if (fields !== null) one(0);
  let turn = 0;
  for (let each = fields === null ? first(tape, 0) : -1; each !== -1; each = sibling(tape, each)) {
    one(each);
    if (each - turn < SLICE) continue;
    turn = each;
    yield;
  }
  if (!known) return null;
  return {
    ...NO_CALL,
    dialect: "mcp",
    operation: tool ? "tool" : "other",
    toolCalls: calls,
  };
}

/** MCP, by its envelope: JSON-RPC 2.0 with a method the protocol has. Null: something else. */
function mcpMethod(tape: JsonTape, object: number): string | null {
  if (stringAt(tape, member(tape, object, "jsonrpc")) !== "2.0") return null;
  const method = stringAt(tape, member(tape, object, "method"), 128);
  if (method === null) return null;
  return method === "initialize" || method === "ping" || MCP_METHOD.test(method) ? method : null;
}

const MCP_METHOD =
  /^(?:tools|resources|prompts|notifications|completion|sampling|logging|roots|elicitation|tasks)\/[a-z_/]+$/;
