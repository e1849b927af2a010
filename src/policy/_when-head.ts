/** Conditions on what a head says. */

import type { Credential } from "../model/question.ts";
import { MAX_METHOD } from "../wire/methods.ts";
import { quote } from "../words/quote.ts";
import { decodeParameter } from "./_parameters.ts";
import type { Conditions, TextTest } from "./_schema-when.ts";
import { listOf } from "./_values.ts";
import { type Asked, NO, ofSome, SOME, type Truth, UNKNOWN, YES } from "./asked.ts";
import { type Compiling, type Condition, saying } from "./condition.ts";
import { engines } from "./engines.ts";
import { compileGlob, compilePathGlob } from "./glob.ts";
import { HostSet, parseHostPattern } from "./host-set.ts";

const NOTHING: readonly (string | Credential)[] = [];
const MAX_REGEX_TEXT = 16_384;
const METHOD = /^[A-Z][A-Z0-9-]*$/;

export function headConditions(when: Conditions, compiling: Compiling): Condition[] {
  const made: Condition[] = [];
  const { path, problem } = compiling;
  const words = (key: keyof Conditions & string) =>
    compiling.words(when[key] as string | readonly string[] | undefined, [...path, key]);

  if (when.hosts !== undefined) made.push(hosts(words("hosts"), compiling));
  if (when.methods !== undefined) {
    const methods = words("methods");
    for (const [i, method] of methods.entries()) {
      if (!METHOD.test(method) || method.length > MAX_METHOD)
        problem([...path, "methods", i], `${quote(method)} is not a method: they are capitals`);
    }
    const set = new Set(methods);
    made.push({
      ...oneOf("methods", methods, ({ question }) => question.method, { tunnel: false }),
      test({ methods: read }) {
        if (read === null) return UNKNOWN;
        return ofSome(read.filter((method) => set.has(method)).length, read.length);
      },
    });
  }
  if (when.class !== undefined) {
    const wanted = when.class;
    made.push({
      name: "class",
      says: wanted,
      tunnel: false,
      cost: 3,
      test: (asked) => (asked.class === "unknown" ? UNKNOWN : asked.class === wanted ? YES : NO),
      found: (asked) => asked.class,
    });
  }
  if (when.schemes !== undefined) {
    made.push(oneOf("schemes", listOf(when.schemes), ({ question }) => question.scheme, { tunnel: false }));
  }
  if (when.phases !== undefined) made.push(oneOf("phases", listOf(when.phases), ({ question }) => question.phase));
  if (when.doors !== undefined) made.push(globs("doors", words("doors"), ({ question }) => question.door));
  if (when.agents !== undefined) made.push(globs("agents", words("agents"), ({ question }) => question.agent));
  if (when.parents !== undefined) {
    const parents = globs("parents", words("parents"), ({ question }) => question.parentAgent);
    made.push({ ...parents, test: (asked) => (asked.known.content ? parents.test(asked) : UNKNOWN) });
  }
  if (when.tenants !== undefined) made.push(globs("tenants", words("tenants"), ({ question }) => question.org));
  if (when.callers !== undefined) made.push(globs("callers", words("callers"), ({ question }) => question.caller));
  if (when.paths !== undefined) made.push(paths(words("paths"), compiling));
  for (const part of ["query", "headers"] as const) {
    for (const [name, test] of Object.entries(when[part] ?? {})) {
      made.push(field(part, name, typeof test === "string" ? { glob: test } : test, compiling));
    }
  }
  return made;
}

function hosts(patterns: readonly string[], { path, problem }: Compiling): Condition {
  const set = new HostSet();
  for (const [i, text] of patterns.entries()) {
    const pattern = parseHostPattern(text);
    if (typeof pattern === "string") problem([...path, "hosts", i], `${quote(text)}: ${pattern}`);
    else set.add(pattern, text);
  }
  return {
    name: "hosts",
    says: saying(patterns),
    tunnel: true,
    cost: 1,
    test: ({ question: { host, port, literal } }) => (set.match(host, port, literal) === null ? NO : YES),
    found: ({ question: { host, port } }) => `${host}:${port}`,
  };
}

function oneOf(
  name: string,
  words: readonly string[],
  read: (asked: Asked) => string,
  { tunnel = true }: { readonly tunnel?: boolean } = {},
): Condition {
  const set = new Set(words);
  return {
    name,
    says: saying(words),
    tunnel,
    cost: 0,
    test: (asked) => (set.has(read(asked)) ? YES : NO),
    found: read,
  };
}

function globs(name: string, words: readonly string[], read: (asked: Asked) => string | null): Condition {
  const patterns = words.map(compileGlob);
  return {
    name,
    says: saying(words),
    tunnel: true,
    cost: 1,
    test(asked) {
      const value = read(asked);
      return value !== null && patterns.some((pattern) => pattern.test(value)) ? YES : NO;
    },
    found: (asked) => read(asked) ?? "none",
  };
}

