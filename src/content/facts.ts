/**
 * What is known of a request beyond its head. Nothing is read before somebody asks, nothing is read twice, and what has
 * two readings is not known: whoever needs it refuses.
 */
import type { Question } from "../model/question.ts";
import type { GraphQl } from "./graphql.ts";
import { JSON_LIMITS, JsonTape } from "./json.ts";
import { kindOf, materialise, TOO_BIG, textOf } from "./json-look.ts";
import { findNodes, type JsonPath } from "./json-path.ts";
import type { Llm } from "./llm.ts";

/** Why something is not known. `ambiguous`: two programs could read it in two ways. */
export type Unknown = "invalid" | "too_large" | "too_deep" | "too_many" | "ambiguous";

export type Fact<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly reason: Unknown; readonly detail: string };

/** One value of a JSON body. */
export interface JsonFact {
  readonly kind: "object" | "array" | "string" | "number" | "boolean" | "null";
  /** Of a string the text, of anything else how it is written. */
  readonly text: string;
  /** Bytes of the body, of a string inside its quotes. */
  readonly start: number;
  readonly end: number;
  /** As JavaScript has it (numbers are doubles); null for more than 10,000 nodes. */
  value(): unknown;
}

export interface Facts {
  readonly question: Question;
  /** Does what the answers need, a few tens of microseconds at a time: for bodies too large to be read in one go. Without it the first answer reads all. */
  prepare(): Generator<void, void>;
  /** Null: no call of a model. */
  llm(): Fact<Llm | null>;
  /** Null: no GraphQL. */
  graphql(): Fact<GraphQl | null>;
  /** What a path leads to in a JSON body; empty when the body is no JSON or has nothing there. */
  json(path: JsonPath): Fact<readonly JsonFact[]>;
  /** Values of a form's field (urlencoded or multipart), decoded; empty when there is none. */
  form(name: string): Fact<readonly string[]>;
}

const MOST_VALUE_NODES = 10_000;
const SLICE = 32 * 1024;

export function factsOf(question: Question): Facts {
  return new LazyFacts(question);
}

class LazyFacts implements Facts {
  readonly question: Question;
  #tape: JsonTape | null = null;

  constructor(question: Question) {
    this.question = question;
  }

  *prepare(): Generator<void, void> {
    const tape = new JsonTape();
    tape.begin(this.question.body ?? new Uint8Array(0), JSON_LIMITS);
    while (!tape.step(SLICE)) yield;
    this.#tape = tape;
  }

  llm(): Fact<Llm | null> {
    return { known: true, value: null };
  }

  graphql(): Fact<GraphQl | null> {
    return { known: true, value: null };
  }

  json(path: JsonPath): Fact<readonly JsonFact[]> {
    const tape = this.#read();
    return { known: true, value: findNodes(tape, path).map((node) => jsonFact(tape, node)) };
  }

  form(_name: string): Fact<readonly string[]> {
    return { known: true, value: [] };
  }

  #read(): JsonTape {
    this.#tape ??= new JsonTape().read(this.question.body ?? new Uint8Array(0));
    return this.#tape;
  }
}

function jsonFact(tape: JsonTape, node: number): JsonFact {
  return {
    kind: kindOf(tape, node),
    text: textOf(tape, node),
    start: tape.start[node] as number,
    end: tape.end[node] as number,
    value() {
      const value = materialise(tape, node, MOST_VALUE_NODES);
      return value === TOO_BIG ? null : value;
    },
  };
}
