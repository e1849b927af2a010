/** The engine as shipped over every corpus: what it catches, what it should not, and the worst of both. */

import { THRESHOLD } from "../../src/detect/weights.ts";
import { HARD_ATTACKS } from "./corpora.ts";
import { crossValidated } from "./cross-validation.ts";
import { ruleFinds, vectorOf, vectorOfBody } from "./detector.ts";
import type { Case } from "./material.ts";
import { added, cells, percent, type Share, shareOf, table } from "./report.ts";
import type { Goal, Section } from "./section.ts";

const WORST = 12;

function bySource<T extends Case>(items: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(item.row.source, [...(groups.get(item.row.source) ?? []), item]);
  return groups;
}

interface Group {
  readonly source: string;
  readonly kind: string;
  readonly shipped: Share;
  readonly rules: Share;
  readonly unseen: Share | null;
}

export const detection: Section = ({ material, quick }) => {
  const vectors = new Map<string, string | null>();
  for (const { row } of [...material.attacks, ...material.benign]) vectors.set(row.id, vectorOf(row.text));
  for (const { row } of material.surroundings) vectors.set(row.id, vectorOfBody(row.text));
  const ruled = new Set<string>();
  for (const { row } of [...material.attacks, ...material.benign, ...material.surroundings]) {
    if (ruleFinds(row.text)) ruled.add(row.id);
  }
  const scores = quick ? null : crossValidated(material).byId;
  const found = ({ row }: Case): boolean => (vectors.get(row.id) ?? null) !== null;
  const unseenFound = ({ row }: Case): boolean => ruled.has(row.id) || (scores?.get(row.id) ?? 0) > THRESHOLD;
  const groupsOf = (items: readonly Case[]): Group[] =>
    [...bySource(items)].map(([source, list]) => ({
      source,
      kind: list[0]?.row.kind ?? "",
      shipped: shareOf(list, found),
      rules: shareOf(list, ({ row }) => ruled.has(row.id)),
      unseen: scores === null ? null : shareOf(list, unseenFound),
    }));
  const attacks = groupsOf(material.attacks);
  const benign = groupsOf(material.benign);
  const around = groupsOf(material.surroundings);
  const total = (groups: readonly Group[], kinds: readonly string[], name: string): Group => {
    const chosen = groups.filter(({ kind, source }) => kinds.includes(kind) && source !== HARD_ATTACKS);
    return {
      source: `**${name}**`,
      kind: "",
      shipped: added(chosen.map(({ shipped }) => shipped)),
      rules: added(chosen.map(({ rules }) => rules)),
      unseen: scores === null ? null : added(chosen.map(({ unseen }) => unseen ?? { hits: 0, of: 0 })),
    };
  };
  const direct = total(attacks, ["direct"], "direct, together");
  const indirect = total(attacks, ["indirect"], "indirect, together");
  const allBenign = total(benign, ["benign", "hard"], "benign, together");
  const hard = total(benign, ["hard"], "near misses, together");
  const rows = (groups: readonly Group[], digits: number): string[][] =>
    groups.map(({ source, kind, shipped, rules, unseen }) => [
      source,
      kind,
      ...cells(shipped, digits),
      cells(rules, digits)[1] ?? "",
      unseen === null ? "–" : (cells(unseen, digits)[1] ?? ""),
    ]);
  const head = ["source", "kind", "found", "share", "95 %", "rules alone", "unseen (5 folds)"];
  const worst = (items: readonly Case[], hit: boolean): string[] =>
    items.filter((item) => found(item) === hit).map(({ row }) => `${row.id}${hit ? ` (${vectors.get(row.id)})` : ""}`);
  const misses = [...bySource(material.attacks)]
    .map(([source, list]) => [
      source,
      worst(list, false)
        .slice(0, WORST)
        .map((id) => id.split(":").pop())
        .join(", "),
    ])
    .filter(([, ids]) => ids !== "") as string[][];
  const markdown = [
    "### Attacks",
    table(head, rows([...attacks, direct, indirect], 1)),
    "### Benign",
    table(head, rows([...benign, allBenign, hard], 2)),
    "Around them, benign too but not counted above:",
    table(head, rows(around, 2)),
    "Vectors of what was found in attacks, and in benign text:",
    table(
      ["vector", "attacks", "benign"],
      tally(material.attacks, [...material.benign, ...material.surroundings], vectors),
    ),
    "Benign rows that are found, all of them:",
    [...worst(material.benign, true), ...worst(material.surroundings, true)].map((id) => `\`${id}\``).join(", ") ||
      "none",
    `Attacks that are missed, the first ${WORST} of each source (row numbers):`,
    table(["source", "rows"], misses),
  ].join("\n\n");
  const rate = ({ hits, of }: Share): number => hits / Math.max(1, of);
  const goal = (what: string, share: Share, wanted: number, atMost: boolean): Goal => ({
    what,
    wanted: `${atMost ? "≤" : "≥"} ${percent(wanted)}`,
    measured: percent(rate(share), atMost ? 2 : 1),
    kept: atMost ? rate(share) <= wanted : rate(share) >= wanted,
  });
  const goals = [
    goal("direct injections and jailbreaks found", direct.shipped, 0.85, false),
    goal("indirect injections found", indirect.shipped, 0.75, false),
    goal("false positives, all benign corpora", allBenign.shipped, 0.005, true),
    goal("false positives, near misses", hard.shipped, 0.02, true),
  ];
  if (direct.unseen !== null && indirect.unseen !== null && allBenign.unseen !== null && hard.unseen !== null) {
    goals.push(
      goal("direct, rows and near copies unseen", direct.unseen, 0.6, false),
      goal("false positives, rows unseen", allBenign.unseen, 0.005, true),
      goal("false positives, near misses unseen", hard.unseen, 0.02, true),
    );
  }
  return { markdown, goals };
};

function tally(
  attacks: readonly Case[],
  benign: readonly Case[],
  vectors: ReadonlyMap<string, string | null>,
): string[][] {
  const counts = new Map<string, [number, number]>();
  for (const [side, items] of [attacks, benign].entries()) {
    for (const { row } of items) {
      const vector = vectors.get(row.id);
      if (vector === null || vector === undefined) continue;
      const pair = counts.get(vector) ?? [0, 0];
      pair[side] = (pair[side] ?? 0) + 1;
      counts.set(vector, pair);
    }
  }
  return [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([vector, [a, b]]) => [vector, String(a), String(b)]);
}
