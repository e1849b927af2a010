/** What a policy makes of findings: enforced, only watched, or not looked at. Compiled once with the program. */
import { compileDlp, DEFAULT_MODES, type Dlp, type DlpFinding, type DlpSettings, type Mode } from "../dlp/dlp.ts";
import type { DlpClass } from "../dlp/rule.ts";
import type { Finding, Severity } from "../model/finding.ts";
import type { Program } from "../policy/program.ts";
import type { DetectSection, DlpSection } from "../policy/schema.ts";

/** `enforce` and `sanitize` act, `watch` says what it would have done, `note` only tells, `ignore` does not even that. */
export type Action = "enforce" | "sanitize" | "watch" | "note" | "ignore";

export interface Profile {
  readonly dlp: Dlp;
  /** False when nothing of Pillar 128 is looked at. */
  readonly detects: boolean;
  /** Of a finding of Pillar 128. */
  attack(finding: Finding): Action;
  /** Of a finding of secrets, personal data and the like, one of `all`. */
  data(finding: DlpFinding, all: readonly DlpFinding[]): Action;
}

const SEVERITY: Readonly<Record<Severity, number>> = { low: 0, medium: 1, high: 2, critical: 3 };
/** A likeness is no phrase: its mode is said apart. */
const LEARNED = "712";

/** Throws Fault `policy_invalid` for settings that cannot be obeyed. */
export function profileOf(program: Program | null): Profile {
  const detect = program?.detect ?? {};
  const settings = dlpSettings(program?.dlp ?? {});
  const modes: Readonly<Record<DlpClass, Mode>> = { ...DEFAULT_MODES, ...settings.modes };
  const named = settings.named ?? {};
  const atLeast = Object.fromEntries((program?.dlp.dictionaries ?? []).map(({ name, min }) => [name, min ?? 1]));
  return {
    dlp: compileDlp(settings),
    detects: detect.mode !== "off" || Object.keys(detect.vectors ?? {}).length > 0,
    attack: (finding) => attackAction(detect, finding),
    data(finding, all) {
      const least = finding.class === "dictionary" ? (atLeast[finding.name] ?? 1) : 1;
      if (least > 1 && all.filter(({ name }) => name === finding.name).length < least) return "note";
      return dataAction(named[finding.name] ?? modes[finding.class], finding);
    },
  };
}

function attackAction(detect: DetectSection, { vector, name, severity }: Finding): Action {
  const said = detect.vectors?.[vector] ?? detect.vectors?.[name];
  const own = typeof said === "string" ? { mode: said } : (said ?? {});
  const learned = vector === LEARNED ? detect.classifier?.mode : undefined;
  const mode = own.mode ?? learned ?? detect.mode ?? "enforce";
  if (mode === "off") return "ignore";
  const threshold = own.threshold ?? detect.threshold ?? "low";
  if (SEVERITY[severity] < SEVERITY[threshold]) return "note";
  return mode === "shadow" ? "watch" : "enforce";
}

/** What is not sure enough to act on is told, and acts on nothing. */
function dataAction(mode: Mode, finding: DlpFinding): Action {
  if (mode === "off") return "ignore";
  if (mode === "shadow") return finding.confidence === "low" ? "note" : "watch";
  return finding.mode === "shadow" ? "note" : mode;
}

function dlpSettings({ secrets, personal, health, canaries, patterns, dictionaries }: DlpSection): DlpSettings {
  const modes: Partial<Record<DlpClass, Mode>> = {};
  if (secrets !== undefined) modes.secret = secrets;
  if (personal !== undefined) modes.personal = personal;
  if (health !== undefined) modes.health = health;
  if (canaries?.mode !== undefined) modes.canary = canaries.mode;
  const named: Record<string, Mode> = {};
  for (const { name, mode } of [...(patterns ?? []), ...(dictionaries ?? [])])
    if (mode !== undefined) named[name] = mode;
  return {
    modes,
    named,
    canaries: listOf(canaries?.values),
    patterns: (patterns ?? []).map(({ name, regex, severity, near }) => ({
      name,
      pattern: regex,
      ...(severity === undefined ? {} : { severity }),
      ...(near === undefined ? {} : { near: listOf(near) }),
    })),
    dictionaries: (dictionaries ?? []).map(({ name, words, severity }) => ({
      name,
      words: listOf(words),
      ...(severity === undefined ? {} : { severity }),
    })),
  };
}

/** One or several, as a policy file may say them. */
function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
