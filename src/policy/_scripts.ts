/** The engines behind `cel:` and `regex:`. Only engines.ts imports this, when it is needed. */
import { CelScalar, celEnv, celFunc, isCelError, parse, plan } from "@bufbuild/cel";
import { RE2JS } from "@bufbuild/re2";
import { messageOf } from "../errors.ts";
import { nearest } from "../words/nearest.ts";
import { quote } from "../words/quote.ts";
import { type Bindings, celBindings, celFields, celReadings, celRoots, readAs } from "./_cel-bindings.ts";
import { type CelExpr, type CelUse, surveyCel } from "./_cel-survey.ts";
import { ofSome, type Truth } from "./asked.ts";
import type { CelProblem, CelProgram, Engines } from "./engines.ts";

/** Nodes of an expression that are evaluated, at most, before it is given up: about two milliseconds. */
const MAX_STEPS = 40_000;
/** Characters that regular expressions read in one evaluation. */
const MAX_MATCHED = 65_536;

let steps = 0;
let matched = 0;

export function scriptEngines(): Engines {
  const patterns = new Map<string, RE2JS>();
  const compiled = (text: string): RE2JS => {
    const known = patterns.get(text);
    if (known !== undefined) return known;
    const made = RE2JS.compile(text);
    if (patterns.size >= 4096) patterns.clear();
    patterns.set(text, made);
    return made;
  };
  const env = celEnv({
    funcs: [
      // Put around the condition of every loop by the survey: the only way an expression can be long.
      celFunc("@step", [CelScalar.DYN, CelScalar.INT], CelScalar.DYN, (value, weight) => {
        steps += Number(weight);
        if (steps > MAX_STEPS) throw new RangeError("it takes too many steps");
        return value;
      }),
    ],
    re2: {
      compile: (pattern) => ({
        test(text) {
          matched += text.length;
          if (matched > MAX_MATCHED) throw new RangeError("its regular expressions read too much");
          return compiled(pattern).test(text);
        },
      }),
    },
  });
  const isFunction = (name: string) => env.funcs.find(name) !== undefined;
  const functions = [...new Set([...env.funcs].map(({ name }) => name))].filter((name) => /^[a-z]/i.test(name));
  // Made by the language itself: its own type of instant.
  const instant = plan(env, parse("timestamp(text)"));

  function cel(text: string): CelProgram | CelProblem {
    let expression: CelExpr;
    let positions: Readonly<Record<string, number>>;
    try {
      const parsed = parse(text);
      expression = parsed.expr;
      positions = parsed.sourceInfo?.positions ?? {};
    } catch (thrown) {
      return syntaxProblem(thrown);
    }
    const use = surveyCel(expression, isFunction);
    if (typeof use.problem === "string") return at(text, Number(positions[String(use.id)] ?? 0), use.problem);
    const unknown = unknownName(use);
    if (unknown !== null) return at(text, Number(positions[String(unknown.id)] ?? 0), unknown.problem);
    for (const pattern of use.patterns) {
      const wrong = regex(pattern.text);
      if (typeof wrong === "string") return at(text, Number(positions[String(pattern.id)] ?? 0), wrong);
    }
    const evaluate = plan(env, expression);
    const now = (ms: number) => instant({ text: new Date(ms).toISOString() });
    const roots = new Set(use.names.map(({ root }) => root));
    const readsOf = (name: string): boolean =>
      use.names.some(({ root, field }) => root === "request" && (field === null || field === name));
    const reads = { path: readsOf("path"), method: readsOf("method") };
    const once = (bindings: Bindings): boolean | string => {
      const result = evaluate(bindings);
      if (isCelError(result)) return result.message;
      return typeof result === "boolean" ? result : "it is neither true nor false";
    };
    return {
      tunnel: use.names.every(
        ({ root, field }) => celRoots[root]?.tunnel === true || TUNNEL_FIELDS.has(`${root}.${field}`),
      ),
      content: use.names.some(({ root, field }) => !EVIDENCE.has(root) && !EVIDENCE.has(`${root}.${field}`)),
      test(asked) {
        // Of all readings together: whoever writes a path of many must not have many times the work.
        steps = 0;
        matched = 0;
        try {
          const bindings = celBindings(asked, roots, now);
          if (typeof bindings === "string") return bindings;
          if (!roots.has("request")) return truthOf([once(bindings)]);
          const readings = celReadings(asked, reads);
          if (typeof readings === "string") return readings;
          const results = readings.map((reading) => {
            readAs(bindings, reading);
            return once(bindings);
          });
          return truthOf(results);
        } catch (thrown) {
          return messageOf(thrown);
        }
      },
    };
  }

  function unknownName({ names, functions: called }: CelUse): { id: bigint; problem: string } | null {
    for (const { root, field, id } of names) {
      const fields = celFields[root];
      if (celRoots[root] === undefined) return { id, problem: unknownWord("name", root, Object.keys(celRoots)) };
      if (field !== null && fields !== undefined && !fields.includes(field)) {
        return {
          id,
          problem: unknownWord(
            "name",
            `${root}.${field}`,
            fields.map((each) => `${root}.${each}`),
          ),
        };
      }
    }
    const missing = called.find(({ name }) => !isFunction(name));
    return missing === undefined ? null : { id: missing.id, problem: unknownWord("function", missing.name, functions) };
  }

  function regex(text: string): ((given: string) => boolean) | string {
    try {
      const made = RE2JS.compile(text);
      return (given) => made.test(given);
    } catch (thrown) {
      return `not a regular expression: ${messageOf(thrown).replace(/^error parsing regexp: /, "")}`;
    }
  }

  return { cel, regex };
}

function truthOf(results: readonly (boolean | string)[]): Truth | string {
  const failed = results.find((result) => typeof result === "string");
  return failed ?? ofSome(results.filter((result) => result === true).length, results.length);
}

const TUNNEL_FIELDS = new Set(["request.host", "request.port", "request.phase", "request.door"]);
/** What a certificate says of a request. */
const EVIDENCE = new Set([
  ...["agent", "tenant", "now"],
  ...["host", "port", "method", "scheme", "phase", "door", "path"].map((field) => `request.${field}`),
]);

function unknownWord(of: string, word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return `unknown ${of} ${quote(word)}, ${near === null ? `known are ${known.join(", ")}` : `did you mean ${near}?`}`;
}

function at(text: string, offset: number, problem: string): CelProblem {
  const before = text.slice(0, offset).split("\n");
  return { problem: `cel: ${problem}`, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function syntaxProblem(thrown: unknown): CelProblem {
  const place =
    typeof thrown === "object" && thrown !== null && "location" in thrown
      ? (thrown.location as { readonly start?: { readonly line?: number; readonly column?: number } })
      : {};
  const said = thrown instanceof RangeError ? "it is nested too deeply" : messageOf(thrown);
  return {
    problem: `cel: ${said.replace(/^<input>:[0-9:]+ */, "").slice(0, 200)}`,
    line: place.start?.line ?? 1,
    column: place.start?.column ?? 1,
  };
}
