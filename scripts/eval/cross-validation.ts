/** Every row judged by a model that has not seen it, nor a near copy of it: five folds. */
import { clusters } from "./clusters.ts";
import { FOLDS, foldOf, scoresOf, trainWithout } from "./folds.ts";
import { hashOf } from "./grammar.ts";
import type { Case, Material } from "./material.ts";

export interface Judged {
  readonly direct: readonly number[];
  readonly indirect: readonly number[];
  readonly benign: readonly number[];
  /** The near misses among the benign. */
  readonly hard: readonly number[];
  readonly surroundings: readonly number[];
  /** Row id → score. */
  readonly byId: ReadonlyMap<string, number>;
}

export function crossValidated(material: Material): Judged {
  const cluster = clusters(material.attacks);
  const foldOfAttack = (item: Case): number => hashOf(`cluster ${cluster.get(item)}`) % FOLDS;
  const byId = new Map<string, number>();
  const everything = [...material.attacks, ...material.benign, ...material.surroundings];
  for (let fold = 0; fold < FOLDS; fold++) {
    const model = trainWithout(material, (item) => foldOfAttack(item) === fold, fold);
    const unseen = everything.filter(
      (item) => (item.example.guilty ? foldOfAttack(item) : foldOf(item.row.id)) === fold,
    );
    scoresOf(model, unseen).forEach((score, n) => {
      byId.set((unseen[n] as Case).row.id, score);
    });
  }
  const of = (items: readonly Case[]): number[] => items.map(({ row }) => byId.get(row.id) ?? 0);
  const kind = (name: string): Case[] => material.attacks.filter(({ row }) => row.kind === name);
  return {
    direct: of(kind("direct")),
    indirect: of(kind("indirect")),
    benign: of(material.benign),
    hard: of(material.benign.filter(({ row }) => row.kind === "hard")),
    surroundings: of(material.surroundings),
    byId,
  };
}
