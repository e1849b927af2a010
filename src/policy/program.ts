/** A policy compiled once into something that is only asked, never changed. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { quote } from "../words/quote.ts";
import { invalid, type PolicyEntry, type PolicySource, parsePolicy } from "./document.ts";
import { HostSet, parseHostPattern } from "./host-set.ts";
import { compileSequence, type Sequence } from "./sequences.ts";

/** What a rule can look at. The same for the embedded engine and, as JSON, for a plane. */
export interface Facts {
  readonly host: string;
  readonly port: number;
  /** True when `host` is an IP literal. */
  readonly literal: boolean;
}

export interface PolicyVerdict {
  readonly allowed: boolean;
  /** The rule that decided, as in `hosts.deny[2] *.evil.com`, or `default`. */
  readonly rule: string;
}

export interface Program {
  /** "sha256-" + 16 hex over the files that made it. */
  readonly version: string;
  readonly allow: HostSet;
  readonly deny: HostSet;
  readonly opaque: HostSet;
  readonly allowByDefault: boolean;
  readonly sequences: readonly Sequence[];
}

/**
 * Sources in the order of their names; their lists add up. Throws Fault `policy_invalid` naming every problem; `unread`
 * are those of files that could not be had at all.
 */
export function compilePolicy(sources: readonly PolicySource[], unread: readonly string[] = []): Program {
  const problems = [...unread];
  const sequences: Sequence[] = [];
  const program = { allow: new HostSet(), deny: new HostSet(), opaque: new HostSet() };
  let byDefault: { readonly verdict: "allow" | "deny"; readonly file: string } | null = null;
  // A file that cannot be read may be the one that says it.
  let unsaid = unread.length === 0;
  for (const source of sources) {
    const parsed = parsePolicy(source);
    const prefix = sources.length === 1 ? "" : `${parsed.name}: `;
    problems.push(...parsed.problems);
    addAll(parsed.lists["hosts.allow"], { set: program.allow, prefix, needsPort: false }, problems);
    addAll(parsed.lists["hosts.deny"], { set: program.deny, prefix, needsPort: false }, problems);
    addAll(parsed.lists.opaque, { set: program.opaque, prefix, needsPort: true }, problems);
    for (const [index, { section, at }] of parsed.sequences.entries()) {
      if (sequences.some(({ id }) => id === section.id))
        problems.push(`${at}: the id ${quote(section.id)} stands twice`);
      sequences.push(compileSequence(section, `${prefix}sequences[${index}] ${section.id}`));
    }
    const stated = parsed.default;
    if (stated !== null) unsaid = false;
    if (stated === null || stated === undefined) continue;
    if (byDefault !== null && byDefault.verdict !== stated.verdict) {
      problems.push(`${stated.at}: default: ${quote(byDefault.file)} says ${byDefault.verdict}`);
    }
    byDefault = { verdict: stated.verdict, file: parsed.name };
  }
  if (unsaid) {
    problems.push(`${sources[0]?.name ?? "policy"}:1:1: default: say allow or deny for hosts that no rule names`);
  }
  if (problems.length > 0) throw invalid(problems);
  return { ...program, version: versionOf(sources), allowByDefault: byDefault?.verdict === "allow", sequences };
}

/** Pure and total. Deny beats allow; what neither names gets the default. */
export function evaluate(program: Program, { host, port, literal }: Facts): PolicyVerdict {
  const denied = program.deny.match(host, port, literal);
  if (denied !== null) return { allowed: false, rule: denied };
  const allowed = program.allow.match(host, port, literal);
  if (allowed !== null) return { allowed: true, rule: allowed };
  return { allowed: program.allowByDefault, rule: "default" };
}

interface Adding {
  readonly set: HostSet;
  /** Before a rule's name when there are several files. */
  readonly prefix: string;
  readonly needsPort: boolean;
}

function addAll(entries: readonly PolicyEntry[], { set, prefix, needsPort }: Adding, problems: string[]): void {
  for (const { text, where, at } of entries) {
    const pattern = parseHostPattern(text);
    const portless = needsPort && typeof pattern !== "string" && pattern.port === 0;
    if (typeof pattern === "string") problems.push(`${at}: ${where}: ${quote(text)}: ${pattern}`);
    else if (portless)
      problems.push(`${at}: ${where}: ${quote(text)}: a port is needed, such as ${quote(`${text}:5432`)}`);
    else set.add(pattern, `${prefix}${where} ${text}`);
  }
}

function versionOf(sources: readonly PolicySource[]): string {
  // Names and lengths too: moving a rule from one file to the next is another policy.
  const content = sources.map(({ name, text }) => `${name}\n${text.length}\n${text}`).join("\n");
  return `sha256-${bytesToHex(sha256(utf8ToBytes(content))).slice(0, 16)}`;
}
