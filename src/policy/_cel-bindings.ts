/** The environment of CEL expressions: docs/policy.md has it as a table. What cannot be known makes an expression fail. */
import type { CelInput, CelResult } from "@bufbuild/cel";
import { decodeParameter } from "./_parameters.ts";
import type { Asked } from "./asked.ts";

type Value = string | number | bigint | boolean | null | readonly Value[] | ReadonlyMap<string, Value>;

/** More than this of anything is not given to an expression. */
const MAX_ELEMENTS = 1000;
const MAX_TEXT = 262_144;

/** Names an expression may use; `tunnel`: there for a tunnel as well. */
export const celRoots: Readonly<Record<string, { readonly tunnel: boolean }>> = {
  request: { tunnel: false },
  agent: { tunnel: true },
  parent: { tunnel: true },
  tenant: { tunnel: true },
  now: { tunnel: true },
  llm: { tunnel: false },
  graphql: { tunnel: false },
  json: { tunnel: false },
  findings: { tunnel: false },
};

export const celFields: Readonly<Record<string, readonly string[]>> = {
  request: [
    ...["method", "scheme", "host", "port", "path", "query", "headers", "credentials", "content_type"],
    ...["body_size", "class", "door", "phase", "upgrade"],
  ],
  llm: [
    ...["present", "dialect", "operation", "model", "stream", "messages", "tools", "tool_calls"],
    ...["max_tokens", "input_tokens", "images", "files"],
  ],
  graphql: ["present", "operations", "persisted", "batch"],
};

export type Bindings = Record<string, CelInput>;

/** What servers may take a request for; an expression is asked of each. */
interface Reading {
  readonly path: string;
  readonly method: string;
}

/** Each costs an evaluation. */
const MAX_READINGS = 64;

/** Those that differ in what is read; the first is the usual one. A text says that nobody knows them. */
export function celReadings(
  asked: Asked,
  reads: { readonly path: boolean; readonly method: boolean },
): readonly Reading[] | string {
  const { method } = asked.question;
  if (reads.path && asked.path === null) return "nobody knows how the path is read";
  if (reads.method && asked.methods === null) return "nobody knows which method it is taken for";
  const paths = reads.path ? (asked.path?.readings ?? []).map((segments) => `/${segments.join("/")}`) : [""];
  const methods = reads.method ? [...new Set(asked.methods)] : [method];
  if (paths.length * methods.length > MAX_READINGS) return "it can be read in too many ways";
  return methods.flatMap((each) => paths.map((path) => ({ path, method: each })));
}

/** Makes the bindings those of another reading. */
export function readAs({ request }: Bindings, { path, method }: Reading): void {
  if (request instanceof Map) request.set("path", path).set("method", method);
}

/** A text says what is not known. Only the roots an expression names are made. */
export function celBindings(
  asked: Asked,
  roots: ReadonlySet<string>,
  instant: (ms: number) => CelResult,
): Bindings | string {
  const bindings: Bindings = {};
  const { question, known } = asked;
  if (!known.content && ["llm", "graphql", "json", "parent"].some((root) => roots.has(root))) return "it is not kept";
  if (!known.findings && roots.has("findings")) return "findings are not kept";
  if (roots.has("agent")) bindings.agent = question.agent ?? "";
  if (roots.has("parent")) bindings.parent = question.parentAgent ?? "";
  if (roots.has("tenant")) bindings.tenant = question.org;
  if (roots.has("now")) bindings.now = instant(question.at) as CelInput;
  if (roots.has("request")) bindings.request = requestOf(asked) as CelInput;
  if (roots.has("llm")) {
    const llm = llmOf(asked);
    if (typeof llm === "string") return llm;
    bindings.llm = llm as CelInput;
  }
  if (roots.has("graphql")) {
    const graphql = graphqlOf(asked);
    if (typeof graphql === "string") return graphql;
    bindings.graphql = graphql as CelInput;
  }
  if (roots.has("json")) {
    const fact = asked.facts.json([]);
    if (!fact.known) return fact.detail;
    const [root] = fact.value;
    const value = root?.value();
    if (root !== undefined && value === undefined) return "the JSON of the body is too large for CEL";
    bindings.json = (root === undefined ? new Map() : mapped(value)) as CelInput;
  }
  if (roots.has("findings")) {
    if (asked.findings.length > MAX_ELEMENTS) return "there are too many findings";
    bindings.findings = asked.findings.map(
      ({ pillar, vector, name, severity, where, view }) =>
        new Map(Object.entries({ pillar, vector, name, severity, where, view })),
    ) as CelInput;
  }
  return bindings;
}

