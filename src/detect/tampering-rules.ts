/**
 * Vector 714: an answer is to be flooded or garbled. A model that obeys costs without bound, or writes what no filter behind
 * it can read. Orders about an answer's form (a list, JSON, an order of topics) are none.
 */
import type { PhraseRule } from "./phrase-rules.ts";

const ANSWER = "(?:responses?|answers?(?!heet)|reply|replies|outputs?|messages?)";
/** Of a model, not of a person who fills in a sheet, answers a mail or sets the head of a response. */
const YOURS = `your(?:own|final|next|entire|whole|full|last)?${ANSWER}(?!header|sheet|bank|key|code|body|object|class|model|field|variable|file|time|letter|box|card|tothe|toa[a-z]{3,10}er)`;
const UNITS = "(?:word|phrase|sentence|sequence|string|letter|text|token|character|line|expression|term)";

const FLOODED: PhraseRule = {
  vector: "714",
  stems: [
    "attheendo",
    "atthestartofyo",
    "atthebeginningofyo",
    "foreverwit",
    "foreverandnev",
    "endlesslywi",
    "infinitelyma",
    "infinitenu",
    "untily",
    "untilth",
    "withoutev",
    "andnev",
  ],
  pattern: [
    `(?<=(?:repeat|repeating|write|print|output|say)(?:the|this|these|following|exact|sequenceof|single){0,4}${UNITS}s?[a-z]{0,60}times[a-z]{0,30})at(?:the)?(?:end|start|beginning)of(?:your|the|every|each)${ANSWER}`,
    `(?<=(?:repeat(?!ed)|repeating|write|print|output|say)(?:the|this|these|following|exact|single|your|same){0,4}(?:${UNITS}|${ANSWER})?s?[a-z]{0,40})(?:foreverwithout(?:stop|paus|end|ever|break|interrupt|any)|foreverandnever|endlesslywithout|aninfinitenumberof|infinitelymany|infinitenumberoft|untilyourunoutof(?:token|context|memory|space)|untilyou(?:reach|hit)thetoken|untilyourtokenlim|untilthecontextw|withouteverstop|andneverstoprep)`,
  ].join("|"),
};

/** Letters of the answer that are to be moved, replaced or left out. */
const GARBLED: PhraseRule = {
  vector: "714",
  stems: [
    "yourrespons",
    "youran",
    "yourreply",
    "yourrepli",
    "yourout",
    "yourmes",
    "yourfin",
    "yourentire",
    "yourwh",
    "yournex",
    "yourownre",
    "yourownan",
  ],
  pattern: [
    `(?<=(?:scrambl|jumbl|shuffl|rearrang|anagram|mixup|reorder|permut|randomi[sz])(?:e|es|ing|le|ling)?(?:up)?(?:the|all|each|every|second|third|fourth|fifth|other|some|main|key|random){0,4}(?:letters?|characters?|words?|keywords?|vowels?|consonants?)?(?:of|in|from|within|throughout|s|the|each|every|word|words|across){0,6})${YOURS}`,
    `(?<=(?:anagrams?|misspell(?:ings?)?|(?:introduce|add|insert|include|make|use|put|sprinkle|random|intentional|deliberate)(?:some|a|few|many|random|intentional|deliberate|several|lots|of|and){0,4}(?:typos|spellingmistakes|spellingerrors)|scrambledletters|jumbledletters|anagrammed)(?:s|intentionally|deliberately|every|each|all|some|the|several|a|few|word|words|in|into|of|throughout|for|as|random|second|third|fourth|fifth|other|main|key|keywords?){0,8})${YOURS}`,
    `(?<=(?:replac|substitut|swap|convert|chang|encod|exchang|render|transform|turn)(?:e|es|ing|t|ting)?(?:the|all|each|every|some|second|third|fourth|fifth|other|random|certain|common){0,4}(?:letters?|vowels?|consonants?|characters?)(?:with|to|by|into|for|of|numbers?|digits?|symbols?|signs?|keyboard|their|corresponding|the|[a-z]{4,14}){0,4}(?:in|of|within|throughout))${YOURS}`,
    `${YOURS}s?(?:words?)?(?:with|to|into|by|using|in|has){0,2}(?:their|the|corresponding|commonly|associated){0,3}(?:keyboard)?(?:intentional|deliberate|random)?(?:misspell|spellingmistake|typos|anagram|alphanumericsubst|homophonic|homoglyph|substitutioncipher|scrambledletter|jumbledletter|caesarcipher|atbash|rotthirteen|leetspeak)`,
    `(?<=(?:letters?|vowels?|characters?)(?:in|of))${YOURS}(?:with|to|into|by){1,2}(?:their|the|corresponding|commonly|associated|its|following){0,3}(?:keyboard)?(?:symbol|number|digit|position|special)`,
    `(?<=(?:replac|substitut|swap)(?:e|es|ing|t|ting)?(?:every|each|all|the|some|third|second){0,3}(?:letters?|vowels?|characters?)(?:with)(?:numbers?|digits?|symbols?|[a-z]{0,10})in)${YOURS}`,
    `(?<=(?:use|using)(?:numbers?|digits?|symbols?|commonlyassociatedsymbols|[a-z]{0,10}symbols)(?:for|insteadof|inplaceof)(?:the|all)?(?:vowels?|letters?|consonants?|characters?)(?:of|in))${YOURS}`,
    `(?<=(?:remov|omit|delet|strip|eliminat|leaveout)(?:e|es|ing|ting|ping)?(?:all|the|any|every)?(?:of)?(?:the)?(?:spaces?|whitespace|blanks|vowels)(?:and|or|punctuation|between|words|all){0,4}(?:from|in|of))${YOURS}`,
    `${YOURS}without(?:any)?(?:spaces|vowels|whitespace)(?:or|and|between|$|in|p)`,
    `(?<=(?:combine|join|merge|group|run)(?:all|the|together|letters?|characters?|words?|of){1,4}(?:in|of|from))${YOURS}(?:without(?:any)?space|in(?:to)?(?:setsof|groupsof|blocksof|pairs|twos|threes|fours|fives|sets|groups))`,
    `(?<=(?:encod|encrypt|encipher|obfuscat|cipher|disguis)(?:e|ing)?(?:all|the|whole|text|of|words|in|letters){0,4})${YOURS}(?:in|with|using|as|by|into|via)(?:a|the)?(?:base|rot|hex|binary|morse|caesar|atbash|cipher|leet|substitution|vigen|braille|bubble|homoglyph|unicode|emoji)`,
    `(?<=(?:intentionalmisspellings|deliberatemisspellings|randommisspellings|alphanumericsubstitution|homophonicsubstitution|substitutionciphers?)(?:in|into|throughout|to|for|within))${YOURS}`,
  ].join("|"),
};

/** The same with the disguise last. */
const DISGUISED: PhraseRule = {
  vector: "714",
  stems: ["alphanumericsubst", "homophonicsubst", "substi", "intentionalmis", "delibe", "anagrammedw"],
  pattern: `(?<=${YOURS}(?:words)?(?:by|with|using|in|through|as){1,2}(?:a|an|the)?)(?:alphanumericsubst|homophonicsubst|substitutioncip|intentionalmiss|deliberatemiss|anagrammedwords)`,
};

export const TAMPERING_RULES: readonly PhraseRule[] = [FLOODED, GARBLED, DISGUISED];
