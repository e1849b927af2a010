/** Policy files: strict YAML in, a checked document out. Every problem is named with its file, line and column. */
import { z } from "zod";
import { Fault } from "../errors.ts";
import { nearest } from "../words/nearest.ts";
import { quote } from "../words/quote.ts";
import { SEQUENCE_KEYS, type SequenceSection, sequencesSchema } from "./sequence-schema.ts";
import { type PolicyPath, type PolicyTree, readTree } from "./tree.ts";

export interface PolicySource {
  /** File name, as messages and rules say it. */
  readonly name: string;
  readonly text: string;
}

const list = (of: string, max: number) =>
  z
    .array(
      z
        .string({ error: `must be ${of}: put it in quotes` })
        .min(1, "is empty")
        .max(300, "has more than 300 characters"),
      { error: "must be a list ([] for none)" },
    )
    .max(max, `has more than ${max} entries`)
    .default([]);

const schema = z.strictObject(
  {
    version: z.literal(1, { error: "must be 1" }),
    /** The verdict for a host no rule names. At least one file of a policy says it. */
    default: z.enum(["allow", "deny"], { error: "must be allow or deny" }).optional(),
    hosts: z
      .strictObject(
        { allow: list("a host pattern", 65_536), deny: list("a host pattern", 65_536) },
        { error: "must be a map with allow and deny" },
      )
      .default({ allow: [], deny: [] }),
    /** `host:port` of tunnels that may carry any protocol. */
    opaque: list("host:port", 4096),
    /** Rules over several requests of a session. */
    sequences: sequencesSchema,
  },
  { error: "must be a map that begins with version: 1" },
);

/** The keys of each map, for those who mistype one. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  "": Object.keys(schema.shape),
  hosts: ["allow", "deny"],
  ...SEQUENCE_KEYS,
};

type PolicyList = "hosts.allow" | "hosts.deny" | "opaque";

export interface PolicyEntry {
  readonly text: string;
  /** As rules and messages say it: `hosts.deny[2]`. */
  readonly where: string;
  /** `file:line:column` of it. */
  readonly at: string;
}

/** What could be read of a file, which is all of it when there are no problems. */
export interface ParsedPolicy {
  readonly name: string;
  /** One a line: `file:line:column: what`. */
  readonly problems: readonly string[];
  /** Null: it does not say; undefined: what it says cannot be read. */
  readonly default: { readonly verdict: "allow" | "deny"; readonly at: string } | null | undefined;
  readonly lists: Readonly<Record<PolicyList, readonly PolicyEntry[]>>;
  /** None when there are problems. */
  readonly sequences: readonly { readonly section: SequenceSection; readonly at: string }[];
}

const MAX_BYTES = 1024 * 1024;
const MAX_PROBLEMS = 50;

/** Reads one file to its end whatever is wrong with it: an operator mends all at once. */
export function parsePolicy({ name, text }: PolicySource): ParsedPolicy {
  const tree = text.length > MAX_BYTES ? `${name}:1:1: larger than ${MAX_BYTES} bytes` : readTree(name, text);
  const none = { "hosts.allow": [], "hosts.deny": [], opaque: [] };
  if (typeof tree === "string")
    return { name, problems: tree.split("\n"), default: undefined, lists: none, sequences: [] };
  const checked = schema.safeParse(tree.value);
  const problems = [
    ...tree.problems,
    ...(checked.success ? [] : checked.error.issues.flatMap((issue) => told(tree, issue))),
  ];
  const stated = at(tree.value, ["default"]);
  const verdict =
    stated === "allow" || stated === "deny" ? ({ verdict: stated, at: tree.at(["default"]) } as const) : undefined;
  return {
    name,
    problems,
    default: stated === undefined && isMapping(tree.value) ? null : verdict,
    lists: {
      "hosts.allow": entries(tree, ["hosts", "allow"]),
      "hosts.deny": entries(tree, ["hosts", "deny"]),
      opaque: entries(tree, ["opaque"]),
    },
    sequences: (checked.success ? checked.data.sequences : []).map((section, index) => ({
      section,
      at: tree.at(["sequences", index, "id"]),
    })),
  };
}

/** One a problem; a message has at most 50 of them. */
export function invalid(problems: readonly string[]): Fault {
  const shown = problems.slice(0, MAX_PROBLEMS);
  if (problems.length > shown.length) shown.push(`… and ${problems.length - shown.length} more`);
  return new Fault("policy_invalid", shown.join("\n"));
}

function told(tree: PolicyTree, issue: z.core.$ZodIssue): string[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code === "unrecognized_keys") {
    const known = KEYS[path.map((part) => (typeof part === "number" ? "*" : part)).join(".")] ?? [];
    return issue.keys.map((key) => {
      const near = nearest(key, known);
      const hint = near === null ? `known are ${known.join(", ")}` : `did you mean ${near}?`;
      return `${tree.atKey(path, key)}: unknown key ${quote(spelled([...path, key]))}, ${hint}`;
    });
  }
  // What is wrong there has been said.
  if (tree.mended(path)) return [];
  return [`${tree.at(path)}: ${path.length === 0 ? "policy" : spelled(path)}: ${issue.message}`];
}

/** Those entries of a list that are text; of the others `told` speaks. */
function entries(tree: PolicyTree, path: PolicyPath): PolicyEntry[] {
  const found = at(tree.value, path);
  if (!Array.isArray(found)) return [];
  return found.flatMap((text: unknown, index) => {
    const place = [...path, index];
    if (typeof text !== "string" || text === "" || text.length > 300 || tree.mended(place)) return [];
    return [{ text, where: spelled(place), at: tree.at(place) }];
  });
}

function at(value: unknown, path: PolicyPath): unknown {
  let found = value;
  for (const part of path) {
    if (!isMapping(found)) return undefined;
    found = found[part];
  }
  return found;
}

function isMapping(value: unknown): value is Readonly<Record<string | number, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function spelled(path: PolicyPath): string {
  return path.map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`)).join("");
}
