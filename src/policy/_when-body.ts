/** Conditions on what a body says. Nothing of it is read before one of them asks. */
import type { JsonFact } from "../content/facts.ts";
import { parsePath } from "../content/json-path.ts";
import { quote } from "../words/quote.ts";
import type { Conditions, JsonTest } from "./_schema-when.ts";
import { listOf } from "./_values.ts";
import { textTest } from "./_when-head.ts";
import { llmConditions, lowered, some, whyUnknown } from "./_when-llm.ts";
import { type Asked, NO, ofSome, SOME, type Truth, UNKNOWN, YES } from "./asked.ts";
import { type Compiling, type Condition, saying, sayRange } from "./condition.ts";
import { compileGlob } from "./glob.ts";

export function bodyConditions(when: Conditions, compiling: Compiling): Condition[] {
  const made: Condition[] = [];
  const { path, words } = compiling;
  if (when.content_types !== undefined) {
    const patterns = lowered(words(when.content_types, [...path, "content_types"]));
    made.push({
      name: "content_types",
      says: saying(listOf(when.content_types)),
      tunnel: false,
      cost: 2,
      test: (asked) => (asked.known.content ? some(asked.contentTypes(), patterns) : UNKNOWN),
      found: (asked) => (asked.known.content ? saying(asked.contentTypes()) || "none" : "not kept"),
    });
  }
  if (when.body !== undefined) {
    const { min_bytes = 0, max_bytes = Number.POSITIVE_INFINITY } = when.body;
    made.push({
      name: "body",
      says: sayRange(when.body.min_bytes, when.body.max_bytes, " bytes"),
      tunnel: false,
      cost: 0,
      test({ question: { body }, known }) {
        if (!known.content) return UNKNOWN;
        const size = body?.length ?? 0;
        return size >= min_bytes && size <= max_bytes ? YES : NO;
      },
      found: ({ question }) => `${question.body?.length ?? 0} bytes`,
    });
  }
  made.push(...llmConditions(when, compiling));
  if (when.graphql !== undefined) made.push(graphql(when.graphql, compiling));
  for (const [place, test] of Object.entries(when.json ?? {})) {
    const condition = json(place, isTest(test) ? test : { eq: test }, compiling);
    if (condition !== null) made.push(condition);
  }
  return made;
}

/** Values at one path that are looked at; of more it is not known. */
const MAX_VALUES = 1000;
function graphql(given: NonNullable<Conditions["graphql"]>, { path, words }: Compiling): Condition {
  const operations = listOf(given.operations);
  const names = words(given.names, [...path, "graphql", "names"]).map(compileGlob);
  const fields = words(given.fields, [...path, "graphql", "fields"]).map(compileGlob);
  return {
    name: "graphql",
    says: saying([...operations, ...names.map(({ text }) => text), ...fields.map(({ text }) => text)]),
    tunnel: false,
    cost: 5,
    test(asked) {
      if (!asked.known.content) return UNKNOWN;
      const fact = asked.graphql;
      if (!fact.known) return UNKNOWN;
      if (fact.value === null) return NO;
      if (fact.value.persisted) return UNKNOWN;
      const asks = fact.value.operations;
      let truth: Truth = YES;
      const narrow = (matching: number, all: number): void => {
        truth = Math.min(truth, ofSome(matching, all)) as Truth;
      };
      if (operations.length > 0) narrow(asks.filter(({ kind }) => operations.includes(kind)).length, asks.length);
      if (names.length > 0) {
        const named = asks.filter(({ name }) => name !== null && names.some((pattern) => pattern.test(name)));
        narrow(named.length, asks.length);
      }
      if (fields.length > 0) {
        const all = asks.flatMap((operation) => operation.fields);
        narrow(all.filter((field) => fields.some((pattern) => pattern.test(field))).length, all.length);
      }
      return truth;
    },
    found(asked) {
      if (!asked.known.content) return "not kept";
      const fact = asked.graphql;
      if (!fact.known) return whyUnknown(fact);
      if (fact.value === null) return "no GraphQL";
      return saying(fact.value.operations.map(({ kind, fields: top }) => `${kind} { ${top.join(" ")} }`));
    },
  };
}

