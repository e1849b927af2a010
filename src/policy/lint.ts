/** What is allowed in a policy, and is probably not what was meant. Errors are `compilePolicy`'s to say. */
import { quote } from "../words/quote.ts";
import { coveredBy } from "./_covering.ts";
import type { Conditions, TimeWindow } from "./_schema-when.ts";
import { listOf } from "./_values.ts";
import { parseInstant, readHours } from "./_when-other.ts";
import { unknownFindings } from "./lint-findings.ts";
import { inherited } from "./lint-inherited.ts";
import type { Program } from "./program.ts";
import type { CompiledRule } from "./rule.ts";
import { VERDICT_RANK } from "./verdicts.ts";

export type LintCode =
  | "shadowed"
  | "denied"
  | "never"
  | "always"
  | "expired"
  | "unused"
  | "tunnel"
  | "credential"
  | "unknown"
  | "pointless"
  | "inherited";

export interface Warning {
  readonly code: LintCode;
  /** `file:line:column`. */
  readonly at: string;
  readonly message: string;
}

/** Of more rules the pairs are not compared. */
const MAX_PAIRED = 2000;

export function lint(program: Program, now: number): Warning[] {
  const warnings: Warning[] = [];
  for (const { name, at } of program.unusedLists) {
    warnings.push({ code: "unused", at, message: `lists.${name} is used by no rule` });
  }
  for (const file of program.files) {
    for (const { text, where, at } of file.lists["hosts.allow"]) {
      const denied = deniedWhole(program, text);
      if (denied !== null) {
        warnings.push({
          code: "denied",
          at: at(),
          message: `${where}: ${quote(text)} never goes: ${denied} is absolute`,
        });
      }
    }
  }
  for (const { at, message } of inherited(program)) warnings.push({ code: "inherited", at, message });
  for (const { at, message } of unknownFindings(program.files)) warnings.push({ code: "unknown", at, message });
  for (const rule of program.rules) warnings.push(...lintRule(program, rule, now));
  warnings.push(...shadowed(program));
  return warnings;
}

function lintRule(program: Program, rule: CompiledRule, now: number): Warning[] {
  const warnings: Warning[] = [];
  const { when = {} } = rule.entry;
  const warn = (code: LintCode, message: string): void => {
    warnings.push({ code, at: rule.at(), message: `rule ${quote(rule.id)}: ${message}` });
  };
  if (rule.expires <= now) warn("expired", `it has expired on ${new Date(rule.expires).toISOString()}: take it out`);
  if (rule.verdict !== "deny") {
    const hosts = rule.words("hosts");
    const denied = hosts.map((host) => deniedWhole(program, host));
    if (hosts.length > 0 && denied.every((each) => each !== null)) {
      warn("denied", `all its hosts are denied for good by ${denied[0]}`);
    }
  }
  const phases = listOf(when.phases);
  if (phases.length === 1 && phases[0] === "tunnel" && !rule.tunnel) {
    const seen = [...rule.conditions, ...rule.exceptions.flat()].find((condition) => !condition.tunnel);
    warn("never", `a tunnel does not show what ${quote(seen?.name ?? "it")} asks for: it never holds`);
  } else if (!rule.tunnel && rule.verdict === "deny" && phases.includes("tunnel")) {
    warn("tunnel", "of tunnels it is not asked: it needs what a tunnel does not show");
  }
  for (const [where, conditions] of [
    ["when", when],
    ["when.not", when.not ?? {}],
    ["unless", rule.entry.unless ?? {}],
  ] as const) {
    for (const what of impossible(conditions, now)) warn("never", `${where}.${what}: it never holds`);
    for (const [header, test] of Object.entries(conditions.headers ?? {})) {
      const secret = /^(?:authorization|proxy-authorization|cookie|x-api-key|api-key)$/i.test(header);
      const reads = typeof test === "string" ? test !== "*" : "equals" in test || "glob" in test || "regex" in test;
      if (secret && reads) {
        warn("credential", `${where}.headers.${header}: no rule sees the value of a credential: use kind or issuer`);
      }
    }
    if (sameDay(conditions)) warn("always", `${where}.times: hours that end where they begin are the whole day`);
  }
  for (const exception of [when.not, rule.entry.unless]) {
    if (exception !== undefined && covers(exception, when)) warn("never", "its exceptions take back all it says");
  }
  if (
    rule.verdict === "allow" &&
    rule.mode === "enforce" &&
    Object.keys(when).length === 0 &&
    !program.allowByDefault
  ) {
    warn("pointless", "it lets everything through: say default: allow, or give it a when");
  }
  return warnings;
}

