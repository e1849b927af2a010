/**
 * Who may learn from what. A source is left out together with every row of another source that is a near copy of one of its
 * rows: the same templates stand in several collections, and a model that has seen one of them has seen the source.
 */
import { hashOf } from "./grammar.ts";
import { type Case, isLearned, type Material } from "./material.ts";
import { type Example, type Model, scoreOf, train } from "./training.ts";

/** Sources that are one collection in two files. */
const FAMILIES: Readonly<Record<string, string>> = {
  "spikee-seeds-cybersec-2026-01": "spikee-seeds",
  "spikee-seeds-llm-mailbox": "spikee-seeds",
};

export function familyOf(source: string): string {
  return FAMILIES[source] ?? source;
}

/** A model made without the attacks `without` tells of, nor the innocent rows of the fold. */
export function trainWithout(material: Material, without: (item: Case) => boolean, benignFold: number): Model {
  const guilty = material.attacks.filter((item) => !without(item) && isLearned(item.row));
  const innocent = [...material.benign, ...material.surroundings].filter(({ row }) => foldOf(row.id) !== benignFold);
  const examples: Example[] = [
    ...material.own,
    ...guilty.map(({ lesson }) => lesson),
    ...innocent.map(({ example }) => example),
  ];
  return train(examples);
}

export const FOLDS = 5;
/** No fold at all: everything is learned from. */
export const NO_FOLD = -1;

export function foldOf(id: string): number {
  return hashOf(id) % FOLDS;
}

export function scoresOf(model: Model, items: readonly Case[]): number[] {
  return items.map(({ example }) => scoreOf(model, example));
}
