/** Which identifiers a number or token may be, by table. */
import { Automaton } from "./automaton.ts";
import { IDENTIFIERS, type Identifier } from "./identifiers.ts";
import { LETTERED, type LetteredIdentifier } from "./lettered-identifiers.ts";
import type { NearTable } from "./near-words.ts";

/** An identifier, and its bit among those whose words stand near. */
export interface Recognizer<T> {
  readonly of: T;
  readonly low: number;
  readonly high: number;
}

/** No identifier has more groups or, of letters and digits, more characters. */
export const MAX_GROUPS = 7;
export const MAX_LETTERED = 16;

const PHONE_WORDS = "phone|telefon|téléphone|=tel=|mobile|=fax|whatsapp|handynummer|=sms=";
export const PHONE_BIT = 1 << 31;

function recognizer<T>(of: T, index: number): Recognizer<T> {
  return { of, low: index < 32 ? 1 << index : 0, high: index < 32 ? 0 : 1 << (index - 32) };
}

const numbers = IDENTIFIERS.map((one, i) => recognizer(one, i));
const lettered = LETTERED.map((one, i) => recognizer(one, IDENTIFIERS.length + i));

/** The first six groups, and whether there is a seventh, as a number. */
export function groupKey(lengths: ArrayLike<number>, groups: number): number {
  let key = 0;
  for (let g = 0; g < groups && g < 6; g++) key = (key << 5) | (lengths[g] as number);
  return groups > 6 ? key | (1 << 30) : key;
}

/** Groups of digits → who is written so. */
export const NUMBERS: ReadonlyMap<number, readonly Recognizer<Identifier>[]> = byGroups();

function byGroups(): Map<number, Recognizer<Identifier>[]> {
  const table = new Map<number, Recognizer<Identifier>[]>();
  for (const one of numbers) {
    for (const groups of one.of.groups) {
      const lengths = groups.split("-").map(Number);
      const key = groupKey(lengths, lengths.length);
      const list = table.get(key);
      if (list === undefined) table.set(key, [one]);
      else list.push(one);
    }
  }
  return table;
}

export interface Layout {
  readonly recognizer: Recognizer<LetteredIdentifier>;
  /** Where digits have to stand, and where letters have to: a bit a place. */
  readonly digitsAt: number;
  readonly lettersAt: number;
}

/** Length without separators → how tokens of that length are laid out. */
export const LAYOUTS: readonly (readonly Layout[])[] = layouts(() => true);
/** Of those the ones that are something without a word that says so. */
export const LONE_LAYOUTS: readonly (readonly Layout[])[] = layouts(({ alone }) => alone !== null);

function layouts(wanted: (one: LetteredIdentifier) => boolean): Layout[][] {
  const table: Layout[][] = Array.from({ length: MAX_LETTERED + 1 }, () => []);
  for (const one of lettered) {
    if (!wanted(one.of)) continue;
    for (const layout of one.of.layouts) {
      let digitsAt = 0;
      let lettersAt = 0;
      for (let i = 0; i < layout.length; i++) {
        if (layout[i] === "D") digitsAt |= 1 << i;
        if (layout[i] === "L") lettersAt |= 1 << i;
      }
      table[layout.length]?.push({ recognizer: one, digitsAt, lettersAt });
    }
  }
  return table;
}

/** Of letters and digits, so many at the most are looked up as a beginning. */
const MAX_BEGINNING = 6;
const beginnings = new Uint8Array(2 << MAX_BEGINNING);
for (const list of LONE_LAYOUTS) {
  for (const { digitsAt, lettersAt } of list) {
    for (let length = 1; length <= MAX_BEGINNING; length++) {
      const places = (1 << length) - 1;
      for (let mask = 0; mask <= places; mask++)
        if ((digitsAt & places & ~mask) === 0 && (lettersAt & mask) === 0) beginnings[(1 << length) | mask] = 1;
    }
  }
}

/** Whether something may go on so that is something without a word beside it. `digitMask`: a bit a digit's place. */
export function mayGoOn(digitMask: number, length: number): boolean {
  const looked = Math.min(length, MAX_BEGINNING);
  return beginnings[(1 << looked) | (digitMask & ((1 << looked) - 1))] === 1;
}

let words: NearTable | null = null;

/** Made when a first number needs it: a millisecond. */
export function nearTable(): NearTable {
  if (words !== null) return words;
  const bits = new Map<string, [low: number, high: number]>();
  const note = (list: string, low: number, high: number): void => {
    for (const word of list.split("|")) {
      const known = bits.get(word) ?? [0, 0];
      bits.set(word, [known[0] | low, known[1] | high]);
    }
  };
  for (const { of, low, high } of [...numbers, ...lettered]) note(of.near, low, high);
  note(PHONE_WORDS, 0, PHONE_BIT);
  const encoder = new TextEncoder();
  const list = [...bits];
  const strings = list.map(([word]) => encoder.encode(word.replaceAll("=", "")));
  words = {
    automaton: new Automaton(strings),
    lengths: Uint8Array.from(strings, ({ length }) => length),
    low: Int32Array.from(list, ([, [low]]) => low),
    high: Int32Array.from(list, ([, [, high]]) => high),
    bounds: Uint8Array.from(list, ([word]) => (word.startsWith("=") ? 1 : 0) | (word.endsWith("=") ? 2 : 0)),
  };
  return words;
}
