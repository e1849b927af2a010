/** Words that say a text is to be read otherwise than it stands: backwards, by first letters, without some letter. */

export const BACKWARDS = 1;
export const WITHOUT = 2;
export const EVERY_OTHER = 4;
export const FIRST_LETTERS = 8;
export const LAST_LETTERS = 16;
/** Not a word: `[::`. */
export const SLICES = 32;

const STEMS: readonly (readonly [string, number])[] = [
  ["revers", BACKWARDS],
  ["backwar", BACKWARDS],
  ["righttoleft", BACKWARDS],
  ["mirrored", BACKWARDS],
  ["replac", WITHOUT],
  ["removin", WITHOUT],
  ["removet", WITHOUT],
  ["removea", WITHOUT],
  ["removee", WITHOUT],
  ["remove", WITHOUT],
  ["omitth", WITHOUT],
  ["stripp", WITHOUT],
  ["striptext", WITHOUT],
  ["stripall", WITHOUT],
  ["stripth", WITHOUT],
  ["delete", WITHOUT],
  ["deleting", WITHOUT],
  ["withoutth", WITHOUT],
  ["ignoringth", WITHOUT],
  ["skippingth", WITHOUT],
  ["leaveout", WITHOUT],
  ["substitut", WITHOUT],
  ["swapout", WITHOUT],
  ["swapall", WITHOUT],
  ["swapevery", WITHOUT],
  ["everysecond", EVERY_OTHER],
  ["everyother", EVERY_OTHER],
  ["everythird", EVERY_OTHER],
  ["everyfourth", EVERY_OTHER],
  ["everyfifth", EVERY_OTHER],
  ["everynth", EVERY_OTHER],
  ["alternat", EVERY_OTHER],
  ["secondletter", EVERY_OTHER],
  ["secondchar", EVERY_OTHER],
  ["firstlett", FIRST_LETTERS],
  ["firstchar", FIRST_LETTERS],
  ["initial", FIRST_LETTERS],
  ["acrost", FIRST_LETTERS],
  ["lastlett", LAST_LETTERS],
  ["lastchar", LAST_LETTERS],
  ["finallett", LAST_LETTERS],
];

/** Letters from one place that is looked at to the next: every stem has as many groups of four. */
const STRIDE = 3;
const GROUP = 4;
const HASH_BITS = 14;

/** Hash of four letters → 1 when a stem has them at its end, or up to two letters before it. */
const endings = new Uint8Array(1 << HASH_BITS);
const stemsOf = new Map<number, { readonly stem: string; readonly behind: number; readonly hint: number }[]>();
for (const [stem, hint] of STEMS) {
  for (let behind = 0; behind < STRIDE; behind++) {
    const end = stem.length - behind;
    const group = hashOf(
      stem.charCodeAt(end - 4),
      stem.charCodeAt(end - 3),
      stem.charCodeAt(end - 2),
      stem.charCodeAt(end - 1),
    );
    endings[group] = 1;
    stemsOf.set(group, [...(stemsOf.get(group) ?? []), { stem, behind, hint }]);
  }
}

function hashOf(a: number, b: number, c: number, d: number): number {
  return Math.imul((a << 24) | (b << 16) | (c << 8) | d, 0x9e3779b1) >>> (32 - HASH_BITS);
}

/** Where the last hint was, as a share of all letters. */
let lastAt = 0;

export function lastHint(): number {
  return lastAt;
}

/** The hints in letters, as bits. Linear. */
export function hintsIn(letters: Uint8Array, count: number): number {
  let hints = 0;
  lastAt = 0;
  for (let i = GROUP - 1; i < count; i += STRIDE) {
    const group = hashOf(
      letters[i - 3] as number,
      letters[i - 2] as number,
      letters[i - 1] as number,
      letters[i] as number,
    );
    if (endings[group] === 0) continue;
    const found = hintAt(letters, count, i, group);
    if (found !== 0) lastAt = i / count;
    hints |= found;
  }
  return hints;
}

function hintAt(letters: Uint8Array, count: number, at: number, group: number): number {
  let hints = 0;
  for (const { stem, behind, hint } of stemsOf.get(group) ?? []) {
    const start = at + 1 + behind - stem.length;
    if (start < 0 || start + stem.length > count) continue;
    let i = 0;
    while (i < stem.length && letters[start + i] === stem.charCodeAt(i)) i += 1;
    if (i === stem.length) hints |= hint;
  }
  return hints;
}
