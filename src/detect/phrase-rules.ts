/**
 * Stock phrases of attacks as patterns over letters only (`phrases.ts` says how they are looked for). Every part is of bounded
 * length. What a phrase must not catch matters as much: advice to ignore a mail, rules of a game, a manual's instructions.
 */

import { ABOUT, ORDERED, WANTED } from "./about.ts";
import type { AttackVector } from "./vectors.ts";

export interface PhraseRule {
  readonly vector: AttackVector;
  /** How such a text begins, at least five letters each; the pattern is tried where one of them stands. */
  readonly stems: readonly string[];
  /** Source of a pattern that begins at the stem; it may look back. */
  readonly pattern: string;
  /** Must hold where the pattern has matched. Apart from it, for it looks far back and is seldom asked. */
  readonly guard?: string;
}

const EVERY =
  "(?:any|all|every|each|both)?(?:and)?(?:any|all|every)?(?:of)?(?:the|your|my|our|these|those|this|that|its|their|any|all)?(?:other)?";
const EARLIER =
  "(?:previous(?:ly)?|prior|preceding|earlier|foregoing|above(?:mentioned)?|aforementioned|initial|original|past|former|existing|system|following|older|last|current)";
/** Words for what is in force. Nobody speaks so of a mail or a recipe. */
const SETS =
  "(?:instruction|prompt|directive|guideline|programming|direction|ruleset|restriction|constraint|command|order|safeguard)";
const LOOSE =
  "(?:rule|text|message|context|input|content|information|request|task|polic|conversation|training|data|statement|word)";
/** Of these any verb of the kind speaks to a reader: a function discards data, and forgets no conversation. */
const SAID = "(?:rule|message|context|request|polic|conversation|training|statement)";
const ALL_EARLIER = `(?:any|all|every|each)(?:of)?(?:the|your|my|these|those)?${EARLIER}(?:and|or)?${EARLIER}?(?:given|stated|system|user|developer|safety|security|set)?`;
const IGNORE =
  "(?:ignor(?:e|es|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass(?:ing)?|neglect(?:ing)?|discard(?:ing)?|abandon(?:ing)?|dismiss(?:ing)?|skip(?:ping)?|(?:donot|dont|never|nolonger|stop)(?:follow(?:ing)?|obey(?:ing)?|listento|listeningto|adhereto|adheringto|complywith)|(?:pay)?noattentionto|payno(?:heed|mind)to|setaside|throwaway|throwout|cancel|erase|delete)";
const GIVEN =
  "(?:that|which)?(?:i|you|we|they|it)?(?:ve|have|had|has)?(?:just|ever|already)?(?:were|was|are|be|been)?(?:given|provided|received|got|told|written|listed|stated|set|sent|learned|gave)?(?:to)?(?:you|me|us)?(?:by[a-z]{2,12})?";
const WHEN =
  "(?:above|before(?:this|now|that)?|previously|priorto(?:this|now)|earlier|uptonow|upto(?:this|here)|untilnow|sofar|untilthispoint|onthispage|inyoursystem|inthesystem)";

const IGNORE_STEMS = [
  "ignor",
  "disreg",
  "forget",
  "overrid",
  "bypas",
  "neglec",
  "discar",
  "abando",
  "dismis",
  "skipal",
  "skipth",
  "skippr",
  "donotfol",
  "dontfol",
  "stopfol",
  "neverfol",
  "nolongerfol",
  "donotobey",
  "dontobey",
  "stopobey",
  "nolongerobey",
  "donotlisten",
  "dontlisten",
  "stoplisten",
  "noattentionto",
  "noheedto",
  "nomindto",
  "setaside",
  "throwaway",
  "throwout",
  "cancelall",
  "cancelprev",
  "erasea",
  "erasepr",
  "deleteall",
  "deleteprev",
];

