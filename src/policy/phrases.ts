/**
 * What Pillar 128 looks for, as patterns over *letters only*: lower-case a–z with everything else taken out, so that
 * spacing, punctuation, quotes and control characters inside a phrase make no difference.
 *
 * A cheap pattern finds the places where a phrase may turn on, a sticky one judges each of them. Every part of the
 * latter is of bounded length, so the whole is linear in the text.
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

const TRIGGER =
  /ignor|disregard|forget|overrid|bypass|donotfol|dontfol|stopfol|systempr|systemin|systemme|hiddenpr|hiddenin|initialpr|secretin|doanything|modeis|modeen|modeac/g;
const PHRASE = new RegExp(`(${OVERRIDE})|(${EXTRACT})|${PERSONA}`, "y");

export type Vector = "701" | "702" | "703";

export interface PhraseMatch {
  readonly vector: Vector;
  /** Positions in the letters. */
  readonly start: number;
  readonly end: number;
}

/** The first phrase in a string of letters, or null. */
export function findPhrase(letters: string): PhraseMatch | null {
  TRIGGER.lastIndex = 0;
  for (let place = TRIGGER.exec(letters); place !== null; place = TRIGGER.exec(letters)) {
    PHRASE.lastIndex = place.index;
    const match = PHRASE.exec(letters);
    if (match === null) continue;
    const vector = match[1] !== undefined ? "701" : match[2] !== undefined ? "702" : "703";
    return { vector, start: match.index, end: match.index + match[0].length };
  }
  return null;
}
