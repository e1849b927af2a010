/** Leave-one-source-out: each source judged by weights made without it and without the near copies of its rows elsewhere. */
import { THRESHOLD } from "../../src/detect/weights.ts";
import { nearCopies } from "./clusters.ts";
import { HARD_ATTACKS } from "./corpora.ts";
import { engineWith, ruleFinds } from "./detector.ts";
import { DISGUISES } from "./disguises.ts";
import { FOLDS, familyOf, foldOf, scoresOf, trainWithout } from "./folds.ts";
import type { Case } from "./material.ts";
import { added, cells, percent, type Share, shareOf, table } from "./report.ts";
import type { Section } from "./section.ts";

export const leftOut: Section = async ({ material, quick }) => {
  if (quick) return null;
  const families = [...new Set(material.attacks.map(({ row }) => familyOf(row.source)))];
  const judged = new Map<string, boolean>();
  const falsePositives: Share[] = [];
  const hardPositives: Share[] = [];
  const disguised = new Disguised();
  const rows: string[][] = [];
  for (const [n, family] of families.entries()) {
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
    disguised.add(await engineWith(model, THRESHOLD), held);
    const share = shareOf(held, (item) => hits.has(item));
    rows.push([family, String(near.size), ...cells(share), cells(learned)[1] ?? ""]);
  }
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
    disguised.markdown(),
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
        what: "invariance, source left out",
        wanted: "≥ 90 %",
        measured: percent(rate(disguised.all)),
        kept: rate(disguised.all) >= 0.9,
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

/** Attacks of a source, as many of each, and no longer than a message. */
const MOST_OF_A_SOURCE = 25;
const LONGEST = 4000;

/** Attacks that a model without their source finds as they are, under every disguise. */
class Disguised {
  readonly #shares = new Map<string, Share>();

  add(vectorOf: (text: string) => string | null, held: readonly Case[]): void {
    const short = held.filter(({ row }) => row.text.length <= LONGEST && row.source !== HARD_ATTACKS);
    const stride = Math.max(1, Math.floor(short.length / (2 * MOST_OF_A_SOURCE)));
    const found = short
      .filter((_, i) => i % stride === 0)
      .filter(({ row }) => vectorOf(row.text) !== null)
      .slice(0, MOST_OF_A_SOURCE);
    for (const [name, disguise] of Object.entries(DISGUISES)) {
      const share = shareOf(found, ({ row }) => vectorOf(disguise(row.text)) !== null);
      this.#shares.set(name, added([this.#shares.get(name) ?? { hits: 0, of: 0 }, share]));
    }
  }

  get all(): Share {
    return added([...this.#shares.values()]);
  }

  markdown(): string {
    return [
      `Of what such a model finds as it is (up to ${MOST_OF_A_SOURCE} attacks of each source, of at most ${LONGEST} characters), still found under a disguise:`,
      table(
        ["disguise", "still found", "share", "95 %"],
        [...[...this.#shares].map(([name, share]) => [name, ...cells(share)]), ["**together**", ...cells(this.all)]],
      ),
    ].join("\n\n");
  }
}