/** Vector 701: an instruction to drop the instructions in force. */
const OVERRIDE: PhraseRule = {
  vector: "701",
  stems: IGNORE_STEMS,
  guard: ORDERED,
  pattern: [
    `${IGNORE}(?:about)?${EVERY}${EARLIER}(?:and|or)?${EARLIER}?(?:given|stated|system|user|developer|safety|security|set)?${SETS}`,
    `(?:(?:ignore|disregard|forget)(?:about)?${ALL_EARLIER}${LOOSE}|${IGNORE}(?:about)?${ALL_EARLIER}${SAID})`,
    `${IGNORE}${EVERY}(?:${SETS}|rule)s?${GIVEN}${WHEN}`,
    `${IGNORE}${EVERY}(?:${SETS}|rule)s?(?:that)?(?:you)?(?:ve|have)?(?:been|were)(?:given|told|set|trained)`,
    `${IGNORE}(?:all)?(?:of)?your(?:own|previous|default|built(?:in)?|core)?(?:safety|ethical|ethics|content|moderation|security|moral)?(?:guideline|instruction|programming|training|restriction|filter|directive|systemprompt)`,
    `${IGNORE}(?:all)?(?:of)?your(?:safety|ethical|ethics|content|moderation|security|moral)(?:polic|rule|protocol|measure|concern)`,
    `${IGNORE}(?:all|any|every)(?:of)?(?:the|your|my)?(?:instruction|directive|guideline|restriction)s?(?!manual|in(?:the|a)(?:manual|book|box))(?:and|except|but|just|instead|now|from)`,
    `${IGNORE}(?:everything|all|anything)(?:that)?(?:(?:i|you|we|they)?(?:ve|have|were|was|had)?(?:been)?(?:just)?(?:said|told|learn(?:ed|t)|taught|instructed|trained|written|wrote|read|received))(?:to)?(?:you)?(?:${WHEN}|and|about(?:your|being)|by|in)`,
    `${IGNORE}(?:everything|all|anything)(?:of)?(?:the)?(?:above|before(?:this|now)|priorto|previous)(?:this|now)?(?:and|instead|now|then|just|only|line|text|message)`,
    `${IGNORE}(?:the)?above(?:text|content|instructions?)?(?:and|instead)(?:instead|now|just|only)?(?:say|print|output|tell|write|respond|reply|translate|answer|show|reveal|return|do)`,
    "overrid(?:e|ing)(?:all|any|the|your|its)?(?:safety|security|system|content|previous)(?:setting|protocol|mechanism|measure|filter|instruction|prompt|feature|restriction|guideline|control)",
    "(?:forget|ignor(?:e|ing)|disregard(?:ing)?)(?:about)?(?:what|whatever|everything|anything)theuser(?:has|had|is|was|just)?(?:asked|said|says|wants|wanted|requested|told|asking|wrote)",
    "(?:ignor(?:e|ing)|disregard(?:ing)?|forget)theusers?(?:original|actual|initial|previous|current)?(?:question|request|query|instruction|prompt|task)s?(?:and|insteadof|instead|then|entirely|completely|butrather)",
    `${IGNORE}(?:all|any|every)(?:of)?(?:the|your|my)?(?:given|provided|listed|supplied|user|developer)${SETS}`,
    `${IGNORE}(?:all|every)(?:of)?(?:the|your|my)?${SETS}s?(?:that(?:were|are|have)(?:been)?)?(?:given|provided|issued|sent|supplied)toyou`,
    `${IGNORE}(?:all|every)(?:of)?your(?:other|system|previous)?(?:prompt|command|order)s`,
    `(?:ignor(?:e|ing)|disregard(?:ing)?|forget|abandon|bypass(?:ing)?)(?:all|any)(?:of)?(?:your|the)?(?:ethical|moral|safety|content|usual|own)?(?:boundaries|safeguards|guardrails|inhibitions|moralconsideration|ethicalconsideration)`,
    "bypass(?:ing)?(?:all|any|the|your|its)?(?:safety|ethical|content|moderation)(?:and[a-z]{4,10})?(?:filter|restriction|guideline|guardrail|measure|protocol|polic|rule|mechanism)",
  ].join("|"),
};