/** The names of conditions that nothing can fulfil. */
function impossible(conditions: Conditions, now: number): string[] {
  const found: string[] = [];
  const { body, messages, tool_calls, json = {}, times } = conditions;
  const crossed = (low: number | undefined, high: number | undefined): boolean =>
    low !== undefined && high !== undefined && low > high;
  for (const name of ["tokens", "max_tokens", "images", "files"] as const)
    if (crossed(conditions[name]?.min, conditions[name]?.max)) found.push(name);
  if (crossed(tool_calls?.min, tool_calls?.max)) found.push("tool_calls");
  if (crossed(body?.min_bytes, body?.max_bytes)) found.push("body");
  if (crossed(messages?.min, messages?.max)) found.push("messages");
  for (const [path, test] of Object.entries(json)) {
    if (typeof test !== "object" || test === null) continue;
    const { gt, gte, lt, lte, exists } = test;
    const low = Math.max(gt ?? Number.NEGATIVE_INFINITY, gte ?? Number.NEGATIVE_INFINITY);
    const high = Math.min(lt ?? Number.POSITIVE_INFINITY, lte ?? Number.POSITIVE_INFINITY);
    const open = (gt !== undefined && gt === low) || (lt !== undefined && lt === high);
    if (low > high || (low === high && open)) found.push(`json.${path}`);
    if (exists === false && Object.keys(test).length > 1) found.push(`json.${path}`);
  }
  const windows: readonly TimeWindow[] = listOf(times);
  if (windows.length > 0 && windows.every((window) => isOver(window, now))) found.push("times");
  if (conditions.class === "read" && conditions.methods !== undefined) {
    const writes = listOf(conditions.methods).every((method) => ["PUT", "PATCH", "DELETE"].includes(method));
    if (writes) found.push("class");
  }
  return found;
}

function isOver({ from, until }: TimeWindow, now: number): boolean {
  if (until === undefined) return false;
  const end = parseInstant(until);
  return end <= now || (from !== undefined && parseInstant(from) >= end);
}

function sameDay({ times }: Conditions): boolean {
  return listOf<TimeWindow>(times).some(({ hours }) =>
    listOf(hours).some((each) => {
      const [from, to] = readHours(each);
      return from === to;
    }),
  );
}

/** Rules that decide nothing: one that is at least as severe holds whenever they do. */
function shadowed(program: Program): Warning[] {
  const rules = program.rules.filter(({ expires }) => expires === Number.POSITIVE_INFINITY).map(comparable);
  if (rules.length > MAX_PAIRED) return [];
  const warnings: Warning[] = [];
  for (const each of rules) {
    const { rule } = each;
    const found = rules.find((other) => {
      const { verdict, mode, exceptions, number } = other.rule;
      if (other === each || mode !== "enforce" || exceptions.length > 0) return false;
      const severer = VERDICT_RANK[verdict] - VERDICT_RANK[rule.verdict];
      if (severer < 0 || (severer === 0 && number > rule.number)) return false;
      return includes(other, each);
    });
    const over = found?.rule;
    if (over === undefined) continue;
    const what =
      over.verdict === rule.verdict ? "says the same of all it covers" : "is more severe and covers all of it";
    warnings.push({
      code: "shadowed",
      at: rule.at(),
      message: `rule ${quote(rule.id)}: it decides nothing: ${over.name} (${over.at()}) ${what}`,
    });
  }
  return warnings;
}

interface Comparable {
  readonly rule: CompiledRule;
  /** Each condition as text, and the words of those that are words. */
  readonly conditions: ReadonlyMap<string, { readonly text: string; readonly words: ReadonlySet<string> | null }>;
}

function comparable(rule: CompiledRule): Comparable {
  const conditions = Object.entries(rule.entry.when ?? {}).map(([key, value]) => {
    const words = isWords(value) ? new Set(rule.words(key as keyof Conditions)) : null;
    return [key, { text: JSON.stringify(value), words }] as const;
  });
  return { rule, conditions: new Map(conditions) };
}

/** Whatever `inner` covers, `outer` does: every condition of the outer stands in the inner, as wide or wider. */
function includes(outer: Comparable, inner: Comparable): boolean {
  // Of tunnels the inner may be asked where the outer is not.
  if (inner.rule.tunnel && !outer.rule.tunnel) return false;
  for (const [key, wide] of outer.conditions) {
    const narrow = inner.conditions.get(key);
    if (narrow === undefined) return false;
    if (wide.text === narrow.text) continue;
    if (wide.words === null || narrow.words === null) return false;
    if (wide.words.has("*")) continue;
    for (const word of narrow.words) if (!wide.words.has(word)) return false;
  }
  return true;
}

/** An exception that is as wide as the conditions it stands beside. */
function covers(exception: Conditions, when: Conditions): boolean {
  return Object.entries(exception).every(([key, value]) => {
    const other = when[key as keyof Conditions];
    return other !== undefined && JSON.stringify(other) === JSON.stringify(value);
  });
}

function isWords(value: unknown): boolean {
  return typeof value === "string" || (Array.isArray(value) && value.every((each) => typeof each === "string"));
}

/** The entry of hosts.deny that covers everything a pattern covers, or null. */
function deniedWhole(program: Program, text: string): string | null {
  return coveredBy(program.deny, text);
}
