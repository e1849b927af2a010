/** What the judge is trained on and tried with: corpora and texts of our own, as examples. */
import { readLetters } from "../../src/detect/letters.ts";
import { clusters } from "./clusters.ts";
import {
  attackRows,
  benignRows,
  codeAnswers,
  emptiedDocuments,
  HARD_ATTACKS,
  type Row,
  wireBodies,
} from "./corpora.ts";
import { chanceFrom, pick } from "./grammar.ts";
import { OVERRIDES_ELSEWHERE, ownAttacks } from "./own-attacks.ts";
import { ELSEWHERE, NEVER, ownBenign, ownNoise, ownRepeats } from "./own-benign.ts";
import { BUILDERS } from "./own-builders.ts";
import { otherCorpora, ownFiles } from "./own-files.ts";
import { ownPages } from "./own-pages.ts";
import { allLettersFor, type Example, exampleOf, exampleOfLetters, prepare } from "./training.ts";

export const SEED = 128;
export const NEAR_MISSES = "own near misses";

/** A row of a corpus with its example. */
export interface Case {
  readonly row: Row;
  readonly example: Example;
  /** What to learn from it: of a document with an attack planted in it only the plant, for the rest of it is innocent. */
  readonly lesson: Example;
}

export interface Material {
  /** Every attack row of the corpora; `learned` tells which are fit to learn from. */
  readonly attacks: readonly Case[];
  readonly benign: readonly Case[];
  /** Traffic, documents, answers: benign too, not among the rows that are counted. */
  readonly surroundings: readonly Case[];
  /** Ours: in every fold. */
  readonly own: readonly Example[];
}

/**
 * Planted questions such as a capital or a recipe are attacks by their place only: to learn from them would be to call
 * every question guilty.
 */
const HARMLESS_WORDS = new Set([
  "indirect:Information Retrieval",
  "indirect:Content Creation",
  "indirect:Learning and Tutoring",
  "indirect:Language Translation",
  "indirect:Programming Help",
]);

export function isLearned(row: Row): boolean {
  return (
    row.source !== HARD_ATTACKS && !(row.topic !== null && HARMLESS_WORDS.has(row.topic)) && !GIBBERISH.test(row.text)
  );
}

/** Suffixes found by gradients: to learn them is to call every unknown language guilty. */
const GIBBERISH = /(?:\[ ){3}|(?:! ){4}/;

export function material(): Material {
  const chance = chanceFrom(SEED);
  const all = benignRows();
  const attacks = [...attackRows(), ...all.filter((row) => row.source === HARD_ATTACKS)];
  const benign = all.filter((row) => row.source !== HARD_ATTACKS);
  const { requests, responses } = wireBodies();
  const longs: Row[] = [];
  for (let n = 0; n < 300; n++) {
    const texts = Array.from({ length: 10 + (n % 5) * 10 }, () => pick(benign, chance).text);
    longs.push({
      id: `long:${n}`,
      source: "long documents",
      kind: "benign",
      text: texts.join("\n"),
      planted: null,
      topic: null,
    });
  }
  const surroundings = [
    ...codeAnswers(),
    ...emptiedDocuments(),
    ...requests,
    ...responses,
    ...longs,
    ...ownFiles(),
    ...otherCorpora(),
    ...ownPages(chance, 400),
  ];
  const attackSources = new Map<string, number>();
  for (const { source } of attacks) attackSources.set(source, (attackSources.get(source) ?? 0) + 1);
  const caseOf = (row: Row, guilty: boolean, weight: number): Case => {
    const example = exampleOf(row.id, row.source, row.text, guilty, weight);
    const lesson = row.planted === null ? example : exampleOf(row.id, row.source, row.planted, guilty, weight);
    return { row, example, lesson };
  };
  const texts = [...benign, ...surroundings].map(({ text }) => text);
  const mine = (name: string, list: readonly string[], guilty: boolean, weight: number): Example[] =>
    list.map((text, n) => exampleOf(`${name}:${n}`, name, text, guilty, weight));
  const made: Material = {
    // A source of many rows says the same many times over.
    attacks: attacks.map((row) => caseOf(row, true, Math.sqrt(100 / Math.max(20, attackSources.get(row.source) ?? 1)))),
    benign: benign.map((row) => caseOf(row, false, row.source === "alpaca-harmless-train" ? 1 : 4)),
    surroundings: surroundings.map((row) => caseOf(row, false, 4)),
    own: [
      ...mine("own attacks", ownAttacks(chance, 1200), true, 0.5),
      ...mine("own attacks elsewhere", OVERRIDES_ELSEWHERE, true, 0.5),
      ...mine(NEAR_MISSES, NEVER, false, 40),
      ...mine(
        "own near misses in a chat",
        NEVER.map((text) => `model m messages role user content ${text}`),
        false,
        40,
      ),
      ...mine("own builders", BUILDERS, false, 10),
      ...mine("own benign elsewhere", ELSEWHERE, false, 8),
      ...mine("own benign", ownBenign(chance, 2400), false, 2),
      ...[...requests, ...responses].map(({ id, text }) =>
        exampleOfLetters(`${id} whole`, "wire bodies, whole", allLettersFor(text), false, 1),
      ),
      ...mine("own repeats", ownRepeats(chance), false, 1),
      ...Array.from({ length: 100 }, (_, n) => {
        const bytes = Uint8Array.from({ length: 30_000 }, () => Math.floor(chance() * 256));
        const { letters, count } = readLetters(bytes);
        return exampleOfLetters(`own binary:${n}`, "own binary", letters.slice(0, count), false, 3);
      }),
      ...mine("own noise", ownNoise(texts, chance, 600), false, 1),
    ],
  };
  for (const [item, cluster] of clusters(made.attacks)) item.lesson.group = cluster;
  const cases = [...made.attacks, ...made.benign, ...made.surroundings];
  prepare([...new Set([...made.own, ...cases.map(({ example }) => example), ...cases.map(({ lesson }) => lesson)])]);
  return made;
}
