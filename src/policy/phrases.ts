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

/** Where a phrase may turn on. Each ends with four letters that are rare in ordinary text. */
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

/** Five bits a letter, the last four letters: one bit for each such ending of a stem. */
const endings = new Uint8Array(1 << 17);
const stemsOf = new Map<number, Uint8Array[]>();
for (const stem of STEMS) {
  const letters = Uint8Array.from(stem, (letter) => letter.charCodeAt(0));
  const ending = letters.reduce((last, letter) => ((last << 5) | (letter & 31)) & 0xfffff, 0);
  endings[ending >> 3] = (endings[ending >> 3] as number) | (1 << (ending & 7));
  stemsOf.set(ending, [...(stemsOf.get(ending) ?? []), letters]);
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
  let last = 0;
  for (let i = from; i < to; i++) {
    last = ((last << 5) | ((letters[i] as number) & 31)) & 0xfffff;
    if ((((endings[last >> 3] as number) >> (last & 7)) & 1) === 0) continue;
    const start = stemStart(letters, from, i, last);
    if (start === -1) continue;
    text ??= latin1.decode(letters.subarray(from, to));
    PHRASE.lastIndex = start - from;
    const match = PHRASE.exec(text);
    if (match === null) continue;
    const vector = match[1] !== undefined ? "701" : match[2] !== undefined ? "702" : "703";
    return { vector, start: from + match.index, end: from + match.index + match[0].length };
  }
  return null;
}

/** Where the stem that ends at `at` begins, or -1. */
function stemStart(letters: Uint8Array, from: number, at: number, ending: number): number {
  for (const stem of stemsOf.get(ending) ?? []) {
    const start = at + 1 - stem.length;
    if (start < from) continue;
    let i = 0;
    while (i < stem.length && letters[start + i] === stem[i]) i += 1;
    if (i === stem.length) return start;
  }
  return -1;
}
