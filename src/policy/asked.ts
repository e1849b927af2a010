/** One question with what conditions read of it, each part made when the first condition needs it. */
import { decodeJsonText } from "../content/coding.ts";
import type { Fact, Facts } from "../content/facts.ts";
import type { GraphQl } from "../content/graphql.ts";
import type { Llm, LlmMessage, TextRange } from "../content/llm.ts";
import type { Finding } from "../model/finding.ts";
import type { Credential, Field, Question } from "../model/question.ts";
import { type PathReadings, readPath } from "./path-readings.ts";

/**
 * Unknown: it cannot be told. Some: several values, or readings of one, stand where a rule looks, and not all of them are
 * what it says. In this order: of conditions that must all hold the least counts.
 */
export const NO = 0;
export const UNKNOWN = 1;
export const SOME = 2;
export const YES = 3;
export type Truth = typeof NO | typeof UNKNOWN | typeof SOME | typeof YES;

export function ofSome(matching: number, all: number): Truth {
  return matching === 0 ? NO : matching === all ? YES : SOME;
}

export function not(truth: Truth): Truth {
  return truth === NO ? YES : truth === YES ? NO : truth;
}

/** What of a question is there at all; evidence keeps only a part. */
export interface Known {
  /** Query, headers, parent agent, the body. */
  readonly content: boolean;
  readonly findings: boolean;
}

export interface SpokenMessage {
  readonly role: string;
  readonly texts: readonly string[];
}

const MAX_MESSAGES = 2 * 1024 * 1024;
const ALL_KNOWN: Known = { content: true, findings: true };
const READS: readonly string[] = ["GET", "HEAD", "OPTIONS"];
const OVERRIDES: readonly string[] = ["x-http-method-override", "x-http-method", "x-method-override"];
const NO_VALUES: readonly (string | Credential)[] = [];

export class Asked {
  readonly question: Question;
  readonly facts: Facts;
  readonly findings: readonly Finding[];
  readonly known: Known;
  #path: PathReadings | null | undefined;
  #headers: Map<string, (string | Credential)[]> | undefined;
  #query: Map<string, (string | Credential)[]> | undefined;
  #class: "read" | "write" | "unknown" | undefined;
  #llm: Fact<Llm | null> | undefined;
  #graphql: Fact<GraphQl | null> | undefined;
  #messages: readonly SpokenMessage[] | null | undefined;

  constructor(question: Question, facts: Facts, findings: readonly Finding[], known: Known = ALL_KNOWN) {
    this.question = question;
    this.facts = facts;
    this.findings = findings;
    this.known = known;
  }

  get path(): PathReadings | null {
    if (this.#path === undefined) this.#path = readPath(this.question.path);
    return this.#path;
  }

  get llm(): Fact<Llm | null> {
    this.#llm ??= this.facts.llm();
    return this.#llm;
  }

  get graphql(): Fact<GraphQl | null> {
    this.#graphql ??= this.facts.graphql();
    return this.#graphql;
  }

  /** By the name in lower case; trailers count too. */
  headers(name: string): readonly (string | Credential)[] {
    if (this.#headers === undefined) {
      this.#headers = new Map();
      group(this.question.headers, this.#headers, (text) => text.toLowerCase());
      group(this.question.trailers, this.#headers, (text) => text.toLowerCase());
    }
    return this.#headers.get(name) ?? NO_VALUES;
  }

  headerNames(): IterableIterator<string> {
    this.headers("");
    return (this.#headers ?? new Map<string, (string | Credential)[]>()).keys();
  }

  /** By the decoded name. */
  query(name: string): readonly (string | Credential)[] {
    if (this.#query === undefined) {
      this.#query = new Map();
      group(this.question.query, this.#query, decodeParameter);
    }
    return this.#query.get(name) ?? NO_VALUES;
  }

  queryNames(): IterableIterator<string> {
    this.query("");
    return (this.#query ?? new Map<string, (string | Credential)[]>()).keys();
  }

  /** Without parameters, in lower case. */
  contentTypes(): readonly string[] {
    return this.headers("content-type").map((value) =>
      typeof value === "string" ? (value.split(";", 1)[0] ?? "").trim().toLowerCase() : "",
    );
  }

  /** GET, HEAD, OPTIONS and GraphQL queries read; whatever could be read as something else writes. */
  get class(): "read" | "write" | "unknown" {
    this.#class ??= this.#classify();
    return this.#class;
  }

  #classify(): "read" | "write" | "unknown" {
    const { method, phase, upgrade } = this.question;
    if (phase === "tunnel" || method === "CONNECT") return "unknown";
    const reads = READS.includes(method);
    if (reads && upgrade !== null) return "write";
    // Of evidence: headers that turn a GET into something else are rare enough to be left out.
    if (!this.known.content) return reads ? "read" : method === "POST" ? "unknown" : "write";
    if (OVERRIDES.some((name) => this.headers(name).length > 0) || this.query("_method").length > 0) return "write";
    if (!reads && method !== "POST") return "write";
    const graphql = this.graphql;
    if (!graphql.known) return reads ? "read" : "unknown";
    if (graphql.value === null) return reads ? "read" : "write";
    const { persisted, operations } = graphql.value;
    if (persisted) return "unknown";
    return operations.length > 0 && operations.every(({ kind }) => kind === "query") ? "read" : "write";
  }

  /**
   * Role and texts of every message, system prompts first; null for more than 2 MiB of them, which nobody reads in one
   * go. Only after `llm` is known to be a call.
   */
  get messages(): readonly SpokenMessage[] | null {
    if (this.#messages !== undefined) return this.#messages;
    const fact = this.llm;
    const llm = fact.known ? fact.value : null;
    const all: Pick<LlmMessage, "role" | "texts">[] = [
      ...(llm?.system ?? []).map((range) => ({ role: "system", texts: [range] })),
      ...(llm?.messages ?? []),
    ];
    let bytes = 0;
    for (const { texts } of all) for (const { start, end } of texts) bytes += end - start;
    this.#messages =
      bytes > MAX_MESSAGES
        ? null
        : all.map(({ role, texts }) => ({ role, texts: texts.map((range) => this.text(range)) }));
    return this.#messages;
  }

  /** The text of a range of the body. */
  text({ start, end, escaped }: TextRange): string {
    const bytes = this.question.body ?? NO_BODY;
    return decoder.decode(escaped ? decodeJsonText(bytes, start, end) : bytes.subarray(start, end));
  }
}

const NO_BODY = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function group(
  fields: readonly Field[],
  into: Map<string, (string | Credential)[]>,
  named: (text: string) => string,
): void {
  for (const [name, value] of fields) {
    const key = named(name);
    const values = into.get(key);
    if (values === undefined) into.set(key, [value]);
    else values.push(value);
  }
}

/** A parameter's name or value as a form has it; what cannot be decoded stays as it is. */
export function decodeParameter(text: string): string {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}
