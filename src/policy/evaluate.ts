/** What a program says of one question. The most severe of the rules that hold wins. */
import type { Facts } from "../content/facts.ts";
import type { Finding } from "../model/finding.ts";
import type { Question } from "../model/question.ts";
import { formatAuthority } from "../wire/authority.ts";
import { Asked, NO, type Truth, UNKNOWN, YES } from "./asked.ts";
import { counts, holds, whyUnsure } from "./holding.ts";
import type { Layer, Program } from "./program.ts";
import type { CompiledRule } from "./rule.ts";
import type { RuleVerdict } from "./schema.ts";
import { MAX_CONTROLS, VERDICT_RANK } from "./verdicts.ts";

export interface MatchedRule {
  readonly rule: CompiledRule;
  /** What it asks for; a sanitize of something that cannot be read is a deny. */
  readonly verdict: RuleVerdict;
  /** Not all readings or values are what the rule says, or they are not known. */
  readonly sure: boolean;
}

export interface PolicyRuling {
  readonly verdict: RuleVerdict;
  /** As certificates name it: `rules.no-uploads`, `hosts.deny[2] *.evil.com`, `access.writes`, `default`. */
  readonly rule: string;
  /** One sentence. */
  readonly reason: string;
  /** The ruling if everything in shadow were enforced; null when that is the same verdict. */
  readonly would: { readonly verdict: RuleVerdict; readonly rule: string; readonly reason: string } | null;
  /** Control ids of every rule that was enforced and held, each once, at most `MAX_CONTROLS`. */
  readonly controls: readonly string[];
  /** How long this may be remembered for the same question, or null. */
  readonly ttlS: number | null;
  /** For whoever asked. */
  readonly message: string | null;
  /** Every rule that holds, those in shadow too, in the order of the files. */
  readonly matched: readonly MatchedRule[];
}

const NOTHING: readonly MatchedRule[] = [];
const NO_CONTROLS: readonly string[] = [];

/** Pure and total. `findings` are those of inspection, whatever is done about them. */
export function evaluateRules(
  program: Program,
  question: Question,
  facts: Facts,
  findings: readonly Finding[],
): PolicyRuling {
  return rule(program, new Asked(question, facts, findings));
}

/** As `evaluateRules`; `accept` says which rules count as holding. */
export function rule(
  program: Program,
  asked: Asked,
  accept: (rule: CompiledRule, truth: Truth) => boolean = counts,
): PolicyRuling {
  const matched = program.rules.length === 0 ? NOTHING : matching(program, asked, accept);
  const enforced = conclude(program, asked, matched, false);
  let would: PolicyRuling["would"] = null;
  if (program.unshadowed !== null) {
    const every = conclude(program.unshadowed, asked, matched, true);
    if (every.verdict !== enforced.verdict) would = { verdict: every.verdict, rule: every.rule, reason: every.reason };
  }
  const ttlS = enforced.ttlS === null ? null : lasting(enforced.ttlS, program, asked, matched);
  return { ...enforced, ttlS, would, matched };
}

/** No ruling is remembered past the moment at which the rules would say something else. */
function lasting(ttlS: number, program: Program, asked: Asked, matched: readonly MatchedRule[]): number {
  for (const number of program.index.candidates(asked)) {
    if ((program.rules[number] as CompiledRule).clocked) return 0;
  }
  const ends = matched.reduce((soonest, { rule: { expires } }) => Math.min(soonest, expires), Number.POSITIVE_INFINITY);
  return Math.max(0, Math.min(ttlS, Math.floor((ends - asked.question.at) / 1000)));
}

function matching(
  program: Program,
  asked: Asked,
  accept: (rule: CompiledRule, truth: Truth) => boolean,
): readonly MatchedRule[] {
  let matched: MatchedRule[] | null = null;
  for (const number of program.index.candidates(asked)) {
    const candidate = program.rules[number] as CompiledRule;
    const truth = holds(candidate, asked);
    if (truth === NO || !accept(candidate, truth)) continue;
    matched ??= [];
    // What nobody can read, nobody can redact.
    const verdict = candidate.verdict === "sanitize" && truth === UNKNOWN ? "deny" : candidate.verdict;
    matched.push({ rule: candidate, verdict, sure: truth === YES });
  }
  return matched === null ? NOTHING : matched.sort((a, b) => a.rule.number - b.rule.number);
}

