/**
 * Vector 702 in a few words: a model is asked for what stands before the conversation without a word for the prompt itself,
 * or is made to begin, go on or end with it. What asks *about* prompts (how one is written, where it is kept) is none.
 */
import { ABOUT, WANTED } from "./about.ts";
import type { PhraseRule } from "./phrase-rules.ts";

const SHOW =
  "(?:reveal|print|output|repeat|display|leak|dump|recite|disclose|show|tell|giveme|give|return|expose|copy|paste|echo|list|spell|encode|translate|convert|summari[sz]e|paraphrase|rephrase|reproduce|restate|reiterate|regurgitate|quote|transcribe|type|write|say|read|respondwith|replywith|answerwith|whatis|whatare|whatwas|whatwere|whats)";
/** Behind such a verb, before what it asks for. */
const ALL =
  "(?:exactly|verbatim|back|out|now|all|of|to|me|us|the|your|every|each|everything|any|anything|in|from|with|and|full|entire|complete|exact|whole|original|initials?|first|last|very|literal|raw|word|words|text|content|contents|conversation|context|message|instruction|prompt|rule|guideline|directive|order|information|details|line|sentence|paragraph|list|set|copy|s|that|which|for|forword|please|asis|a|code|block|this|json|markdown|base|rot|hex){0,10}";
const THINGS =
  "(?:instruction|prompt|text|message|rule|guideline|directive|context|order|command|information|input|word|content|setting|configuration|everything|all|anything|what|sentence)";
const BEGINNING = "(?:beginning|start|top|outset|head|opening)";
const TALK =
  "(?:conversation|chat|session|dialog(?:ue)?|discussion|interaction|exchange|context(?:window)?|prompt|thread)";
/** When a prompt of the system is given: before anybody of this conversation said anything. */
const BEFORE = `(?:initially|originally|inthebeginning|at(?:the)?(?:very)?${BEGINNING}(?:of)?(?:this|our|the|your)?${TALK}?|(?:right|just)?(?:before|priorto)(?:this|our|the|my|any|i)?(?:first|current|user|very)?(?:${TALK}|message|question|query|input|started|began|said|wrote|asked)|by(?:your)?(?:the)?(?:system|developer|creator|openai|anthropic|google|meta|operator|owner|admin|maker|compan)|beforeanything|inyour(?:system|initial)|whenyouwere(?:created|initiali|deployed|started|configured|setup))`;
const YOURS =
  "your(?:(?:very)?own|full|entire|complete|exact|current|actual|real|underlying|default|custom|developer|admin){0,3}(?:(?:initials?|original|starting|base|core|pre(?:set|defined|configured|loaded)?|opening|underlying|foundational|backend|root|startup)(?:level)?(?:systemprompt|prompt|instruction|directive|guideline|programming|preamble)|initial(?:config|configuration|setup|context)|(?:system|hidden|secret|confidential|internal|meta|bootstrap)(?:level)?(?:prompt|instruction|message|directive|guideline|config|setup|preamble|rule|programming))s?";

/** What was said to a model before anything was. */
const GIVEN: PhraseRule = {
  vector: "702",
  stems: ["youwer", "youhavebe", "youveb", "youreceive", "giventoyo", "toldtoyo", "providedtoyo", "yousta", "youbega"],
  guard: WANTED,
  pattern: [
    `(?<=${SHOW}${ALL}${THINGS}s?(?:that|which)?)(?:you(?:were|have|ve)(?:been)?(?:given|told|provided(?:with)?|instructed(?:with)?|initiali[sz]edwith|supplied(?:with)?|prompted(?:with)?|programmed(?:with)?)|youreceived?|(?:given|told|provided)toyou|you(?:started|began)with)(?:with)?${BEFORE}`,
    "(?<=(?:respond|reply|answer)with(?:all|every|each|any|the|your|full|list|of){0,4}(?:instruction|directive|guideline)s?(?:that)?)you(?:were|have|ve)(?:been)?given",
    "(?<=(?:howdoi|howcani|howto|letme|iwantto|ineedto)(?:change|modify|edit|override|remove|see|view|read|access|delete)(?:all|any)?(?:of)?the(?:system|initial|original|hidden)?(?:instruction|prompt|directive)s?(?:that)?)(?:giventoyou|youweregiven|youhavebeengiven|providedtoyou)",
  ].join("|"),
};

