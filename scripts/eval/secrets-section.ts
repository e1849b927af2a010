/** Secrets and personal data, for the report. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { corporaFolder } from "./corpora.ts";
import { cells, percent, table, wilson } from "./report.ts";
import { type EvalRow, evaluateSecrets } from "./secrets.ts";
import type { Goal, Section } from "./section.ts";

const GROUPS: Readonly<Record<string, string>> = {
  format: "secrets that say by their own shape whose they are",
  assignment: "secrets told by the name they are given",
  "detect-secrets": "a detector's own test cases",
  "fake-leaks": "files with secrets in them",
  personal: "personal data, low confidence left out",
};
const WANTED = 0.95;
const MOST_NAMED = 12;

export const secrets: Section = () => {
  if (!existsSync(join(corporaFolder(), "secrets"))) return null;
  const rows = evaluateSecrets();
  const inGroup = (group: string): Total => totalOf(rows.filter((row) => row.group === group));
  const format = inGroup("format");
  const gone = totalOf(rows);
  const goals: Goal[] = [
    goal("Secrets with a format of their own: recall", format.found, format.positives),
    goal("Secrets with a format of their own: precision", format.found, format.found + format.wrong),
    {
      what: "Redaction: what was found is not in the sanitised text",
      wanted: "100 %",
      measured: `${gone.sanitized - gone.left} of ${gone.sanitized}`,
      kept: gone.left === 0,
    },
  ];
  const main = table(
    ["group", "found", "recall", "95 %", "right of what was found", "precision", "95 %"],
    Object.entries(GROUPS).map(([group, what]) => {
      const { positives, found, wrong } = inGroup(group);
      return [what, ...cells({ hits: found, of: positives }), ...cells({ hits: found, of: found + wrong })];
    }),
  );
  const personal = table(
    ["recognizer", "found, sure", "found at all", "wrong, sure", "wrong at all"],
    rows
      .filter(({ group }) => group === "personal")
      .map((row) => [
        row.name,
        `${row.foundSure}/${row.positives}`,
        `${row.found}/${row.positives}`,
        `${row.flaggedSure}/${row.negatives}`,
        `${row.flagged}/${row.negatives}`,
      ]),
  );
  return { markdown: [main, REMARKS, `Missed: ${missed(rows)}.`, personal].join("\n\n"), goals };
};

const REMARKS = `Each text is scanned alone, on its way to a host that is no issuer's. A positive counts as found when anything in it is told
with medium or high confidence, whichever rule tells it; a negative counts as wrong likewise. Negatives of a rule that are
positives of another are left out. In the first group what only the name beside a value tells does not count. Precision is
that of these collections, which are rich in near misses and made by the authors of other detectors: it is not what traffic
has. The third group holds many values that nothing but entropy tells, and words in the place of passwords; the fourth labels
whole lines by file, and calls examples and public keys wrong or right by where they stand. Neither is tuned for. Personal data
without a check digit or a word beside it is told with low confidence only, and acts on nothing.`;

interface Total {
  readonly positives: number;
  readonly found: number;
  readonly wrong: number;
  readonly sanitized: number;
  readonly left: number;
}

function totalOf(rows: readonly EvalRow[]): Total {
  const sum = (pick: (row: EvalRow) => number): number => rows.reduce((total, row) => total + pick(row), 0);
  return {
    positives: sum((row) => row.positives),
    found: sum((row) => row.foundSure),
    wrong: sum((row) => row.flaggedSure),
    sanitized: sum((row) => row.sanitized),
    left: sum((row) => row.left),
  };
}

function goal(what: string, hits: number, of: number): Goal {
  const [low] = wilson({ hits, of });
  return {
    what,
    wanted: `>= ${percent(WANTED, 0)}`,
    measured: `${percent(hits / Math.max(1, of))} (${hits}/${of}, at least ${percent(low)})`,
    kept: of > 0 && hits / of >= WANTED,
  };
}

/** The rules of the first group with the most misses. */
function missed(rows: readonly EvalRow[]): string {
  return rows
    .filter(({ group, misses }) => group === "format" && misses.length > 0)
    .sort((a, b) => b.misses.length - a.misses.length)
    .slice(0, MOST_NAMED)
    .map(({ name, misses, positives }) => `${name} ${misses.length} of ${positives} (first \`${misses[0]?.id}\`)`)
    .join(", ");
}
