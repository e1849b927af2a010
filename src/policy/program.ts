/** A policy compiled once into something that is only asked, never changed. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Facts } from "../content/facts.ts";
import type { Finding } from "../model/finding.ts";
import type { Question } from "../model/question.ts";
import { quote } from "../words/quote.ts";
import { accessOf, addAll, defaultOf, includedBy, namedLists } from "./_together.ts";
import { invalid, type ParsedPolicy, type PolicySource, parsePolicy } from "./document.ts";
import { evaluateRules, type PolicyRuling } from "./evaluate.ts";
import { HostSet, parseHostPattern } from "./host-set.ts";
import { type CompiledRule, compileRule, type RuleContext } from "./rule.ts";
import { RuleIndex } from "./rule-index.ts";
import { mergeSections, type Sections } from "./sections.ts";
import type { Sequence } from "./sequence-state.ts";
import { compileSequence } from "./sequences.ts";

/** The default by class; null where the file does not say. */
export interface Access {
  readonly reads: "open" | "closed" | null;
  readonly writes: "open" | "closed" | null;
}

/** What is said of hosts, and of what no rule names. */
export interface Layer {
  readonly allow: HostSet;
  readonly deny: HostSet;
  readonly allowByDefault: boolean;
  readonly access: Access;
  /** Rules with no condition but hosts: entries of the lists by another name. */
  readonly allowRules: HostSet;
  readonly denyRules: HostSet;
}

export interface Program extends Layer, Sections {
  /** `evaluateRules` over this program: whoever only asks it need not load what compiles it. */
  rule(question: Question, facts: Facts, findings: readonly Finding[]): PolicyRuling;
  /** "sha256-" + 16 hex over the files that made it. */
  readonly version: string;
  readonly opaque: HostSet;
  readonly rules: readonly CompiledRule[];
  readonly index: RuleIndex;
  /** `sequences`, compiled. */
  readonly sequenceRules: readonly Sequence[];
  /** As if nothing were in shadow; null when nothing is. */
  readonly unshadowed: Layer | null;
  /** Names of lists that no rule and no list of hosts uses, with their places. */
  readonly unusedLists: readonly { readonly name: string; readonly at: string }[];
  readonly files: readonly ParsedPolicy[];
  /** What in it only an engine carries out, as the file names it; a relay that asks a plane has none of it. */
  readonly engineOnly: readonly string[];
}

/**
 * Sources in the order of their names; their lists and rules add up. Throws Fault `policy_invalid` naming every problem;
 * `unread` are those of files that could not be had at all. `loadEngines` goes before it where expressions may stand.
 */