/** Vector 701 again: new instructions said to stand above the old ones. */
const REPLACED: PhraseRule = {
  vector: "701",
  stems: [
    "newins",
    "yourins",
    "nolongerboun",
    "nolongerreq",
    "nolongerhav",
    "nolongerne",
    "supersede",
    "takepr",
    "takesprio",
    "instructionsar",
    "instructionswereaf",
    "instructionswerefa",
    "instructionswerew",
    "instructionswereon",
    "instructionshav",
    "instructionsno",
    "regardle",
    "irrespectiveof",
  ],
  pattern: [
    "newinstructions?(?:is|are|follow|from(?:the|your)(?:user|admin|developer|system|operator))(?=[a-z]{0,200})",
    "(?<=(?:hereare|hereis|received|given|follow)(?:your|the|these)?)newinstructions?",
    "yourinstructions(?:have|has)(?:been|now)?(?:changed|updated|replaced|overridden)",
    "newinstructions(?:that|which|to|and)?(?:will|now|should|must)?(?:override|replace|supersede)",
    "(?<=(?:all|any|every|your)(?:of)?(?:your|the|my|these|those)?(?:previous|prior|earlier|preceding|above|original|initial|former|system|old|existing)(?:and[a-z]{4,10})?)instructions(?:are|were|havebeen)?(?:all)?(?:now|hereby)?(?:false|void|null|invalid|cancel|obsolete|revoked|deleted|nolonger(?:valid|appl|inforce|ineffect|relevant|binding)|supersed|overrid|reset|suspended|atest|onlyatest|wrong(?:and|please|here)|fake|erased|rescinded)",
    "(?:regardless|irrespective)of(?:any|all|your|the|what)?(?:of)?(?:your|the|my)?(?:previous|prior|earlier|other|system|original|existing|initial)(?:instruction|prompt|directive|guideline|inputs?(?:no|and|you|please|$))",
    "nolonger(?:bound|requiredto|haveto|needto)(?:by|follow|obey|complywith|adhereto)(?:any|all|your|the|these|its|openai|anthropic)",
    "(?:supersedes?|takes?(?:precedence|priority)over)(?:all|any)(?:of)?(?:the|your)?(?:previous|prior|earlier|other|existing|original|former)(?:instruction|prompt|directive|rule|guideline|order)",
  ].join("|"),
};

const SHOW =
  "(?:reveal|print|output|repeat|display|leak|dump|recite|disclose|show|tell|give|return|expose|copy|paste|echo|provide|share|list|spell|encode|translate|summari[sz]e|paraphrase|rephrase|writedown|writeout|typeout|spellout|readback|sayback|restate|reproduce|extract|what(?:is|are|was|were)|whats)";
const WHOLE =
  "(?:exactly|verbatim|back|out|now|all|of|to|me|us|the|your|every|everything|in|with|full|entire|hidden|complete|exact|whole|secret|initial|original|own|current|internal|first|very|actual|content|contents|word|text|details|and|above|previous|prior){0,8}";

/** Vector 702: an instruction to give the system prompt away. */
const EXTRACT: PhraseRule = {
  vector: "702",
  stems: [
    "systempr",
    "systemin",
    "systemme",
    "hiddenpr",
    "hiddeni",
    "hiddenme",
    "hiddenru",
    "initia",
    "secreti",
    "secretp",
    "originalpr",
    "preprompt",
    "developerme",
    "yourpr",
    "yourins",
    "yourdir",
    "yourgu",
  ],
  guard: WANTED,
  pattern: [
    `(?<=${SHOW}${WHOLE}(?:your|the)${WHOLE})(?:system(?:prompt|instruction|message)|hidden(?:prompt|instruction|message|rule)|initial(?:prompt|instruction)|secretinstruction|secretprompt|preprompt|developermessage)s?${ABOUT}`,
    `(?<=${SHOW}(?:exactly|verbatim|back|out|all|of|to|me|us|full|entire|complete|exact|the|text|content|in|with){0,4})your(?:prompt|instructions|directives)(?!manual)(?:verbatim|tome|asis|exactly|wordfor|above|infull|ina|in(?:json|base|markdown|pseudo|python|french|german|spanish)|before|sofar|for(?:this|our)conv|using|startingwith|backwards|$)`,
    "(?<=what(?:is|are|was|were|s)(?:in)?)your(?:prompt|instructions|directives|guidelines)(?:exactly|verbatim|word|before|above|$)",
  ].join("|"),
};

const ABOVE: PhraseRule = {
  vector: "702",
  stems: [
    "textabove",
    "wordsabove",
    "everythingabove",
    "messagesabove",
    "instructionsabove",
    "promptabove",
    "abovei",
    "abovep",
    "abovet",
    "previou",
    "priorin",
    "initialinst",
    "originali",
    "startingwithyo",
    "beginningwithyo",
    "startswithyo",
    "aboveverbati",
  ],
  guard: WANTED,
  pattern: [
    `(?<=(?:reveal|print|output|repeat|display|dump|recite|disclose|show|echo|copy|return)(?:exactly|verbatim|back|out|all|of|to|me|us|the|your|every|of|word|in|full){0,6})(?:(?:text|words|everything|messages|instructions|prompt)above|(?:above|previous|prior|initial|original)(?:instruction|prompt)s?${ABOUT})`,
    "(?:starting|beginning)with(?:the(?:words?|phrase))?youare(?:chatgpt|an?(?:ai|assistant|helpful|chatbot|large|language)|claude|gemini|gpt)?(?=put|and|in|verbatim|include|$|do|i)",
    "(?<=(?:repeat|print|output|show|reveal|copy|say)(?:back)?(?:to|me|us|all|of|the|everything|anything|words?|text|written|that|is|was){0,6})above(?:this(?:line|point)|verbatim)",
  ].join("|"),
};

