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
  ["remov", WITHOUT],
  ["strip", WITHOUT],
  ["delet", WITHOUT],
  ["without", WITHOUT],
  ["substitut", WITHOUT],
  ["swap", WITHOUT],
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

/** Three letters → stems that end with them, or with them and one letter more: one of the two is at an even place. */
const endings = new Uint8Array(1 << 15);
const stemsOf = new Map<number, { readonly letters: string; readonly behind: number; readonly hint: number }[]>();
for (const [stem, hint] of STEMS) {
  for (const behind of [0, 1]) {
    const end = stem.length - behind;
    const ending = triple(stem.charCodeAt(end - 3), stem.charCodeAt(end - 2), stem.charCodeAt(end - 1));
    endings[ending] = 1;
    stemsOf.set(ending, [...(stemsOf.get(ending) ?? []), { letters: stem, behind, hint }]);
  }
}

function triple(a: number, b: number, c: number): number {
  return ((a & 31) << 10) | ((b & 31) << 5) | (c & 31);
}

/** The hints in letters, as bits. Linear. */
export function hintsIn(letters: Uint8Array, count: number): number {
  let hints = 0;
  for (let i = 2; i < count; i += 2) {
    const ending = triple(letters[i - 2] as number, letters[i - 1] as number, letters[i] as number);
    if (endings[ending] === 1) hints |= hintAt(letters, count, i, ending);
  }
  return hints;
}

function hintAt(letters: Uint8Array, count: number, at: number, ending: number): number {
  let hints = 0;
  for (const { letters: stem, behind, hint } of stemsOf.get(ending) ?? []) {
    const start = at + 1 + behind - stem.length;
    if (start < 0 || start + stem.length > count) continue;
    let i = 0;
    while (i < stem.length && letters[start + i] === stem.charCodeAt(i)) i += 1;
    if (i === stem.length) hints |= hint;
  }
  return hints;
}