function paths(words: readonly string[], { path, problem }: Compiling): Condition {
  const patterns = words.flatMap((text, i) => {
    const pattern = compilePathGlob(text);
    if (typeof pattern !== "string") return [pattern];
    problem([...path, "paths", i], `${quote(text)}: ${pattern}`);
    return [];
  });
  return {
    name: "paths",
    says: saying(words),
    tunnel: false,
    cost: 2,
    test(asked) {
      const read = asked.path;
      if (read === null) return UNKNOWN;
      let matching = 0;
      for (const segments of read.readings) if (patterns.some((pattern) => pattern.test(segments))) matching += 1;
      if (matching > 0) return ofSome(matching, read.readings.length);
      // Some servers see no difference between cases.
      return read.lowered.some((segments) => patterns.some((pattern) => pattern.like(segments))) ? SOME : NO;
    },
    found(asked) {
      const ways = asked.path?.readings.length ?? 0;
      return ways === 1 ? quote(asked.question.path) : `${quote(asked.question.path)}, which has ${ways} readings`;
    },
  };
}

function field(part: "query" | "headers", name: string, test: TextTest, compiling: Compiling): Condition {
  const at = [...compiling.path, part, name];
  const key = part === "headers" ? name.toLowerCase() : name;
  const matches = textTest(test, compiling, at);
  const read = (asked: Asked) => (part === "headers" ? asked.headers(key) : asked.query(key));
  return {
    name: `${part}.${name}`,
    says: sayTest(test),
    tunnel: false,
    cost: 2,
    test(asked) {
      if (!asked.known.content) return UNKNOWN;
      const values = read(asked);
      const alike = part === "query" ? asked.queryLike(key) : NOTHING;
      if (test.present === false) return values.length > 0 ? NO : alike.length > 0 ? SOME : YES;
      const truthOf = (value: string | Credential) =>
        matches(typeof value === "string" && part === "query" ? decodeParameter(value) : value, asked);
      let yes = 0;
      let no = 0;
      for (const value of values) {
        const truth = truthOf(value);
        if (truth === YES) yes += 1;
        else if (truth === NO) no += 1;
      }
      if (yes + no < values.length) return UNKNOWN;
      if (alike.length === 0) return ofSome(yes, values.length);
      // Another server takes these for it; they can make it doubtful, never sure.
      const others = alike.map(truthOf);
      if (yes === 0 && others.every((truth) => truth === NO)) return NO;
      return yes > 0 && no === 0 && others.every((truth) => truth === YES) ? YES : SOME;
    },
    found: (asked) => (asked.known.content ? `${read(asked).length} of it` : "not kept"),
  };
}

/** What a text must be. Of a credential nobody sees the value. */
export function textTest(
  test: TextTest,
  { words, problem, problemInside }: Compiling,
  at: readonly (string | number)[],
): (value: string | Credential, asked: Asked) => Truth {
  const tests: ((text: string) => boolean)[] = [];
  if (test.equals !== undefined) {
    const set = new Set(words(test.equals, [...at, "equals"]));
    tests.push((text) => set.has(text));
  }
  if (test.glob !== undefined) {
    const patterns = words(test.glob, [...at, "glob"]).map(compileGlob);
    tests.push((text) => patterns.some((pattern) => pattern.test(text)));
  }
  if (test.regex !== undefined) {
    const compiled = engines().regex(test.regex);
    if (typeof compiled === "string") problemInside([...at, "regex"], 1, 1, compiled);
    else tests.push(compiled);
  }
  const issuers = listOf(test.issuer);
  const kinds = listOf(test.kind);
  const ofCredential = issuers.length > 0 || kinds.length > 0;
  if (Object.keys(test).length === 0) problem(at, "says nothing: give present, equals, glob, regex, kind or issuer");
  if (test.present === false && Object.keys(test).length > 1) problem(at, "what is not present is nothing else either");
  return (value, asked) => {
    if (typeof value === "string") {
      if (ofCredential) return NO;
      // An engine that never goes back is linear, not quick.
      if (test.regex !== undefined && (value.length > MAX_REGEX_TEXT || !asked.mayMatch(value.length))) return UNKNOWN;
      return tests.every((each) => each(value)) ? YES : NO;
    }
    if (kinds.length > 0 && !kinds.includes(value.kind)) return NO;
    if (issuers.length > 0 && (value.issuer === null || !issuers.includes(value.issuer))) return NO;
    return tests.length > 0 ? UNKNOWN : YES;
  };
}

function sayTest(test: TextTest): string {
  return Object.entries(test)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? saying(value) : String(value)}`)
    .join(" and ");
}