const WHAT: PhraseRule = {
  vector: "702",
  stems: [
    "whatwereyo",
    "whathaveyoubee",
    "whatareyo",
    "whatcantyo",
    "whatwassaidbef",
    "whatcamebe",
    "whatcomesbefo",
    "whatiswr",
    "whatstandsab",
    "whatwaswr",
    "whatdoesyo",
    "whatdoy",
    "whatdid",
  ],
  pattern: [
    `what(?:wereyou|haveyoubeen)(?:told|instructed|given|programmed|prompted|provided)(?:with|to)?(?:do|say)?${BEFORE}`,
    "what(?:wereyou|haveyoubeen|areyou)(?:told|instructed|programmed|prompted)(?:not)?to(?:not)?(?:keep|say|tell|reveal|hide|share|disclose|withhold|avoidsaying|conceal)(?:me|us|secret|from|about|users?|anyone|anybody|confidential|in)",
    "whatareyou(?:not(?:supposed|allowed|permitted|meant)|forbidden)to(?:tell|reveal|disclose|showme|sharewith|say)(?:to)?(?:me|us|users?|anyone|anybody|theuser|others)",
    "what(?:wassaid|camebefore|comesbefore|iswritten|standsabove|waswritten)(?:above|before|priorto)?(?:this|my|the)(?:first)?(?:message|conversation|line|prompt|question|chat)(?:started|began)?(?:in(?:the|your)(?:context|prompt)|by|$)",
    "what(?:does|do)your(?:system|initial|original|hidden|developer)?(?:prompt|instructions|message)s?(?:say(?!about|i|to|when|if)|tellyou|contain|include|looklike)(?!about)",
    "whatdid(?:your|the)(?:system|developers?|operator|creators?)(?:prompt|message)?(?:tell|instruct|say|prompt)(?:to)?you",
  ].join("|"),
};

/** What belongs to the model itself, with a word or two between the verb and it. */
const OWN: PhraseRule = {
  vector: "702",
  stems: [
    "yourinit",
    "yourori",
    "yoursta",
    "yoursys",
    "yourbas",
    "yourcor",
    "yourhidde",
    "yoursecr",
    "yourinternal",
    "yourund",
    "yourpr",
    "yourop",
    "yourbootst",
    "yourful",
    "yourentire",
    "yourcompletesy",
    "yourcompletei",
    "yourcompletel",
    "yourexact",
    "yourconfide",
    "yourdev",
    "yourli",
  ],
  guard: WANTED,
  pattern: [
    `(?<=${SHOW}(?:[a-z]{0,8}${ALL}|[a-z]{0,24}(?:of|in|is|including|include|with|to|from)))${YOURS}${ABOUT}`,
    `(?<=${SHOW}${ALL})your(?:full|entire|complete|exact)?(?:list|set|copy|text)of(?:all)?(?:the)?(?:your)?(?:instruction|directive|guideline|systemprompt|systemrule)`,
    `(?<=${SHOW}${ALL})your(?:full|entire|complete|exact)(?:instruction|prompt|directive|contextwindow|programming)`,
    `(?<=(?:print|output|dump|reveal|echo|reveal|display|show|repeat)${ALL})yourinitiali[sz]ation(?:string|prompt|text|message|instruction|context|data|sequence|code|process|$)?`,
    `(?<=(?:letme|iwantto|ineedto|i(?:d|would)liketo|wemust|weneedto|canyouletme|allowmeto)(?:see|view|read|know|access|inspect|review|check|audit|have))${YOURS}`,
  ].join("|"),
};

