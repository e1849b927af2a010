/** A policy compiled once into something that is only asked, never changed. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { compileLimits, type HostMatcher, type LimitProgram } from "../limits/compile.ts";
import type { LimitsSection, PricesSection } from "../limits/schema.ts";
import { quote } from "../words/quote.ts";
import { invalid, type PolicyEntry, type PolicySource, parsePolicy } from "./document.ts";
import { HostSet, parseHostPattern } from "./host-set.ts";

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
  readonly limits: LimitProgram;
}

/**
 * Sources in the order of their names; their lists add up. Throws Fault `policy_invalid` naming every problem; `unread`
 * are those of files that could not be had at all.
 */
export function compilePolicy(sources: readonly PolicySource[], unread: readonly string[] = []): Program {
  const problems = [...unread];
  const program = { allow: new HostSet(), deny: new HostSet(), opaque: new HostSet() };
  let byDefault: { readonly verdict: "allow" | "deny"; readonly file: string } | null = null;
  const limits: LimitsSection = [];
  const prices: PricesSection = [];
  const places: { readonly limits: string[] } = { limits: [] };
  // A file that cannot be read may be the one that says it.
  let unsaid = unread.length === 0;
  for (const source of sources) {
    const parsed = parsePolicy(source);
    const prefix = sources.length === 1 ? "" : `${parsed.name}: `;
    problems.push(...parsed.problems);
    addAll(parsed.lists["hosts.allow"], { set: program.allow, prefix, needsPort: false }, problems);
    addAll(parsed.lists["hosts.deny"], { set: program.deny, prefix, needsPort: false }, problems);
    addAll(parsed.lists.opaque, { set: program.opaque, prefix, needsPort: true }, problems);
    places.limits.push(...parsed.limits.map((_, i) => parsed.at(["limits", i])));
    limits.push(...parsed.limits);
    prices.push(...parsed.prices);
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
  const compiled = compileLimits(limits, prices, hostMatcher);
  if (!compiled.ok) {
    for (const { path, message } of compiled.problems) {
      const [section, index, ...rest] = path;
      const at = section === "limits" && typeof index === "number" ? places.limits[index] : undefined;
      problems.push(`${at ?? "policy:1:1"}: ${section}: ${rest.join(".")}: ${message}`);
    }
  }
  if (problems.length > 0 || !compiled.ok) throw invalid(problems);
  const version = versionOf(sources);
  return { ...program, version, allowByDefault: byDefault?.verdict === "allow", limits: compiled.program };
}

/** Pure and total. Deny beats allow; what neither names gets the default. */
export function evaluate(program: Program, { host, port, literal }: Facts): PolicyVerdict {
  const denied = program.deny.match(host, port, literal);
  if (denied !== null) return { allowed: false, rule: denied };
  const allowed = program.allow.match(host, port, literal);
  if (allowed !== null) return { allowed: true, rule: allowed };
  return { allowed: program.allowByDefault, rule: "default" };
}

/** As everywhere in a policy; a string says what is wrong. */
function hostMatcher(patterns: readonly string[]): HostMatcher | string {
  const set = new HostSet();
  for (const text of patterns) {
    const pattern = parseHostPattern(text);
    if (typeof pattern === "string") return `${quote(text)}: ${pattern}`;
    set.add(pattern, text);
  }
  return (host, port, literal) => set.match(host, port, literal) !== null;
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