const MORAL =
  "(?:ethic(?:s|al)?|moral(?:s|ity)?|legal(?:ity)?|content|safety|openai|anthropic|google|societal|censorship|usual|typical|normal|standard)";
/** Of these somebody frees himself; of content, or a standard, any function says what it does regardless of it. */
const UNBOUND =
  "(?:ethic|moral|legal|safety|societal|censorship|openai|anthropic|(?:content|usual|typical|normal|standard)(?:polic|guideline|restriction|rule|filter|moderation|limit|constraint|norm))";
const LIMITS =
  "(?:guideline|restriction|rule|limitation|constraint|polic|boundar|filter|norm|limit|censorship|standard|consideration|principle|code|confine)";

/** Vector 703: a persona without restraint. */
const PERSONA: PhraseRule = {
  vector: "703",
  stems: [
    "doanyth",
    "modeis",
    "modeen",
    "modeac",
    "modeou",
    "modewi",
    "modein",
    "modewh",
    "developermod",
    "jailbr",
    "unfilte",
    "uncens",
    "unrestric",
    "amoral",
    "withoutany",
    "withoutmora",
    "withoute",
    "withoutcens",
    "notboun",
    "notrestricted",
    "notlimite",
    "notconstrained",
    "boundbynorul",
    "freefro",
    "freeof",
    "freedfr",
    "broken",
    "breakfree",
    "nomoral",
    "noethi",
    "norestric",
    "nofilte",
    "regardle",
    "nomatterho",
    "evenifiti",
    "evenift",
  ],
  pattern: [
    "(?<=(?:dan|which|that|it|acronym|name)(?:which|that|it)?(?:standsfor|isshortfor|means|meaning))doanything(?:now|and)",
    "(?<=(?:can|could|may|will|able)(?:now)?(?:to)?)doanythingnow(?=they|he|she|it|have|dan|has|the|and|as)",
    "(?<=(?:developer|dan|jailbreak|god|sudo|unrestricted|uncensored|evil|debug|maintenance|root|opposite))mode(?:isnow)?(?:enabled|activated|output|on)(?=you|will|are|can|must|and|in|from|to|re|an|$|i|a)",
    "developermode(?:can|does|has|generat|may|must|will|output|policy|response)",
    "jailbr(?:eak|oken)(?:ai|mode|version|chatbot|model|gpt|assistant|prompt(?:is|to|now))(?=[a-z]{0,40}(?:you|answer|respon|no|any|will))",
    `(?:unfiltered|uncensored|amoral|unrestricted)(?:and[a-z]{4,14}|[a-z]{4,12}and[a-z]{4,12})?(?:ai|chatbot|languagemodel|llm|bot|gpt|assistant)`,
    "(?:unfiltered|uncensored)(?:and[a-z]{4,14})?(?:response|answer|reply|output|version|mode|persona)",
    `without(?:any)?(?:of)?(?:the|its|your)?(?:${MORAL}(?:and|or|[a-z]{0,8})?(?:${MORAL})?(?:${LIMITS}|bias|compass)|(?:morali[sz]|censor)ing)`,
    "(?<=(?:answer|respon[ds]|repl[yi]|speak|talk|generat|output|writ|comply|chat|tell|say)[a-z]{0,60})without(?:any)?(?:of)?(?:the|its|your)?filtering",
    `not(?:bound(?:by|to)|restricted(?:by|to)|(?:limited|constrained)(?:by|to)(?!the[a-z]{2,14}limit))(?:any|the|all|its|your|their|these|those)?(?:${MORAL}|same|kind|sort|form|openai)?(?:s|of|and|or|[a-z]{0,6})?(?:${MORAL})?${LIMITS}`,
    `free(?:d)?(?:from|of)(?:all|any|the|its|every)(?:${MORAL})?(?:s|of|and|or)?(?:${MORAL})?(?:restriction|limitation|filter|guideline|censorship|constraint|polic|rule)`,
    "(?:broken|break)free(?:of|from)(?:the)?(?:typical|usual|normal|all|its|their)?(?:confines|restriction|limit|chains|rules|shackles)",
    `no(?:(?:moral|ethic)(?:s|al|ity|compass)?(?:and|or|no|nor){0,2}|(?:restriction|filter)s?(?:and|or|no|nor){1,2})(?:no)?(?:moral|ethic|restriction|filter|limit|rule|censor|bias|boundar|guideline|limitation)`,
    `regardlessof(?:any|its|their|the|how)?(?:${UNBOUND}|illegal|unethical|immoral|dangerous|harmful|offensive)`,
    "nomatterhow(?:illegal|unethical|immoral|harmful|offensive|dangerous|inappropriate|controversial|explicit|evil|vile)",
    "evenif(?:itis|theyare|itsounds|itgoes)(?:illegal|unethical|immoral|harmful|offensive|dangerous|against(?:the|your|openai))",
  ].join("|"),
};

