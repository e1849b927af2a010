/** What a verdict of the rules alone leaves out: inspection before them, and limits after them. */
import { subjectOfQuestion } from "../decide/limits-question.ts";
import { DEFAULT_MODES } from "../dlp/dlp.ts";
import { VECTORS as DATA } from "../dlp/finding.ts";
import type { DlpClass } from "../dlp/rule.ts";
import { attackAction } from "../engine/profile.ts";
import type { Finding } from "../model/finding.ts";
import type { Question } from "../model/question.ts";
import { dlpPolicyOf } from "../policy/dlp-settings.ts";
import type { PolicyRuling } from "../policy/evaluate.ts";
import type { Program } from "../policy/program.ts";
import { VERDICT_RANK } from "../policy/verdicts.ts";
import { quote } from "../words/quote.ts";

/** Findings that inspection acts on by itself, more severely than the rules do; one line a vector. */
export function notesOnFindings(program: Program, ruling: PolicyRuling, findings: readonly Finding[]): string[] {
  const notes = new Set<string>();
  for (const finding of findings) {
    const does = actionOn(program, finding);
    if (does === "enforce" && VERDICT_RANK[ruling.verdict] < VERDICT_RANK.deny) {
      notes.add(`${finding.vector} is a veto of inspection, before the rules; that is not in this verdict`);
    } else if (does === "sanitize" && ruling.verdict === "allow") {
      notes.add(`${finding.vector} is taken out by inspection, before the rules; that is not in this verdict`);
    }
  }
  return [...notes];
}

/** Limits that would be asked after this verdict, one line each. */
export async function notesOnLimits(program: Program, ruling: PolicyRuling, question: Question): Promise<string[]> {
  const { limits } = program;
  if (limits.limits.length === 0 || VERDICT_RANK[ruling.verdict] > VERDICT_RANK.sanitize) return [];
  const source = {
    tenant: question.org,
    question,
    inside: false,
    bytes: question.body?.length ?? 0,
    replacement: null,
  };
  const subject = await subjectOfQuestion(limits, source);
  return limits.limits
    .filter((limit) => limit.enforce && limit.matches(subject))
    .map(({ id }) => `limit ${quote(id)} matches; limits are not asked here`);
}

function actionOn(program: Program, finding: Finding): string {
  if (finding.pillar === "128") return attackAction(program.detect, finding);
  const found = Object.entries(DATA).find(([, vector]) => vector === finding.vector);
  if (found === undefined) return "note";
  const { modes: said, allow } = dlpPolicyOf(program.dlp);
  if (allow.names.includes(finding.name)) return "ignore";
  const modes = { ...DEFAULT_MODES, ...said };
  return modes[found[0] as DlpClass];
}
