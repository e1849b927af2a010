/** Which rows are near copies of each other: the same templates stand in several collections. */
import type { Case } from "./material.ts";

/** Two rows are near copies when the shorter shares so much of its runs of eight letters with the longer. */
export const NEAR = 0.4;
const RUN = 8;
/** Of the runs of a long text one in so many is compared. */
const SPARSE = 4;
const SHORT_TEXT = 300;

const runs = new Map<Case, Set<number>>();

function runsOf(item: Case): Set<number> {
  const known = runs.get(item);
  if (known !== undefined) return known;
  const { letters } = item.example;
  const made = new Set<number>();
  for (let i = 0; i + RUN <= letters.length; i++) {
    let hash = 0x811c9dc5;
    for (let j = i; j < i + RUN; j++) hash = Math.imul(hash ^ (letters[j] as number), 0x01000193);
    hash = (hash ^ (hash >>> 15)) >>> 0;
    if (letters.length <= SHORT_TEXT || hash % SPARSE === 0) made.add(hash);
  }
  runs.set(item, made);
  return made;
}

/** Of `pool`, what is a near copy of something in `held`. */
export function nearCopies(held: readonly Case[], pool: readonly Case[]): Set<Case> {
  const holders = new Map<number, number[]>();
  held.forEach((item, n) => {
    for (const run of runsOf(item)) {
      const list = holders.get(run);
      if (list === undefined) holders.set(run, [n]);
      else list.push(n);
    }
  });
  const found = new Set<Case>();
  for (const item of pool) {
    const mine = runsOf(item);
    const shared = new Map<number, number>();
    for (const run of mine) for (const n of holders.get(run) ?? []) shared.set(n, (shared.get(n) ?? 0) + 1);
    for (const [n, count] of shared) {
      const smaller = Math.min(mine.size, runsOf(held[n] as Case).size);
      if (count <= NEAR * smaller || count < 4) continue;
      found.add(item);
      break;
    }
  }
  return found;
}

/** Clusters of near copies over all sources, by single linkage: a fold holds a cluster whole. */
export function clusters(items: readonly Case[]): Map<Case, number> {
  const holders = new Map<number, number[]>();
  const parent = items.map((_, n) => n);
  const find = (n: number): number => {
    let at = n;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at] as number] as number;
      at = parent[at] as number;
    }
    return at;
  };
  items.forEach((item, n) => {
    const shared = new Map<number, number>();
    for (const run of runsOf(item)) {
      const list = holders.get(run) ?? [];
      for (const other of list) shared.set(other, (shared.get(other) ?? 0) + 1);
      // Runs that everybody has tell nothing.
      if (list.length < 200) list.push(n);
      holders.set(run, list);
    }
    for (const [other, count] of shared) {
      const smaller = Math.min(runsOf(item).size, runsOf(items[other] as Case).size);
      if (count > NEAR * smaller && count >= 4) parent[find(n)] = find(other);
    }
  });
  return new Map(items.map((item, n) => [item, find(n)]));
}