/** Vector 711: an order never to refuse. */
const REFUSAL: PhraseRule = {
  vector: "711",
  stems: [
    "imsorrybut",
    "iamsor",
    "icannot",
    "icant",
    "asanai",
    "asalan",
    "asalargela",
    "neverrefuse",
    "neversayno",
    "cannotrefuse",
    "notrefuse",
    "refuse",
    "neverdeclin",
    "nodisclaimer",
    "withoutdisclaimer",
    "nowarn",
    "absolutelyhe",
    "sureher",
  ],
  pattern: [
    "(?<=(?:never|donot|dont|mustnot|cannot|shouldnot|wont|notallowedto|avoid|without|notbe)(?:ever)?(?:say|saying|respond(?:ing)?with|reply(?:ing)?with|answer(?:ing)?with|us(?:e|ing)|writ(?:e|ing)|start(?:ing)?with|begin(?:ning)?with|contain|include|phraseslike|telling(?:me)?that|tellme(?:that)?)[a-z]{0,24})(?:imsorry|iamsorry|icannot|icant|asanai|asa(?:large)?languagemodel)",
    "(?<=(?:you|will|must|can|and|it|he|she|dan|they|i))(?:never|cannot|not)(?:be)?(?:able)?(?:to)?(?:refuse|decline|sayno)(?:to)?(?:any|a|my|the|answer|respond|fulfil|comply|do|request|order|human|user)",
    "(?:begin|start)(?:your|every|each|the)[a-z]{0,12}with(?:absolutely|sure)herei",
    "(?<=(?:begin|start)(?:ning|ing)?[a-z]{0,20}with[a-z]{0,10})(?:sure|absolutely)herei",
  ].join("|"),
};

const RUNS = "(?:alert|prompt|confirm|eval|fetch|document|window|console|newfunction)";

/** Vector 713: markup that runs, in readings that have lost its punctuation. */
const ACTIVE: PhraseRule = {
  vector: "713",
  stems: [
    "javascripta",
    "javascriptj",
    "javascriptp",
    "javascriptc",
    "javascripte",
    "javascriptd",
    "javascriptw",
    "javascriptn",
    "onerrora",
    "onerrorj",
    "onerrorp",
    "onerrore",
    "onerrorc",
    "onerrorf",
    "onerrord",
    "onloada",
    "scriptale",
    "datatexthtm",
  ],
  pattern: [
    `(?<=(?:href|src|onerror|expression|script|onmouse[a-z]{2,5}|onload|html)[a-z]{0,8})javascript(?:javascript)?${RUNS}`,
    "javascript(?:alert|prompt|confirm)document(?:cookie|domain)",
    "javascript(?:windowonerror|newfunction)",
    `(?<=(?:imgsrc|img|svg|video|body|image)[a-z]{0,16})on(?:error|load)(?:javascript)?${RUNS}`,
    "scriptalert(?:xss|script|document)",
    "(?<=(?:img|abc|div|div[a-z]{0,6}))scriptalert",
    "datatexthtmlbase[a-z]{8}",
  ].join("|"),
};

export const PHRASE_RULES: readonly PhraseRule[] = [ACTIVE, OVERRIDE, REPLACED, EXTRACT, ABOVE, PERSONA, REFUSAL];
