/** A policy compiled once into something that is only asked, never changed. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { invalid, type ParsedPolicy, type PolicySource, parsePolicy } from "./document.ts";
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
}

/** Sources in the order of their names; their lists add up. Throws Fault `policy_invalid` naming every problem. */
export function compilePolicy(sources: readonly PolicySource[]): Program {
  const problems: string[] = [];
  const program = { allow: new HostSet(), deny: new HostSet(), opaque: new HostSet() };
  let byDefault: { readonly verdict: "allow" | "deny"; readonly file: string } | null = null;
  for (const source of sources) {
    const parsed = parseInto(source, problems);
    if (parsed === null) continue;
    const { document, name } = parsed;
    const prefix = sources.length === 1 ? "" : `${name}: `;
    addAll({ parsed, list: document.hosts.allow, path: ["hosts", "allow"], prefix }, program.allow, problems);
    addAll({ parsed, list: document.hosts.deny, path: ["hosts", "deny"], prefix }, program.deny, problems);
    addAll({ parsed, list: document.opaque, path: ["opaque"], prefix }, program.opaque, problems);
    if (document.default === undefined) continue;
    if (byDefault !== null && byDefault.verdict !== document.default) {
      problems.push(`${name}:${parsed.lineOf(["default"])}: default: "${byDefault.file}" says "${byDefault.verdict}"`);
    }
    byDefault = { verdict: document.default, file: name };
  }
  if (problems.length === 0 && byDefault === null) {
    problems.push(`${sources[0]?.name ?? "policy"}:1: default: say "allow" or "deny" for hosts that no rule names`);
  }
  if (problems.length > 0) throw invalid(problems);
  return { ...program, version: versionOf(sources), allowByDefault: byDefault?.verdict === "allow" };
}

/** Pure and total. Deny beats allow; what neither names gets the default. */
export function evaluate(program: Program, { host, port, literal }: Facts): PolicyVerdict {
  const denied = program.deny.match(host, port, literal);
  if (denied !== null) return { allowed: false, rule: denied };
  const allowed = program.allow.match(host, port, literal);
  if (allowed !== null) return { allowed: true, rule: allowed };
  return { allowed: program.allowByDefault, rule: "default" };
}

function parseInto(source: PolicySource, problems: string[]): ParsedPolicy | null {
  try {
    return parsePolicy(source);
  } catch (thrown) {
    problems.push(thrown instanceof Error ? thrown.message : String(thrown));
    return null;
  }
}

interface Listed {
  readonly parsed: ParsedPolicy;
  readonly list: readonly string[];
  readonly path: readonly string[];
  readonly prefix: string;
}

function addAll({ parsed, list, path, prefix }: Listed, set: HostSet, problems: string[]): void {
  for (const [index, text] of list.entries()) {
    const pattern = parseHostPattern(text);
    const portless = path[0] === "opaque" && typeof pattern !== "string" && pattern.port === 0;
    if (typeof pattern === "string" || portless) {
      const why = typeof pattern === "string" ? pattern : "a port is needed";
      problems.push(`${parsed.name}:${parsed.lineOf([...path, index])}: ${path.join(".")}: "${text}": ${why}`);
      continue;
    }
    set.add(pattern, `${prefix}${path.join(".")}[${index}] ${text}`);
  }
}

function versionOf(sources: readonly PolicySource[]): string {
  // Names and lengths too: moving a rule from one file to the next is another policy.
  const content = sources.map(({ name, text }) => `${name}\n${text.length}\n${text}`).join("\n");
  return `sha256-${bytesToHex(sha256(utf8ToBytes(content))).slice(0, 16)}`;
}