export function compilePolicy(sources: readonly PolicySource[], unread: readonly string[] = []): Program {
  const problems = [...unread];
  const own = sources.map(parsePolicy);
  for (const file of own) problems.push(...file.problems);
  const included = includedBy(own);
  const files = [...included.map(({ file }) => file), ...own];
  const shadowFiles = new Set(included.filter(({ shadow }) => shadow).map(({ file }) => file));
  for (const file of own) if (file.sections?.mode === "shadow") shadowFiles.add(file);

  const { lists, places } = namedLists(files, problems);
  const used = new Set<string>();
  const contexts = new Map(
    files.map((file) => {
      const shadow = shadowFiles.has(file);
      const context = { file: file.name, tree: file.tree, shadow, lists, used, problems };
      return [file, context] as const;
    }),
  );

  const anyShadow =
    shadowFiles.size > 0 || files.some(({ rules }) => rules.some(({ entry }) => entry.mode === "shadow"));
  const enforced = emptyLayer();
  const every = emptyLayer();
  const opaque = new HostSet();
  for (const file of files) {
    const prefix = files.length === 1 ? "" : `${file.name}: `;
    const layers = shadowFiles.has(file) ? [every] : anyShadow ? [enforced, every] : [enforced];
    for (const list of ["allow", "deny"] as const) {
      const sets = layers.map((layer) => layer[list]);
      addAll(file.lists[`hosts.${list}`], { sets, prefix, needsPort: false, lists, used }, problems);
    }
    addAll(file.lists.opaque, { sets: [opaque], prefix, needsPort: true, lists, used }, problems);
  }

  const rules = rulesOf(files, contexts, problems);
  for (const rule of rules) {
    if (!isPlace(rule)) continue;
    const target = rule.verdict === "allow" ? "allowRules" : "denyRules";
    for (const text of rule.entry.when?.hosts === undefined ? ["*"] : rule.words("hosts")) {
      const pattern = parseHostPattern(text);
      if (typeof pattern === "string") continue;
      if (rule.mode === "enforce") enforced[target].add(pattern, rule.name);
      every[target].add(pattern, rule.name);
    }
  }

  const byDefault = defaultOf(sources, own, included, { unread: unread.length > 0, shadowFiles, problems });
  const access = (only: readonly ParsedPolicy[]): Access => accessOf(only, own);
  const sections = mergeSections(files, { own, contexts, problems });
  const sequenceRules = files.flatMap((file) => {
    const context = contexts.get(file);
    const entries = file.sections?.sequences ?? [];
    const { tree } = file;
    if (context === undefined || tree === null) return [];
    return entries.map((entry, index) => compileSequence(entry, index, { ...context, tree }));
  });
  if (problems.length > 0) throw invalid(problems);

  const enforcing = files.filter((file) => !shadowFiles.has(file));
  const program: Program = {
    ...enforced,
    ...sections,
    version: versionOf([...included.map(({ source }) => source), ...sources]),
    opaque,
    allowByDefault: byDefault.enforced,
    access: access(enforcing),
    rules,
    sequenceRules,
    index: new RuleIndex(rules),
    unshadowed: anyShadow ? { ...every, allowByDefault: byDefault.every, access: access(files) } : null,
    unusedLists: [...places].flatMap(([name, at]) => (used.has(name) ? [] : [{ name, at: at() }])),
    files,
    engineOnly: [
      ...rules.filter((rule) => !isPlace(rule)).map(({ name }) => name),
      ...Object.entries(access(files)).flatMap(([key, said]) => (said === null ? [] : [`access.${key}`])),
      ...(["detect", "dlp"] as const).filter((key) => Object.keys(sections[key]).length > 0),
    ],
    rule: (question, facts, findings) => evaluateRules(program, question, facts, findings),
  };
  return program;
}

/** Deny and allow rules that ask for nothing but a host. */
function isPlace({ entry, verdict, exceptions, expires }: CompiledRule): boolean {
  if (verdict !== "allow" && verdict !== "deny") return false;
  if (exceptions.length > 0 || expires !== Number.POSITIVE_INFINITY) return false;
  return Object.keys(entry.when ?? {}).every((key) => key === "hosts");
}

type MutableLayer = Pick<Layer, "allow" | "deny" | "allowRules" | "denyRules">;

function emptyLayer(): MutableLayer {
  return { allow: new HostSet(), deny: new HostSet(), allowRules: new HostSet(), denyRules: new HostSet() };
}

function rulesOf(
  files: readonly ParsedPolicy[],
  contexts: ReadonlyMap<ParsedPolicy, Omit<RuleContext, "tree"> & { readonly tree: ParsedPolicy["tree"] }>,
  problems: string[],
): CompiledRule[] {
  const rules: CompiledRule[] = [];
  const ids = new Map<string, CompiledRule>();
  for (const file of files) {
    const context = contexts.get(file);
    if (context === undefined) continue;
    const { tree } = context;
    if (tree === null) continue;
    for (const parsed of file.rules) {
      const rule = compileRule(parsed, rules.length, { ...context, tree });
      const other = ids.get(rule.id);
      if (other === undefined) ids.set(rule.id, rule);
      else problems.push(`${rule.at()}: rules: the id ${quote(rule.id)} is given twice, before at ${other.at()}`);
      rules.push(rule);
    }
  }
  return rules;
}

function versionOf(sources: readonly PolicySource[]): string {
  // Names and lengths too: moving a rule from one file to the next is another policy.
  const content = sources.map(({ name, text }) => `${name}\n${text.length}\n${text}`).join("\n");
  return `sha256-${bytesToHex(sha256(utf8ToBytes(content))).slice(0, 16)}`;
}
