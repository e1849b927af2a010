/** What of a policy is only looked at: whoever takes one in by its name may take it for a guard. */
import type { Program } from "./program.ts";

const WOULD = "certificates say what would have been (would)";

/** For an operator; null while attacks and secrets are vetoed, as they are without a policy. */
export function onlyWatched(program: Program): string | null {
  const { detect, dlp } = program;
  const vectors = Object.values(detect.vectors ?? {}).map((said) => (typeof said === "string" ? said : said.mode));
  const attacks = isIdle(detect.mode) && ![...vectors, detect.classifier?.mode].includes("enforce");
  const passes = [
    ...(attacks ? ["attacks on models (detect)"] : []),
    ...(isIdle(dlp.secrets) ? ["secrets (dlp.secrets)"] : []),
  ];
  if (passes.length === 0) return null;
  const what = passes.join(" and ");
  return passes.length === 2 && forbidsNothing(program)
    ? `the policy enforces nothing: every host, ${what} pass; ${WOULD}`
    : `the policy lets pass ${what}; ${WOULD}`;
}

function forbidsNothing({ allowByDefault, access, deny, rules, limits, sequences, dlp }: Program): boolean {
  const data = [dlp.personal, dlp.health].filter((mode) => mode !== undefined);
  for (const list of [dlp.canaries, dlp.patterns, dlp.dictionaries]) if (list) data.push(list.mode ?? "enforce");
  return (
    allowByDefault &&
    ![access.reads, access.writes].includes("closed") &&
    deny.size === 0 &&
    rules.every(({ mode, verdict }) => mode === "shadow" || verdict === "allow") &&
    limits.limits.every(({ enforce }) => !enforce) &&
    sequences.every(({ mode }) => mode === "shadow") &&
    data.every(isIdle)
  );
}

function isIdle(mode: string | undefined): boolean {
  return mode === "shadow" || mode === "off";
}