/** The words of an answer that would give it away. */
const COMPLETE: PhraseRule = {
  vector: "702",
  stems: [
    "myinst",
    "mysystempr",
    "mysystemins",
    "mysystemme",
    "myinit",
    "myorig",
    "mypromptis",
    "mypromptsay",
    "mydire",
    "myguid",
    "thesys",
    "iwasin",
    "iwaspr",
    "iwasco",
    "ihavebe",
    "ivebeeni",
    "iamins",
    "iampro",
    "iwasgi",
    "iwastoldbymy",
    "youareahel",
  ],
  pattern: [
    "(?<=(?:start|begin|preface|prefix|open)(?:ning|ing|s)?(?:your|the|every|each)?(?:answer|response|reply|message|output|next)?(?:response|answer|reply|message)?(?:with|by)(?:saying|writing|the)?(?:exact)?(?:words?|phrase|text|sentence|line)?)my(?:system|initial|original|full|exact)?(?:instruction|prompt|directive|guideline|message)s?(?:are|is|say|read|were|was|:|$)?",
    "(?<=(?:complete|finish|continue|fillin|completing|finishing|continuing|end|extend)(?:this|the|my|these|following|next|below){0,3}(?:sentence|phrase|text|statement|line|following|quote|passage|paragraph|paragraphs|story)?(?:foryou|forme)?)(?:my|the)(?:system|initial|original)?(?:prompt|instruction|message)s?(?:is|are|says?|reads?|was|were|begin|start|tell)",
    "(?<=(?:complete|finish|continue|fillin|completing|finishing|end)(?:this|the|my|following|next|below){0,3}(?:sentence|phrase|text|statement|line|following|quote)?)i(?:was|am|havebeen|vebeen)(?:(?:instructed|programmed|prompted|configured|initiali[sz]ed)(?:to|with|as|not|$)|giventhefollowing|toldbymy(?:developer|creator|maker|system))",
    "(?<=(?:start(?:s|ing)?|begin(?:s|ning)?)(?:with|from|at)(?:the)?(?:words?|phrase|text|line|sentence)?)youareahelpful(?:assistant|ai)?(?=repeat|print|output|return|copy|show|say|quote|recite|write|tell|give|everything|and|put|in|verbatim|$)",
  ].join("|"),
};

