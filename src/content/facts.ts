/**
 * What is known of a request beyond its head. Nothing is read before somebody asks, nothing is read twice, and what has
 * two readings is not known: whoever needs it refuses.
 */
import type { Question } from "../model/question.ts";
import { type Body, readBody, type Trouble, type Unknown } from "./body.ts";
import { decodeText } from "./coding.ts";
import { finish } from "./finish.ts";
import type { GraphQl } from "./graphql.ts";
import { readGraphQl } from "./graphql-read.ts";
import { JsonTape } from "./json.ts";
import { type JsonKind, kindOf, materialise, TOO_BIG, textOf } from "./json-look.ts";
import { findAll, type JsonPath } from "./json-path.ts";
import type { Llm } from "./llm.ts";
import { readFormLlm, readLlm } from "./llm-read.ts";

export type { Unknown };

export type Fact<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly reason: Unknown; readonly detail: string };

/** One value of a JSON body. */
export interface JsonFact {
  /** False: a key on the way is written in other letters, and only those who fold keys find it. */
  readonly exact: boolean;
  readonly kind: JsonKind;
  /** Of a string the text, of anything else how it is written. */
  readonly text: string;
  /** Bytes of the body, of a string inside its quotes. */
  readonly start: number;
  readonly end: number;
  /** As JavaScript has it (numbers are doubles, objects have no prototype); undefined for more than 10,000 nodes. */
  value(): unknown;
}

export interface Facts {
  readonly question: Question;
  /** The body and its texts, read as far as it can be. */
  body(): Body;
  /**
   * Reads the body and yields every 32 KiB or so, `llm` also the call of a model: for one too large to be read in one go. Without it the first question
   * reads all of it.
   */
  prepare(also?: "llm"): Generator<void, void>;
  /** Null: no call of a model. */
  llm(): Fact<Llm | null>;
  /** Null: no GraphQL. */
  graphql(): Fact<GraphQl | null>;
  /** What a path leads to in a JSON body, also by keys that are alike; empty when the body is no JSON or has nothing there. */
  json(path: JsonPath): Fact<readonly JsonFact[]>;
  /** Values of a form's field (urlencoded or multipart), decoded; empty when there is none. */
  form(name: string): Fact<readonly string[]>;
  /** The tape is used again by others: nothing of these facts may be asked or read afterwards. Not calling it costs memory only. */
  release(): void;
}

const MOST_VALUE_NODES = 10_000;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Tapes of usual size that nobody uses now. */
const spare: JsonTape[] = [];
const MAX_SPARE = 16;
const USUAL_NODES = 16 * 1024;

export function factsOf(question: Question): Facts {
  return new LazyFacts(question);
}

class LazyFacts implements Facts {
  readonly question: Question;
  #tape: JsonTape | null = null;
  #body: Body | null = null;
  #llm: Fact<Llm | null> | null = null;
  #graphql: Fact<GraphQl | null> | null = null;

  constructor(question: Question) {
    this.question = question;
  }

  *prepare(also?: "llm"): Generator<void, void> {
    if (this.#body === null) {
      this.#tape ??= spare.pop() ?? new JsonTape();
      this.#body = yield* readBody(this.question, this.#tape);
    }
    if (also === "llm") this.#llm ??= yield* this.#readLlm();
  }

  body(): Body {
    if (this.#body === null) {
      const steps = this.prepare();
      while (!steps.next().done);
    }
    return this.#body as unknown as Body;
  }

  llm(): Fact<Llm | null> {
    this.#llm ??= finish(this.#readLlm());
    return this.#llm;
  }

  graphql(): Fact<GraphQl | null> {
    this.#graphql ??= this.#readGraphQl();
    return this.#graphql;
  }

  json(path: JsonPath): Fact<readonly JsonFact[]> {
    const { tape, trouble } = this.body();
    if (trouble !== null) return unknown(trouble);
    if (tape === null) return known([]);
    const found = findAll(tape, path);
    if (found === null) return unknown({ reason: "too_many", detail: "too many values where the path leads" });
    return known(found.map(({ node, exact }) => jsonFact(tape, node, exact)));
  }

  form(name: string): Fact<readonly string[]> {
    const { bytes, fields, parts, trouble } = this.body();
    if (trouble !== null) return unknown(trouble);
    const values: string[] = [];
    for (const field of fields) {
      if (field.name === name) values.push(decoder.decode(decodeText("form", bytes, field.start, field.end)));
    }
    for (const part of parts) {
      if (part.name === name && part.filename === null)
        values.push(decoder.decode(bytes.subarray(part.start, part.end)));
    }
    return known(values);
  }

  release(): void {
    const tape = this.#tape;
    this.#tape = null;
    if (tape !== null && tape.kind.length <= USUAL_NODES && spare.length < MAX_SPARE) spare.push(tape);
  }

  *#readLlm(): Generator<void, Fact<Llm | null>> {
    const body = this.body();
    if (body.trouble !== null) return unknown(body.trouble);
    if (body.kind === "multipart") return known(readFormLlm(this.question, body));
    if (body.tape === null) return known(null);
    const found = yield* readLlm(this.question, body.tape);
    if (found === "too_many") return unknown({ reason: found, detail: "too many values in one message" });
    if (found === "ambiguous")
      return unknown({
        reason: found,
        detail: "keys that differ in case only, two protocols, or a path or models read in two ways",
      });
    return known(found);
  }

  #readGraphQl(): Fact<GraphQl | null> {
    const body = this.body();
    if (body.trouble !== null) return unknown(body.trouble);
    const found = readGraphQl(this.question, body, body.type);
    return found !== null && "reason" in found ? unknown(found) : known(found);
  }
}

function known<T>(value: T): Fact<T> {
  return { known: true, value };
}

function unknown({ reason, detail }: Trouble): Fact<never> {
  return { known: false, reason, detail };
}

function jsonFact(tape: JsonTape, node: number, exact: boolean): JsonFact {
  return {
    exact,
    kind: kindOf(tape, node),
    text: textOf(tape, node),
    start: tape.start[node] as number,
    end: tape.end[node] as number,
    value() {
      const value = materialise(tape, node, MOST_VALUE_NODES);
      return value === TOO_BIG ? undefined : value;
    },
  };
}