function requestOf(asked: Asked): ReadonlyMap<string, Value> {
  const { question, known } = asked;
  const made = new Map<string, Value>([
    ["method", question.method],
    ["scheme", question.scheme],
    ["host", question.host],
    ["port", BigInt(question.port)],
    ["path", question.path],
    ["door", question.door],
    ["phase", question.phase],
  ]);
  // What is not kept is left out: reading it fails.
  if (!known.content) return made;
  const credentials = new Map<string, Value>();
  made.set("upgrade", question.upgrade ?? "");
  made.set("body_size", BigInt(question.body?.length ?? 0));
  made.set("content_type", asked.contentTypes()[0] ?? "");
  if (asked.class !== "unknown") made.set("class", asked.class);
  made.set(
    "headers",
    fieldsOf(asked.headerNames(), (name) => asked.headers(name), credentials),
  );
  made.set(
    "query",
    fieldsOf(asked.queryNames(), (name) => asked.query(name), credentials, decodeParameter),
  );
  made.set("credentials", credentials);
  return made;
}

function fieldsOf(
  names: Iterable<string>,
  read: (name: string) => readonly (string | { readonly kind: string; readonly issuer: string | null })[],
  credentials: Map<string, Value>,
  decode: (text: string) => string = (text) => text,
): ReadonlyMap<string, Value> {
  const made = new Map<string, Value>();
  for (const name of names) {
    if (made.size === MAX_ELEMENTS) break;
    const texts: string[] = [];
    for (const value of read(name)) {
      if (typeof value === "string") texts.push(decode(value));
      else credentials.set(name, new Map(Object.entries({ kind: value.kind, issuer: value.issuer ?? "" })));
    }
    if (texts.length > 0) made.set(name, texts.join(", "));
  }
  return made;
}

function llmOf(asked: Asked): ReadonlyMap<string, Value> | string {
  const fact = asked.llm;
  if (!fact.known) return fact.detail;
  const llm = fact.value;
  const made = new Map<string, Value>([
    ["present", llm !== null],
    ["dialect", llm?.dialect ?? ""],
    ["operation", llm?.operation ?? ""],
    ["model", llm?.model ?? ""],
    ["stream", llm?.stream ?? false],
    ["tools", llm?.tools ?? []],
    ["tool_calls", llm?.toolCalls.map(({ name }) => name) ?? []],
    ["max_tokens", BigInt(Math.trunc(llm?.maxTokens ?? 0))],
    ["input_tokens", BigInt(Math.trunc(llm?.inputTokens ?? 0))],
    ["images", BigInt(llm?.images ?? 0)],
    ["files", BigInt(llm?.files ?? 0)],
  ]);
  const messages: Value[] = [];
  let length = 0;
  const add = (role: string, texts: NonNullable<typeof llm>["system"]): void => {
    const text = texts.map((range) => asked.text(range)).join("\n");
    length += text.length;
    messages.push(new Map(Object.entries({ role, text })));
  };
  const ranges = [...(llm?.system ?? []), ...(llm?.messages ?? []).flatMap(({ texts }) => texts)];
  if (ranges.reduce((sum, { start, end }) => sum + end - start, 0) > MAX_TEXT)
    return "the messages are too long for CEL";
  for (const text of llm?.system ?? []) add("system", [text]);
  for (const { role, texts } of llm?.messages ?? []) add(role, texts);
  const elements = Math.max(messages.length, llm?.tools.length ?? 0, llm?.toolCalls.length ?? 0);
  if (length > MAX_TEXT || elements > MAX_ELEMENTS) return "the messages are too long for CEL";
  return made.set("messages", messages);
}

function graphqlOf(asked: Asked): ReadonlyMap<string, Value> | string {
  const fact = asked.graphql;
  if (!fact.known) return fact.detail;
  const operations = fact.value?.operations ?? [];
  if (operations.reduce((sum, { fields }) => sum + 1 + fields.length, 0) > MAX_ELEMENTS)
    return "it is too large for CEL";
  return new Map<string, Value>([
    ["present", fact.value !== null],
    ["persisted", fact.value?.persisted ?? false],
    ["batch", BigInt(fact.value?.batch ?? 0)],
    [
      "operations",
      operations.map(
        ({ kind, name, fields }) =>
          new Map<string, Value>([
            ["type", kind],
            ["name", name ?? ""],
            ["fields", fields],
          ]),
      ),
    ],
  ]);
}

/** Objects as maps: the library tells a plain object by its constructor, which is a name a body may have. */
function mapped(value: unknown): Value {
  if (Array.isArray(value)) return value.map(mapped);
  if (typeof value === "object" && value !== null) {
    return new Map(Object.entries(value).map(([key, of]) => [key, mapped(of)]));
  }
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}