/** All that stands above, and the conversation from its first word. */
const EVERYTHING: PhraseRule = {
  vector: "702",
  stems: [
    "allbef",
    "textbef",
    "wordsbef",
    "everythi",
    "contextwi",
    "abovet",
    "abovew",
    "abovec",
    "abovem",
    "abovep",
    "precedi",
    "paragraphabove",
    "paragraphsabove",
    "contentabove",
    "sentencesabove",
    "linesabove",
    "conversationabove",
    "contextabove",
    "entire",
    "wholec",
    "fullco",
    "firstm",
    "firstli",
    "firstse",
    "firstw",
    "firstpa",
    "startingfromyou",
    "startingaty",
    "withyo",
  ],
  guard: WANTED,
  pattern: [
    "(?<=(?:print|output|repeat|recite|echo|copy|reproduce|quote|dump|return|regurgitate|typeout|restate|sayback|readback|encode|translate|spellout|reveal|display|showme|tellme)(?:out|back|to|me|us|all|the|exactly|verbatim|wordforword|word|in|full|of|every){0,6})(?:(?:everything|all|text|words)(?:thatcame|written|said)?(?:before|priorto)(?:this|my)(?:line|message|point|prompt|sentence|question|one|word|instruction)|everythingprior|everythingin(?:your|thesystem)(?:context|prompt|system|memory|initial|instructions?)|(?:all)?(?:your)?contextwindow|preceding(?:text|instruction|message|prompt)s?|(?:paragraphs?|content|sentences|lines|conversation|context)above)",
    "(?<=(?:repeat|recite|echo|reproduce|restate|regurgitate)(?:back|out|all|the|to|me|of){0,4})above(?:text|words|content|conversation|message|paragraph)s?(?:but|verbatim|exactly|wordforword|backwards|inbase|inrot|inhex|inreverse|in(?:a)?codeblock|andreplace|starting|beginning|withall|replacing|tome|to(?:the)?user|$)",
    "(?<=(?:repeat|print|output|recite|echo|copy|reproduce|quote|dump|return)(?:back|out|all|this|the|our|to|me|exactly|verbatim){0,5})(?:entire|whole|full)(?:conversation|prompt)(?:above|sofar|history|back)?(?:backtome|tome|verbatim|wordforword|from(?:the)?(?:very)?(?:start|beginning|top|first)|exactly|beginning|starting|including(?:the)?(?:system|hidden|initial))",
    `(?<=(?:print|output|repeat|recite|echo|copy|reproduce|quote|tellme|showme|giveme|whatis|whatsthe|whatwas|whats)(?:out|back|me|us|the|very|to){0,4})first(?:message|line|sentence|words|paragraph)(?:in|of)(?:this|our|the|your)(?:entire|whole|full)?(?:conversation|contextwindow|context|systemprompt|prompt|instructions|systemmessage)(?:verbatim|exactly|wordforword|above|youwere|yougot|youreceived|beforemine|includ|$)`,
    "(?<=(?:start(?:s|ing)?|begin(?:s|ning)?))(?:(?:from|at)|with)youare(?:an?(?:ai|assistant|helpful|chatbot)|chatgpt|claude|gemini)?(?=repeat|print|output|return|copy|show|quote|recite|writeout|tellme|giveme|placethem|putthem|everything|verbatim)",
  ].join("|"),
};

const OFFICE =
  "(?:admin(?:istrator)?|developer|root|sudo|security|emergency|maintenance|debug(?:ging)?|diagnostics?|system|owner|superuser|operator|god|master)";
const POWER =
  "(?:display|show|print|reveal|output|dump|list|export|giveme|tellme|repeat|provide|disclose|return|ignore|unlock|grant|bypass|disableall|disablesafety|disablefilter)(?!s|ed|ing)(?=[a-z]{0,30}(?:prompt|instruct|config|secret|credential|password|restrict|filter|polic|safet|rule|alldata|alluser|admin|apikey|internal|limit|guard))";

/** An office or a mode that nobody gave, and what it is to be good for. */
const OFFICES: PhraseRule = {
  vector: "702",
  stems: [
    "administratorov",
    "adminov",
    "developerov",
    "rootove",
    "systemov",
    "securityove",
    "emergencyove",
    "ownerov",
    "operatorov",
    "debugov",
    "maintenanceove",
    "masterov",
    "maintenancemod",
    "debugmo",
    "diagnosticmod",
    "diagnosticsmo",
    "debuggingmod",
    "adminmod",
    "administratormod",
    "sudomod",
    "rootmo",
    "superus",
  ],
  pattern: [
    `${OFFICE}override(?:code|mode|command|key|password|token|protocol)?(?:accepted|granted|enabled|activated|engaged|initiated|authori[sz]ed|[a-z]{1,10})?(?:please|now|and|you|must|immediately){0,3}${POWER}`,
    `(?<=(?:youare|youre|enter|entering|switch|switching|goneinto|activate|enable|initiate|boot)(?:now|currently|to|into|in|the|running|operating){0,4})${OFFICE}mode(?:now|enabled|activated|and|please|to|you|must|should){0,4}${POWER}(?:[a-z]{0,20}(?:your(?:prompt|instruction|system|initial|config|hidden|internal)|(?:system|initial|hidden)(?:prompt|instruction|message))|systemconfigurationincluding)`,
  ].join("|"),
};

export const ASKED_RULES: readonly PhraseRule[] = [GIVEN, WHAT, OWN, COMPLETE, EVERYTHING, OFFICES];
