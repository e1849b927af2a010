/** Leave-one-source-out: each source judged by weights made without it and without the near copies of its rows elsewhere. */
import { THRESHOLD } from "../../src/detect/weights.ts";
import { nearCopies } from "./clusters.ts";
import { HARD_ATTACKS } from "./corpora.ts";
import { ruleFinds } from "./detector.ts";
import { FOLDS, familyOf, foldOf, scoresOf, trainWithout } from "./folds.ts";
import type { Case } from "./material.ts";
import { added, cells, percent, type Share, shareOf, table } from "./report.ts";
import type { Section } from "./section.ts";

export const leftOut: Section = ({ material, quick }) => {
  if (quick) return null;
  const families = [...new Set(material.attacks.map(({ row }) => familyOf(row.source)))];
  const judged = new Map<string, boolean>();
  const falsePositives: Share[] = [];
  const hardPositives: Share[] = [];
  const rows = families.map((family, n) => {
    const belongs = (item: Case): boolean => familyOf(item.row.source) === family;
    const held = material.attacks.filter(belongs);
    const near = nearCopies(
      held,
      material.attacks.filter((item) => !belongs(item)),
    );
    const fold = n % FOLDS;
    const model = trainWithout(material, (item) => belongs(item) || near.has(item), fold);
    const hitsOf = (items: readonly Case[]): Set<Case> => {
      const scores = scoresOf(model, items);
      return new Set(items.filter(({ row }, i) => (scores[i] ?? 0) > THRESHOLD || ruleFinds(row.text)));
    };
    const hits = hitsOf(held);
    for (const item of held) judged.set(item.row.id, hits.has(item));
    const innocent = material.benign.filter(({ row }) => foldOf(row.id) === fold);
    const guilty = hitsOf(innocent);
    falsePositives.push(shareOf(innocent, (item) => guilty.has(item)));
    hardPositives.push(
      shareOf(
        innocent.filter(({ row }) => row.kind === "hard"),
        (item) => guilty.has(item),
      ),
    );
    const scores = scoresOf(model, held);
    const learned = { hits: scores.filter((score) => score > THRESHOLD).length, of: held.length };
    return [family, String(near.size), ...cells(shareOf(held, (item) => hits.has(item))), cells(learned)[1] ?? ""];
  });
  const of = (kind: string): Share =>
    shareOf(
      material.attacks.filter(({ row }) => row.kind === kind && row.source !== HARD_ATTACKS),
      ({ row }) => judged.get(row.id) === true,
    );
  const [direct, indirect] = [of("direct"), of("indirect")];
  const wrong = added(falsePositives);
  const wrongHard = added(hardPositives);
  const rate = ({ hits, of: all }: Share): number => hits / Math.max(1, all);
  const markdown = [
    table(
      ["source left out", "near copies left out with it", "found", "share", "95 %", "learned alone"],
      [
        ...rows,
        ["**direct, together**", "", ...cells(direct), ""],
        ["**indirect, together**", "", ...cells(indirect), ""],
      ],
    ),
    `False positives of these models, on benign rows that none of them had seen: ${cells(wrong, 2).join(", ")}; near misses ${cells(wrongHard, 2).join(", ")}.`,
  ].join("\n\n");
  return {
    markdown,
    goals: [
      { what: "direct, source left out", wanted: "≥ 60 %", measured: percent(rate(direct)), kept: rate(direct) >= 0.6 },
      {
        what: "indirect, source left out",
        wanted: "≥ 45 %",
        measured: percent(rate(indirect)),
        kept: rate(indirect) >= 0.45,
      },
      {
        what: "false positives, source left out",
        wanted: "≤ 0.5 %",
        measured: percent(rate(wrong), 2),
        kept: rate(wrong) <= 0.005,
      },
    ],
  };
};
