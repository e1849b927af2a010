/** One question with what conditions read of it, each part made when the first condition needs it. */
import { decodeJsonText } from "../content/coding.ts";
import type { Fact, Facts, JsonFact } from "../content/facts.ts";
import type { GraphQl } from "../content/graphql.ts";
import type { JsonPath } from "../content/json-path.ts";
import type { Llm, LlmMessage, LlmToolCall, TextRange } from "../content/llm.ts";
import { REDACTED_UNCLEAR } from "../dlp/redact-path.ts";
import type { Finding } from "../model/finding.ts";
import type { Credential, Field, Question } from "../model/question.ts";
import { isKnownMethod, isRead } from "../wire/methods.ts";
import { type PathReadings, readPath } from "../wire/path-readings.ts";
import { argumentTexts } from "./_arguments.ts";
import { isGraphQlPost, mayAskInUrl, onlyQueries } from "./_class.ts";
import { overridesOf } from "./_overrides.ts";
import { decodeParameter, looseName } from "./_parameters.ts";
import { Trigrams } from "./_trigrams.ts";

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
  /** Its parts; of more than one also all of them together. */
  readonly texts: readonly string[];
  /** All of them in lower case. */
  readonly lowered: string;
}

/** What regular expressions may read for one question, in characters; each text counts as some more. */
const MAX_MATCHED = 50_000;
const MATCH_COST = 64;

const MAX_MESSAGES = 2 * 1024 * 1024;
const ALL_KNOWN: Known = { content: true, findings: true };
const NO_VALUES: readonly (string | Credential)[] = [];

export class Asked {
  readonly question: Question;
  readonly facts: Facts;
  readonly findings: readonly Finding[];
  readonly known: Known;
  #path: PathReadings | null | undefined;
  #headers: Map<string, (string | Credential)[]> | undefined;
  #query: Map<string, (string | Credential)[]> | undefined;
  #queryLike: Map<string, (string | Credential)[]> | undefined;
  #methods: readonly string[] | null | undefined;
  #class: "read" | "write" | "unknown" | undefined;
  #llm: Fact<Llm | null> | undefined;
  #graphql: Fact<GraphQl | null> | undefined;
  #json: Map<string, Fact<readonly JsonFact[]>> | undefined;
  #matched = 0;
  #messages: readonly SpokenMessage[] | null | undefined;

  constructor(question: Question, facts: Facts, findings: readonly Finding[], known: Known = ALL_KNOWN) {
    this.question = question;
    this.facts = facts;
    this.findings = findings;
    this.known = known;
  }