function json(place: string, test: JsonTest, compiling: Compiling): Condition | null {
  const at = [...compiling.path, "json", place];
  const parsed = place.startsWith("$") ? parsePath(place) : null;
  if (parsed === null) {
    compiling.problem(at, `${quote(place)} is not a path such as $.order.items[*].amount`);
    return null;
  }
  const checks: ((fact: JsonFact, asked: Asked) => Truth)[] = [];
  if (test.eq !== undefined) checks.push(among([test.eq]));
  if (test.in !== undefined) checks.push(among(test.in));
  for (const [key, holds] of COMPARISONS) {
    const bound = test[key];
    if (bound !== undefined) {
      checks.push((fact) => {
        const number = numberOf(fact);
        return number === null ? UNKNOWN : holds(number, bound) ? YES : NO;
      });
    }
  }
  if (test.glob !== undefined || test.regex !== undefined) {
    const matches = textTest(
      {
        ...(test.glob === undefined ? {} : { glob: test.glob }),
        ...(test.regex === undefined ? {} : { regex: test.regex }),
      },
      compiling,
      at,
    );
    checks.push((fact, asked) => (fact.kind === "object" || fact.kind === "array" ? NO : matches(fact.text, asked)));
  }
  if (Object.keys(test).length === 0) compiling.problem(at, "says nothing: give exists, eq, in, gt, lt, glob or regex");
  return {
    name: `json ${place}`,
    says: JSON.stringify(test),
    tunnel: false,
    cost: 6,
    test(asked) {
      if (!asked.known.content) return UNKNOWN;
      const fact = asked.json(parsed, place);
      if (!fact.known) return UNKNOWN;
      const values = fact.value;
      const there = values.some(({ exact }) => exact);
      if (test.exists === false) return there ? NO : values.length === 0 ? YES : SOME;
      if (values.length > MAX_VALUES && checks.length > 0) return UNKNOWN;
      let yes = 0;
      let unknown = 0;
      for (const each of values) {
        let truth: Truth = YES;
        for (const check of checks) truth = Math.min(truth, check(each, asked)) as Truth;
        if (truth === YES) yes += 1;
        else if (truth !== NO) unknown += 1;
      }
      if (unknown > 0) return UNKNOWN;
      const truth = ofSome(yes, values.length);
      return truth === YES && !there ? SOME : truth;
    },
    found(asked) {
      if (!asked.known.content) return "not kept";
      const fact = asked.json(parsed, place);
      return fact.known ? `${fact.value.length} values there` : whyUnknown(fact);
    },
  };
}

const COMPARISONS = [
  ["gt", (value: number, bound: number) => value > bound],
  ["gte", (value: number, bound: number) => value >= bound],
  ["lt", (value: number, bound: number) => value < bound],
  ["lte", (value: number, bound: number) => value <= bound],
] as const;

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/**
 * A text that is written like a number is one to most who read it. Null: a server may make any number of it, or none
 * ("1,000", "0x3e8", [5000], true), so it is not known how it compares.
 */
function numberOf({ kind, text }: JsonFact): number | null {
  if (kind === "number") return Number(text);
  return kind === "string" && NUMBER.test(text) ? Number(text) : null;
}

/** Not sure of a value that says the same as another kind: "5000" and 5000, "true" and true. */
function among(wanted: readonly (string | number | boolean | null)[]): (fact: JsonFact) => Truth {
  const values = new Set<unknown>(wanted);
  const texts = new Set(wanted.map(String));
  return (fact) => {
    if (fact.kind === "object" || fact.kind === "array") return NO;
    if (values.has(fact.value())) return YES;
    const number = numberOf(fact);
    return texts.has(fact.text) || (number !== null && values.has(number)) ? UNKNOWN : NO;
  };
}

function isTest(test: unknown): test is JsonTest {
  return typeof test === "object" && test !== null;
}