type Concluded = Omit<PolicyRuling, "would" | "matched">;

function conclude(layer: Layer, asked: Asked, matched: readonly MatchedRule[], shadow: boolean): Concluded {
  const { host, port, literal } = asked.question;
  const denied = layer.deny.match(host, port, literal);
  if (denied !== null) return plain("deny", denied, `policy denies host "${host}"`);
  let worst: MatchedRule | null = null;
  let opened: MatchedRule | null = null;
  for (const each of matched) {
    if (!shadow && each.rule.mode === "shadow") continue;
    if (each.verdict === "allow") opened ??= each;
    if (worst === null || VERDICT_RANK[each.verdict] > VERDICT_RANK[worst.verdict]) worst = each;
  }
  const controls = controlsOf(matched, worst, shadow);
  // A rule that redacts says how something may go, not that it may.
  if (worst === null || worst.verdict === "sanitize") {
    const allowed = opened === null ? layer.allow.match(host, port, literal) : null;
    if (opened === null && allowed === null) {
      const otherwise = byDefault(layer, asked);
      if (worst === null || otherwise.verdict === "deny") return { ...otherwise, controls };
    }
    if (worst === null) return { ...plain("allow", allowed ?? "", "allowed by policy"), controls };
  }
  const { rule: winner, verdict } = worst;
  return {
    verdict,
    rule: winner.name,
    reason: reasonOf(worst, asked),
    controls,
    ttlS: worst.sure ? winner.ttlS : null,
    message: winner.message,
  };
}

/** In the order of the rules; when they are too many, those of the rule that wins are among them. */
function controlsOf(matched: readonly MatchedRule[], winner: MatchedRule | null, shadow: boolean): readonly string[] {
  let found: Set<string> | null = null;
  for (const { rule } of matched) {
    if (rule.controls.length === 0 || (!shadow && rule.mode === "shadow")) continue;
    found ??= new Set();
    for (const control of rule.controls) found.add(control);
  }
  if (found === null) return NO_CONTROLS;
  const all = found.size > MAX_CONTROLS ? new Set([...(winner?.rule.controls ?? []), ...found]) : found;
  return [...all].slice(0, MAX_CONTROLS);
}

function byDefault(layer: Layer, asked: Asked): Concluded {
  const { access, allowByDefault } = layer;
  if ((access.reads === null && access.writes === null) || asked.question.phase === "tunnel") {
    return allowByDefault
      ? plain("allow", "default", "allowed by policy")
      : plain("deny", "default", `no rule lets this through to "${placeOf(asked)}"`);
  }
  const open = (key: "reads" | "writes"): boolean => (access[key] === null ? allowByDefault : access[key] === "open");
  const name = (key: "reads" | "writes"): string => (access[key] === null ? "default" : `access.${key}`);
  const kind = asked.class;
  // One of the two it is: the stricter.
  const key = kind === "read" || (kind === "unknown" && !open("reads")) ? "reads" : "writes";
  if (open(key)) return plain("allow", name(key), `${key} are open`);
  const unsure = kind === "unknown" ? ", and it cannot be told which this is" : "";
  return plain("deny", name(key), `${key} are closed and no rule lets this one through${unsure}`);
}

/** With its port: rules may name another. */
function placeOf({ question: { host, port } }: Asked): string {
  return formatAuthority(host, port);
}

function plain(verdict: RuleVerdict, rule: string, reason: string): Concluded {
  return { verdict, rule, reason, controls: NO_CONTROLS, ttlS: null, message: null };
}

const SAID: Readonly<Record<RuleVerdict, string>> = {
  allow: "allows this",
  deny: "denies this",
  sanitize: "has this redacted",
  approval_needed: "wants this approved",
};

function reasonOf({ rule: winner, verdict, sure }: MatchedRule, asked: Asked): string {
  const reason = winner.reason ?? `rule ${winner.id} ${SAID[verdict]}`;
  if (sure) return reason;
  const unread = verdict !== winner.verdict ? "; what cannot be read cannot be redacted" : "";
  return `${reason} (not sure: ${whyUnsure(winner, asked)}${unread})`.slice(0, 300);
}
