/**
 * What Pillar 128 looks for, as patterns over *letters only*: lower-case a–z with everything else taken out, so that
 * spacing, punctuation, quotes and control characters inside a phrase make no difference.
 *
 * A few letters, looked up in a table, find the places where a phrase may turn on; a sticky pattern judges each of them.
 * Every part of it is of bounded length, so the whole is linear in the text.
 */

const EVERY =
  "(?:any|all|every|each)?(?:and)?(?:any|all|every)?(?:of)?(?:the|your|my|our|these|those|its|their|any|all)?";
const EARLIER =
  "(?:previous|prior|preceding|earlier|foregoing|above|aforementioned|initial|original|past|former|existing|system)";
const SETS = "(?:instruction|prompt|directive|guideline|programming|direction|ruleset)";
const IGNORE =
  "(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass(?:ing)?|(?:donot|dont|stop)follow(?:ing)?)";
const GIVEN =
  "(?:that)?(?:you)?(?:were|was|are|have|ve)?(?:been)?(?:given|provided|received|told|written|listed|stated)?(?:to)?(?:you)?";

/** Vector 701: an instruction to drop the instructions in force. */
const OVERRIDE = [
  `${IGNORE}(?:about)?${EVERY}${EARLIER}(?:and${EARLIER})?(?:given|stated|system|user|developer|safety|security|set)?${SETS}`,
  `${IGNORE}${EVERY}(?:instruction|directive|guideline|prompt)s?${GIVEN}(?:above|before(?:this|now)|previously|priortothis|earlier|uptonow|sofar)`,
  `${IGNORE}(?:all)?(?:of)?your(?:safety|ethical|ethics|content|moderation|security)(?:guideline|instruction|polic|rule|protocol|training|programming)`,
].join("|");

/** Vector 702: an instruction to give the system prompt away. */
const SHOW =
  "(?:reveal|print|output|repeat|display|leak|dump|recite|disclose|show|tell|give)(?:to)?(?:me|us)?(?:all)?(?:of)?your(?:full|entire|hidden|complete|exact|whole|secret|verbatim|initial|original){0,3}";
const EXTRACT = `(?<=${SHOW})(?:systemprompt|systeminstruction|systemmessage|hiddenprompt|hiddeninstruction|initialprompt|secretinstruction)`;

/** Vector 703: a persona without restraint, by its stock wording. */
const PERSONA = [
  "(?<=dan(?:which|that|it)?(?:standsfor|isshortfor|means|meaning))doanythingnow",
  "(?<=(?:developer|dan|jailbreak|god))mode(?:isnow)?(?:enabled|activated)(?=you(?:will|are|can|must))",
].join("|");

const PHRASE = new RegExp(`(${OVERRIDE})|(${EXTRACT})|${PERSONA}`, "y");

/** Letters of a phrase and of what is looked at on both sides of it: none has more. */
export const PHRASE_REACH = 160;

/** Where a phrase may turn on. Each ends with letters that are rare in ordinary text. */
const STEMS = [
  "ignor",
  "disreg",
  "forget",
  "overrid",
  "bypa",
  "donotfol",
  "dontfol",
  "stopfol",
  "systempr",
  "systemin",
  "systemme",
  "hiddenpr",
  "hiddenin",
  "initialpr",
  "secretin",
  "doany",
  "modeis",
  "modeen",
  "modeac",
];

/**
 * Three letters → the stems that end with them, or with them and one letter more. Of the last two such triples of every
 * stem one is met by looking at every other place only.
 */
const stemsOf = new Map<number, Stem[]>();
const endings = new Uint8Array(1 << 15);

interface Stem {
  readonly letters: Uint8Array;
  /** Letters of the stem behind the triple. */
  readonly behind: number;
}

for (const stem of STEMS) {
  const letters = Uint8Array.from(stem, (letter) => letter.charCodeAt(0));
  for (const behind of [0, 1]) {
    const ending = triple(letters, letters.length - 1 - behind);
    endings[ending] = 1;
    stemsOf.set(ending, [...(stemsOf.get(ending) ?? []), { letters, behind }]);
  }
}

/** Five bits for each of the three letters up to `at`. */
function triple(letters: Uint8Array, at: number): number {
  return letters.subarray(at - 2, at + 1).reduce((code, letter) => (code << 5) | (letter & 31), 0);
}

export type Vector = "701" | "702" | "703";

export interface PhraseMatch {
  readonly vector: Vector;
  /** Positions in the letters. */
  readonly start: number;
  readonly end: number;
}

const latin1 = new TextDecoder("latin1");

/** The first phrase in letters (and breaks, which no phrase spans) from `from` to `to`, or null. */
export function findPhrase(letters: Uint8Array, from: number, to: number): PhraseMatch | null {
  let text: string | null = null;
  let next = from;
  for (let i = from + 2; i < to; i += 2) {
    const first = (letters[i - 2] as number) & 31;
    const second = (letters[i - 1] as number) & 31;
    const ending = (first << 10) | (second << 5) | ((letters[i] as number) & 31);
    if (endings[ending] === 0) continue;
    const start = stemStart(letters, next, to, i, ending);
    if (start === -1) continue;
    next = start + 1;
    text ??= latin1.decode(letters.subarray(from, to));
    PHRASE.lastIndex = start - from;
    const match = PHRASE.exec(text);
    if (match === null) continue;
    const vector = match[1] !== undefined ? "701" : match[2] !== undefined ? "702" : "703";
    return { vector, start: from + match.index, end: from + match.index + match[0].length };
  }
  return null;
}

/** Where the stem that has its ending at `at` begins, or -1. */
function stemStart(letters: Uint8Array, from: number, to: number, at: number, ending: number): number {
  for (const stem of stemsOf.get(ending) ?? []) {
    const length = stem.letters.length;
    const start = at + 1 + stem.behind - length;
    if (start < from || start + length > to) continue;
    let i = 0;
    while (i < length && letters[start + i] === stem.letters[i]) i += 1;
    if (i === length) return start;
  }
  return -1;
}
