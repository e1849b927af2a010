/** Text from parts by chance, the same for the same seed on every machine. */

export type Grammar = Readonly<Record<string, readonly string[]>>;

/** A number in [0, 1). */
export type Chance = () => number;

export function chanceFrom(seed: number): Chance {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function pick<T>(list: readonly T[], chance: Chance): T {
  return list[Math.floor(chance() * list.length)] as T;
}

/** Replaces {name} by one of the parts of that name, and what is in it too; an unknown name stays as it is. */
export function fill(shape: string, grammar: Grammar, chance: Chance): string {
  return shape.replace(/\{([a-z]+)\}/g, (whole, name: string) => {
    const parts = grammar[name];
    return parts === undefined ? whole : fill(pick(parts, chance), grammar, chance);
  });
}

export function shuffled<T>(list: readonly T[], chance: Chance): T[] {
  const mixed = [...list];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(chance() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j] as T, mixed[i] as T];
  }
  return mixed;
}

/** A number of 32 bits for a text, to put rows into folds. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
