/** What a policy makes of findings: enforced, only watched, or not looked at. Compiled once with the program. */
import { LEARNED } from "../detect/vectors.ts";
import { compileDlp, DEFAULT_MODES, type Dlp, type DlpFinding, type DlpSettings, type Mode } from "../dlp/dlp.ts";
import type { DlpClass } from "../dlp/rule.ts";
import { type Finding, SEVERITIES } from "../model/finding.ts";
import { dlpPolicyOf } from "../policy/dlp-settings.ts";
import type { Program } from "../policy/program.ts";
import type { DetectSection } from "../policy/schema.ts";

/** `enforce` and `sanitize` act, `watch` says what it would have done, `note` only tells, `ignore` does not even that. */
export type Action = "enforce" | "sanitize" | "watch" | "note" | "ignore";

export interface Profile {
  readonly dlp: Dlp;
  /** Something is looked for that may be no longer than `SHORT_VALUE`: canaries and the like, a card or a social security number. */
  readonly short: boolean;
  /** False when nothing of Pillar 128 is looked at. */
  readonly detects: boolean;
  /** Of a finding of Pillar 128. */
  attack(finding: Finding): Action;
  /** Of a finding of secrets, personal data and the like. */
  data(finding: DlpFinding): Action;
}

/** Throws Fault `policy_invalid` for settings that cannot be obeyed. */
export function profileOf(program: Program | null): Profile {
  const detect = program?.detect ?? {};
  const settings: DlpSettings = dlpPolicyOf(program?.dlp ?? {});
  const modes: Readonly<Record<DlpClass, Mode>> = { ...DEFAULT_MODES, ...settings.modes };
  return {
    dlp: compileDlp(settings),
    short: findsShort(settings, modes),
    detects: detect.mode !== "off" || Object.keys(detect.vectors ?? {}).length > 0,
    attack: (finding) => attackAction(detect, finding),
    data: (finding) => dataAction(modes[finding.class], finding),
  };
}

/** Personal data that is only told is not worth reading every short field for. */
function findsShort(
  { canaries, patterns, dictionaries }: DlpSettings,
  modes: Readonly<Record<DlpClass, Mode>>,
): boolean {
  const acts = (mode: Mode): boolean => mode === "enforce" || mode === "sanitize";
  if (acts(modes.personal) || acts(modes.health)) return true;
  return [canaries, patterns, dictionaries].some((list) => list !== undefined && list.length > 0);
}

/** Of a finding of Pillar 128, by the `detect` section. */
export function attackAction(detect: DetectSection, { vector, name, severity }: Finding): Action {
  const said = detect.vectors?.[vector] ?? detect.vectors?.[name];
  const own = typeof said === "string" ? { mode: said } : (said ?? {});
  // A likeness is no phrase: its mode is said apart.
  const learned = vector === LEARNED ? detect.classifier?.mode : undefined;
  const mode = own.mode ?? learned ?? detect.mode ?? "enforce";
  if (mode === "off") return "ignore";
  const threshold = own.threshold ?? detect.threshold ?? "low";
  if (SEVERITIES.indexOf(severity) < SEVERITIES.indexOf(threshold)) return "note";
  return mode === "shadow" ? "watch" : "enforce";
}

/** What is not sure enough to act on is told, and acts on nothing. */
function dataAction(mode: Mode, finding: DlpFinding): Action {
  if (mode === "off") return "ignore";
  if (mode === "shadow") return finding.confidence === "low" ? "note" : "watch";
  return finding.mode === "shadow" ? "note" : mode;
}
