/** Policy files: strict YAML in, a checked document out. Every problem is named with its file, line and column. */
import { Fault } from "../errors.ts";
import { nearest } from "../words/nearest.ts";
import { quote } from "../words/quote.ts";
import { type Path, problemsOf, spelled, valueAt } from "./_problems.ts";
import { MAX_ENTRIES, MAX_TEXT } from "./_schema-parts.ts";
import { type PolicyDocument, policySchema, type RuleEntry, ruleSchema } from "./schema.ts";
import { type PolicyTree, readTree } from "./tree.ts";

export interface PolicySource {
  /** File name, as messages and rules say it. */
  readonly name: string;
  readonly text: string;
}

export interface PolicyEntry {
  readonly text: string;
  /** As rules and messages say it: `hosts.deny[2]`. */
  readonly where: string;
  /** `file:line:column` of it. */
  readonly at: () => string;
}

export interface ParsedRule {
  readonly entry: RuleEntry;
  /** Its place among the rules of its file. */
  readonly index: number;
}

export type PolicyList = "hosts.allow" | "hosts.deny" | "opaque";

/** Everything but what is read entry by entry; null when any of it is wrong. */
export type PolicySections = Omit<PolicyDocument, "hosts" | "opaque" | "rules" | "lists">;

/** What could be read of a file, which is all of it when there are no problems. */
export interface ParsedPolicy {
  readonly name: string;
  /** One a line: `file:line:column: what`. */
  readonly problems: readonly string[];
  /** Null: it does not say; undefined: what it says cannot be read. */
  readonly default: { readonly verdict: "allow" | "deny"; readonly at: string } | null | undefined;
  readonly lists: Readonly<Record<PolicyList, readonly PolicyEntry[]>>;
  /** Lists with a name. */
  readonly named: ReadonlyMap<string, readonly PolicyEntry[]>;
  readonly rules: readonly ParsedRule[];
  readonly sections: PolicySections | null;
  /** Null when the file could not be parsed at all. */
  readonly tree: PolicyTree | null;
}

const MAX_BYTES = 1024 * 1024;
const MAX_PROBLEMS = 50;
const MAX_OPAQUE = 4096;
const MAX_RULES = 16_384;
/** Longer lists are not given to the schema. */
const SHORT = 64;

/** Reads one file to its end whatever is wrong with it: an operator mends all at once. */
export function parsePolicy({ name, text }: PolicySource): ParsedPolicy {
  const tree = text.length > MAX_BYTES ? `${name}:1:1: larger than ${MAX_BYTES} bytes` : readTree(name, text);
  if (typeof tree === "string") {
    return {
      name,
      problems: tree.split("\n"),
      default: undefined,
      lists: { "hosts.allow": [], "hosts.deny": [], opaque: [] },
      named: new Map(),
      rules: [],
      sections: null,
      tree: null,
    };
  }
  const problems = [...tree.problems];
  const checked = policySchema.safeParse(withoutLongLists(tree, problems));
  if (!checked.success) problems.push(...problemsOf(tree, policySchema, checked.error.issues));
  const rules = rulesOf(tree, problems);
  const stated = valueAt(tree.value, ["default"]);
  const verdict =
    stated === "allow" || stated === "deny" ? ({ verdict: stated, at: tree.at(["default"]) } as const) : undefined;
  const lists = valueAt(tree.value, ["lists"]);
  return {
    name,
    problems,
    default: stated === undefined && isMapping(tree.value) && !extendsMisspelt(tree.value) ? null : verdict,
    lists: {
      "hosts.allow": entries(tree, ["hosts", "allow"]),
      "hosts.deny": entries(tree, ["hosts", "deny"]),
      opaque: entries(tree, ["opaque"]),
    },
    named: new Map(
      Object.keys(isMapping(lists) ? lists : {}).map((each) => [each, entries(tree, ["lists", each])] as const),
    ),
    rules,
    sections: checked.success ? checked.data : null,
    tree,
  };
}

