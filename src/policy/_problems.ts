/** What a schema complains of, in the words of a policy: with its place, and what was probably meant. */
import { z } from "zod";
import { nearest } from "../words/nearest.ts";
import { quote } from "../words/quote.ts";
import type { PolicyTree } from "./tree.ts";

export type Path = readonly (string | number)[];
type Issue = z.core.$ZodIssue;

/** One a problem: `file:line:column: what`. */
export function problemsOf(tree: PolicyTree, schema: z.ZodType, issues: readonly Issue[], base: Path = []): string[] {
  return issues.flatMap((issue) => told(tree, schema, issue, base));
}

function told(tree: PolicyTree, schema: z.ZodType, issue: Issue, base: Path): string[] {
  const below = issue.path.filter((part) => typeof part !== "symbol");
  const path = [...base, ...below];
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, below);
    return issue.keys.map((key) => {
      const near = nearest(key, known);
      const hint = near === null ? `known are ${known.join(", ")}` : `did you mean ${near}?`;
      return `${tree.atKey(path, key)}: unknown key ${quote([...path, key].join("."))}, ${hint}`;
    });
  }
  if (issue.code === "invalid_union") {
    // The branch that was meant has got further into the value than the others. (A length is also looked at of another kind.)
    const value = valueAt(tree.value, path);
    const branch = issue.errors.find((errors) => !errors.some((each) => isType(each, value)));
    if (branch !== undefined) {
      const within = schemaAt(schema, below);
      return branch.flatMap((each) => told(tree, within ?? schema, each, path));
    }
  }
  // A key that is no name is told where it stands.
  if (issue.code === "invalid_key") {
    const key = String(path[path.length - 1] ?? "");
    const what = issue.issues[0]?.message ?? issue.message;
    return [`${tree.atKey(path.slice(0, -1), key)}: ${spelled(path.slice(0, -1))}: ${quote(key)} ${what}`];
  }
  // What is wrong there has been said.
  if (tree.mended(path)) return [];
  let hint = "";
  if (issue.code === "invalid_value") {
    const given = valueAt(tree.value, path);
    hint = hintOf(given, issue.values);
  }
  return [`${tree.at(path)}: ${path.length === 0 ? "policy" : spelled(path)}: ${issue.message}${hint}`];
}

/** Words that certificates and other products have for ours. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  block: "deny",
  reject: "deny",
  forbid: "deny",
  permit: "allow",
  accept: "allow",
  hold: "approval_needed",
  approve: "approval_needed",
  approval: "approval_needed",
  redact: "sanitize",
  mask: "sanitize",
  monitor: "shadow",
  observe: "shadow",
};

function hintOf(given: unknown, values: readonly unknown[]): string {
  if (typeof given !== "string") return "";
  if (values.some((value) => typeof value !== "string" && String(value) === given)) return ", without quotes";
  const word = given.toLowerCase();
  const meant = Object.hasOwn(OTHER_WORDS, word) ? OTHER_WORDS[word] : undefined;
  const near = meant !== undefined && values.includes(meant) ? meant : nearest(given, values.map(String));
  return near === null ? "" : `, did you mean ${near}?`;
}

/** The value is not even of the kind that a branch of a union takes. */
function isType(issue: Issue, value: unknown): boolean {
  if (issue.path.length > 0) return false;
  return issue.code === "invalid_type" || (issue.code === "invalid_value" && typeof value !== "string");
}

/** Keys a map may have there. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  const found = unwrap(schemaAt(schema, path));
  if (found instanceof z.ZodObject) return Object.keys(found.shape);
  if (found instanceof z.ZodUnion) {
    return found.options.flatMap((option) => keysAt(option as z.ZodType, []));
  }
  return [];
}

function schemaAt(schema: z.ZodType | undefined, path: Path): z.ZodType | undefined {
  const [first, ...rest] = path;
  const outer = unwrap(schema);
  if (outer === undefined || first === undefined) return outer;
  if (outer instanceof z.ZodUnion) {
    for (const option of outer.options) {
      const found = schemaAt(option as z.ZodType, path);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (outer instanceof z.ZodObject) return schemaAt(outer.shape[String(first)], rest);
  if (outer instanceof z.ZodArray)
    return typeof first === "number" ? schemaAt(outer.element as z.ZodType, rest) : undefined;
  if (outer instanceof z.ZodRecord) return schemaAt(outer.valueType as z.ZodType, rest);
  return undefined;
}

function unwrap(schema: z.ZodType | undefined): z.ZodType | undefined {
  let found = schema;
  for (;;) {
    if (found instanceof z.ZodOptional || found instanceof z.ZodDefault || found instanceof z.ZodPrefault) {
      found = found.unwrap() as z.ZodType;
    } else if (found instanceof z.ZodPipe) found = found.in as z.ZodType;
    else return found;
  }
}

export function valueAt(value: unknown, path: Path): unknown {
  let found = value;
  for (const part of path) {
    if (typeof found !== "object" || found === null) return undefined;
    found = (found as Readonly<Record<string | number, unknown>>)[part];
  }
  return found;
}

export function spelled(path: Path): string {
  return path.map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`)).join("");
}