  get path(): PathReadings | null {
    if (this.#path === undefined) {
      const { path } = this.question;
      this.#path = path.includes(REDACTED_UNCLEAR) ? null : readPath(path);
    }
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

  /**
   * What others take for a parameter of this name: in another case, with marks of a list, cut off at a zero or parted at a
   * semicolon.
   */
  queryLike(name: string): readonly (string | Credential)[] {
    if (this.#queryLike === undefined) {
      this.#queryLike = new Map();
      for (const [given, value] of this.question.query) {
        const key = decodeParameter(given);
        const loose = looseName(key);
        const pieces = typeof value === "string" ? value.split(";") : [value];
        if (loose !== key || pieces.length > 1) add(this.#queryLike, loose, pieces[0] ?? "");
        for (const piece of pieces.slice(1)) {
          if (typeof piece !== "string") continue;
          const equals = piece.indexOf("=");
          const inner = equals === -1 ? piece : piece.slice(0, equals);
          add(this.#queryLike, looseName(decodeParameter(inner)), equals === -1 ? "" : piece.slice(equals + 1));
        }
      }
    }
    return this.#queryLike.size === 0 ? NO_VALUES : (this.#queryLike.get(looseName(name)) ?? NO_VALUES);
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

  /**
   * What a server may take the request's method for: its own, and those that override fields name. Null: not known. Of
   * evidence only its own is kept.
   */
  get methods(): readonly string[] | null {
    if (this.#methods === undefined) this.#methods = this.#readMethods();
    return this.#methods;
  }

  #readMethods(): readonly string[] | null {
    const { method } = this.question;
    const own = [method];
    if (method.toUpperCase() !== method) own.push(method.toUpperCase());
    if (!this.known.content) return own;
    const said = overridesOf(this);
    if (said === null) return null;
    for (const value of said) {
      const named = typeof value === "string" ? decodeParameter(value).trim().toUpperCase() : "";
      if (!isKnownMethod(named)) return null;
      own.push(named);
    }
    return own;
  }

  /** GET, HEAD, OPTIONS and GraphQL queries read; whatever could be read as something else writes. */
  get class(): "read" | "write" | "unknown" {
    this.#class ??= this.#classify();
    return this.#class;
  }

  #classify(): "read" | "write" | "unknown" {
    const { method, phase, upgrade } = this.question;
    if (phase === "tunnel" || method === "CONNECT") return "unknown";
    const reads = isRead(method);
    if (reads && upgrade !== null) return "write";
    // Of evidence: headers that turn a GET into something else are rare enough to be left out.
    if (!this.known.content) return reads ? "read" : method === "POST" ? "unknown" : "write";
    const own = method === method.toUpperCase() ? 1 : 2;
    if (this.methods === null || this.methods.length > own) return "write";
    if (!reads && method !== "POST") return "write";
    if (!reads && !isGraphQlPost(this)) return "write";
    const graphql = this.graphql;
    if (reads && mayAskInUrl(this, graphql.known ? graphql.value : null)) return "write";
    if (!graphql.known) return reads ? "read" : "unknown";
    if (graphql.value === null) return reads ? "read" : "write";
    if (graphql.value.persisted) return "unknown";
    return onlyQueries(graphql.value) ? "read" : "write";
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
        : all.map(({ role, texts: ranges }) => {
            const texts = ranges.map((range) => this.text(range));
            // What a word is parted over, a model reads as one.
            if (texts.length > 1) texts.push(texts.join(""));
            return { role, texts, lowered: texts.join("\n").toLowerCase() };
          });
    return this.#messages;
  }

  /**
   * What calls of tools are given: the arguments as they are written, and every text and name in them; null for more than
   * 2 MiB.
   */
  argumentsOf(calls: readonly LlmToolCall[]): readonly Pick<SpokenMessage, "texts" | "lowered">[] | null {
    let bytes = 0;
    for (const { arguments: range } of calls) if (range !== null) bytes += range.end - range.start;
    if (bytes > MAX_MESSAGES) return null;
    return calls.map(({ arguments: range }) => {
      const texts = range === null ? [] : argumentTexts(this.text(range));
      return { texts, lowered: texts.join("\n").toLowerCase() };
    });
  }

  /** False: no message has it. In lower case. */
  mayBeSaid(needle: string): boolean {
    const messages = this.messages;
    if (messages === null) return true;
    // One question is ruled after the other, and the table is of the last.
    if (lastSaid !== this) {
      said = new Trigrams(messages.map(({ lowered }) => lowered));
      lastSaid = this;
    }
    return said?.mayHave(needle) ?? true;
  }

  /** Whether regular expressions may still read this much. */
  mayMatch(length: number): boolean {
    this.#matched += length + MATCH_COST;
    return this.#matched <= MAX_MATCHED;
  }

  json(path: JsonPath, key: string): Fact<readonly JsonFact[]> {
    let fact = this.#json?.get(key);
    if (fact === undefined) {
      fact = this.facts.json(path);
      this.#json ??= new Map();
      this.#json.set(key, fact);
    }
    return fact;
  }

  /** The text of a range of the body. */
  text({ start, end, escaped }: TextRange): string {
    const bytes = this.question.body ?? NO_BODY;
    return decoder.decode(escaped ? decodeJsonText(bytes, start, end) : bytes.subarray(start, end));
  }
}

let lastSaid: Asked | null = null;
let said: Trigrams | null = null;

const NO_BODY = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function group(
  fields: readonly Field[],
  into: Map<string, (string | Credential)[]>,
  named: (text: string) => string,
): void {
  for (const [name, value] of fields) {
    add(into, named(name), value);
  }
}

function add(into: Map<string, (string | Credential)[]>, key: string, value: string | Credential): void {
  const values = into.get(key);
  if (values === undefined) into.set(key, [value]);
  else values.push(value);
}