/** One a problem; a message has at most 50 of them. */
export function invalid(problems: readonly string[]): Fault {
  const shown = problems.slice(0, MAX_PROBLEMS);
  if (problems.length > shown.length) shown.push(`… and ${problems.length - shown.length} more`);
  return new Fault("policy_invalid", shown.join("\n"));
}

/** Those rules that can be read: what is wrong in one of them leaves the others to be looked at. */
function rulesOf(tree: PolicyTree, problems: string[]): ParsedRule[] {
  const rules = valueAt(tree.value, ["rules"]);
  // Of anything else the schema of the whole has spoken.
  if (!Array.isArray(rules)) return [];
  if (rules.length > MAX_RULES) problems.push(`${tree.at(["rules"])}: rules: has more than ${MAX_RULES} entries`);
  return rules.slice(0, MAX_RULES).flatMap((rule: unknown, index) => {
    const checked = ruleSchema.safeParse(rule);
    if (checked.success) return [{ entry: checked.data, index }];
    problems.push(...problemsOf(tree, ruleSchema, checked.error.issues, ["rules", index]));
    return [];
  });
}

/** The document with its long lists of words checked here, by hand, and left out. */
function withoutLongLists(tree: PolicyTree, problems: string[]): unknown {
  if (!isMapping(tree.value)) return tree.value;
  const copy: Record<string, unknown> = { ...tree.value };
  const shorten = (holder: Record<string, unknown>, path: Path, most: number): void => {
    const key = String(path[path.length - 1]);
    const list = holder[key];
    if (!Array.isArray(list) || list.length <= SHORT) return;
    holder[key] = [];
    if (list.length > most) problems.push(`${tree.at(path)}: ${spelled(path)}: has more than ${most} entries`);
    for (const [index, word] of list.entries()) {
      const what = wrongWord(word);
      const place = [...path, index];
      if (what !== null && !tree.mended(place)) problems.push(`${tree.at(place)}: ${spelled(place)}: ${what}`);
    }
  };
  // One by one, below: nothing is read twice.
  if (Array.isArray(copy.rules)) copy.rules = [];
  shorten(copy, ["opaque"], MAX_OPAQUE);
  for (const [section, most] of [
    ["hosts", MAX_ENTRIES],
    ["lists", MAX_ENTRIES],
  ] as const) {
    const map = copy[section];
    if (!isMapping(map)) continue;
    const inner: Record<string, unknown> = { ...map };
    copy[section] = inner;
    for (const key of Object.keys(inner)) shorten(inner, [section, key], most);
  }
  return copy;
}

function wrongWord(word: unknown): string | null {
  if (typeof word !== "string") return "must be a host pattern: put it in quotes";
  if (word === "") return "is empty";
  return word.length > MAX_TEXT ? `has more than ${MAX_TEXT} characters` : null;
}

/** Those entries of a list that are text; of the others the schema speaks. */
function entries(tree: PolicyTree, path: Path): PolicyEntry[] {
  const found = valueAt(tree.value, path);
  if (!Array.isArray(found)) return [];
  const before = spelled(path);
  return found.flatMap((text: unknown, index) => {
    if (typeof text !== "string" || text === "" || text.length > MAX_TEXT) return [];
    if (tree.problems.length > 0 && tree.mended([...path, index])) return [];
    return [{ text, where: `${before}[${index}]`, at: () => tree.at([...path, index]) }];
  });
}

/** Who takes another policy in by a misspelt key has its default in mind, and is told of the key already. */
function extendsMisspelt(document: Readonly<Record<string | number, unknown>>): boolean {
  const known = Object.keys(policySchema.shape);
  return Object.keys(document).some((key) => !known.includes(key) && nearest(key, known) === "extends");
}

function isMapping(value: unknown): value is Readonly<Record<string | number, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `$name` in a list stands for the list of that name; null for any other word. */
export function listName(word: string): string | null {
  return word.startsWith("$") && !word.startsWith("$.") ? word.slice(1) : null;
}

export function unknownList(name: string): string {
  return `there is no list ${quote(name)}`;
}
