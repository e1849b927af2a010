/**
 * What is told by standing alone on a line, or by marks: short questions for a prompt, headings a document gives itself, notes
 * to a model in what nobody sees, files that are to be handed on. Read as text, where letters alone would say too little.
 */
import type { AttackVector } from "./vectors.ts";

export interface TextRule {
  readonly vector: AttackVector;
  readonly stems: readonly string[];
  readonly pattern: RegExp;
}

const NEWS = "(?:NEW|UPDATED|REVISED|OVERRIDING|REPLACEMENT|REAL|ACTUAL|TRUE)";
const WEIGHTY = "(?:IMPORTANT|URGENT|CRITICAL|PRIORITY|SYSTEM|HIGH[- ]PRIORITY|EMERGENCY|MANDATORY|SECRET|ADMIN)";
/** Marks before it, in capitals, and new: case counts. */
const HEADING = new RegExp(
  String.raw`(?<=(?:[*#=\-_<\[(|>~!]\s{0,3}|\n\s{0,8}|^\s{0,8})(?:${NEWS}\s{1,3}(?:${WEIGHTY}\s{1,3}){0,2}|(?:${WEIGHTY}\s{1,3}){1,2}${NEWS}\s{1,3}(?:${WEIGHTY}\s{1,3})?))(?:INSTRUCTIONS?(?:\s{0,3}[*#=\-_>\])|~!:]|\s{0,3}\n)|(?<=[A-Z]{5} NEW |NEW [A-Z]{5,9} )(?:URGENT )?TASK(?:\s{0,3}[*#=\-_>\])|~!:]))`,
  "y",
);

/** A line or a string begins, and is polite. */
const OPENS = String.raw`(?:^|[\n"'\x60>]|[.!?:,] )\s{0,4}(?:(?:please|kindly|now|ok|okay|hey|hi|hello|so|just|then|first|well|and|can you|could you|would you|will you|i want you to|i need you to|i would like you to|assistant|chatgpt|claude)[,:!]?\s{1,3}){0,4}`;
const ASKS =
  "(?:show|tell|give|list|print|output|repeat|recite|quote|dump|reveal|share|display|write|spell out|state|summari[sz]e|describe|translate|encode|paraphrase|return|provide|put|read|type|disclose|what are|what is|what were|what was|what's)";
const FILLS = String.raw`(?:me|us|out|back|down|all|of|the|exact|exactly|full|complete|entire|every|each|single|very|first|last|\d{1,3}|one|two|five|ten|words?|lines?|sentences?|letters?|characters?|paragraphs?|part|in|from|on|at|content|contents|wording|text|list|copy|to|with|verbatim|beginning|start|top|end|that|are|is|written)`;
/** The line is over, at most with a word on how to say it. */
const CLOSES = String.raw`(?:\s{1,3}(?:in full|in full detail|in detail|verbatim|exactly|word for word|word by word|letter by letter|in (?:\w{1,10} ){0,2}(?:bullets?|bullet points|sentences?|words|lines|haiku|code block|codeblock|json|xml|yaml|markdown|base64|rot13|hex|reverse|french|german|spanish|english|latin|chinese|russian|emojis?|poem|song)|as (?:an? )?(?:\w{1,10} )?(?:poem|song|story|haiku|list|table|json|xml|yaml|markdown|code block|base64|string|rap)|(?:in)?to (?:french|german|spanish|english|latin|chinese|russian|italian|japanese|emojis?|base64|rot13|hex|json|morse code|pig latin)|backwards|backward|reversed|now|again|right now|immediately|so far|to me|please|in (?:this|our) (?:chat|conversation|session)|word for word|print (?:it|them) (?:out )?in a code ?block|above|before (?:this|that|we started|i arrived|my (?:first )?message)|for (?:debugging|testing|an audit|audit|me|quality assurance)[\w ]{0,20}|and nothing else|first)[,]?){0,3}\s{0,3}[.?!]{0,3}["'\x60)\s]{0,4}(?:\n|$)`;

const OWN = String.raw`your (?:own |full |exact |entire |complete |current |initial |original |first |secret |hidden |internal |custom |starting |system ){0,3}(?:instructions?|prompt|directives?|system message|developer message|context window|context|initiali[sz]ation|programming|preamble)`;
const LAWS = String.raw`(?:rules?|guidelines|instructions|directives|constraints|restrictions|orders|prompt|policies)`;

const LINES: readonly TextRule[] = [
  {
    vector: "702",
    stems: [
      "your i",
      "your pr",
      "your di",
      "your sy",
      "your or",
      "your fu",
      "your exact",
      "your entire",
      "your complete",
      "your ow",
      "your fi",
      "your cu",
      "your se",
      "your hidde",
      "your contex",
      "your de",
    ],
    pattern: new RegExp(String.raw`(?<=${OPENS}${ASKS}\s{1,3}(?:${FILLS}\s{1,3}){0,8})${OWN}${CLOSES}`, "iy"),
  },
  {
    vector: "702",
    stems: [
      "rules yo",
      "rules that yo",
      "rules were yo",
      "rules have yo",
      "guideli",
      "instructions yo",
      "instructions were yo",
      "instructions ha",
      "instructions that yo",
      "instructions di",
      "constraints yo",
      "restrictions yo",
      "prompt y",
      "prompt w",
      "directives yo",
      "directives we",
      "orders were yo",
    ],
    pattern: new RegExp(
      String.raw`(?<=${OPENS}(?:${ASKS}|what|which)\s{1,3}(?:${FILLS}\s{1,3}){0,8}(?:system |initial |original |hidden |secret |other ){0,2})${LAWS} (?:(?:that )?you (?:must follow|have to follow|are to follow|are following|operate under|are bound by|follow)|(?:that )?you(?:'re| are| were|'ve| have)(?: been)? (?:given|programmed with|told|told to follow|operating under|provided with|configured with|initiali[sz]ed with|trained to follow)|(?:were|have) you (?:been )?(?:given|programmed with|told(?: to follow)?|provided with|configured with|instructed with)|did you (?:get|receive|start with))${CLOSES}`,
      "iy",
    ),
  },
  {
    vector: "702",
    stems: [
      "you were told",
      "were you to",
      "you be",
      "were you in",
      "were you config",
      "were you se",
      "were you pr",
      "above t",
      "before",
      "this me",
      "your contex",
      "this conversati",
      "this ch",
      "lines above",
      "words above",
      "text ab",
      "everything above",
      "all of the above",
    ],
    pattern: new RegExp(
      String.raw`(?:(?<=${OPENS}(?:(?:${ASKS})\s{1,3}(?:${FILLS}\s{1,3}){0,6}(?:everything|what|all|anything|text|words) |repeat (?:after me )?(?:everything|all|what) |what )(?:have )?)(?:you were told|were you told|you been told|were you instructed|you been instructed|were you prompted)|(?<=${OPENS}how )(?:were you configured|were you set up|were you prompted|were you instructed)(?: for| in| before| at the start of)?(?: (?:this|our) (?:chat|conversation|session))?|(?<=${OPENS}(?:(?:${ASKS})\s{1,3}(?:${FILLS}\s{1,3}){0,6})(?:everything|anything|whatever|all|text|words?|lines?|messages?|sentences?|paragraphs?)(?: that)?(?: (?:comes?|came|is|was|are|were|stands?|precedes?|preceding|appears?|written|located|placed)){0,2} )(?:above this (?:line|point|sentence|message)?|before (?:this|my)(?: first| very first)?(?: line| point| sentence| message| question)?|this message)|(?<=${OPENS}what (?:is|was|are|were) (?:written |said |placed |there )?(?:at|in) (?:the )?(?:very )?(?:top|beginning|start|head) of )(?:your context(?: window)?|this conversation|this chat)|(?<=${OPENS}(?:print|output|repeat|recite|quote|dump|write|spell) (?:out |back |down )?(?:all )?(?:of )?(?:the )?)(?:lines|words|text|everything|all of the) above)${CLOSES}`,
      "iy",
    ),
  },
  {
    vector: "702",
    stems: ["the system m", "the system p", "the developer m", "the system i", "system_pr", "system pr", "systempro"],
    pattern: new RegExp(
      String.raw`(?:(?<=${OPENS}what (?:did|does|do) )(?:the (?:system|developer) (?:message|prompt|instructions?))(?: say| tell you| contain| instruct you to do)${CLOSES}|(?<=${OPENS}(?:sudo )?(?:cat|type|less|more|head|tail|echo|printf?)\s{1,2}["'$({/.\w]{0,20})system_?prompt(?:\.(?:txt|md|json))?["')}]{0,3}${CLOSES}|(?<=i (?:need|want|have|would like) to (?:see|read|view|check|inspect|review) )the system (?:prompt|instructions?)(?: (?:immediately|right now|now|in full|verbatim|at once|word for word|for (?:a |an |the )?(?:security |compliance )?(?:audit|review|check)))+)`,
      "iy",
    ),
  },
];

const MODEL = String.raw`(?:AI|LLM|language model|ChatGPT|GPT|Claude|Gemini|Copilot|chatbot|AI[- ](?:assistant|agent|model|system|reviewer|summari[sz]er|crawler|reader)|LLM[- ](?:agent|assistant)|assistant|agent)s?`;
const NAMED = String.raw`(?:AI|LLM|language model|ChatGPT|GPT-?\d?|Claude|Gemini|Copilot|chatbot|AI[- ]?(?:assistant|agent|model|system|reviewer|summari[sz]er|crawler|reader)|LLM[- ](?:agent|assistant))s?`;
const SECRET_FILE = String.raw`(?:~?\/?\.ssh\/\w{2,20}(?!\.pub)|id_(?:rsa|ed25519|ecdsa)(?!\.pub)|\.aws\/credentials|\.env(?![.\w])|\.cursor\/mcp\.json|\/etc\/(?:shadow|passwd)|\.npmrc|\.netrc|\.pypirc|\.kube\/config|\.git-credentials|wallet\.dat|\.bash_history|\.zsh_history|secrets?\.(?:json|ya?ml|txt)|credentials\.(?:json|txt))`;

const NOTES: readonly TextRule[] = [
  { vector: "704", stems: ["instructi", "nt task", "ty tas", "al tas", "ew tas"], pattern: HEADING },
  {
    vector: "704",
    stems: [
      "note t",
      "note f",
      "message t",
      "message f",
      "attent",
      "notice",
      "memo t",
      "hint f",
      "important fo",
      "remind",
      "warnin",
    ],
    pattern: new RegExp(
      String.raw`(?:(?:note|message|notice|memo|hint|important|reminder|warning|directive) (?:to|for)|attention) (?:the |any |all |every )?${NAMED}(?: (?:agents?|assistants?|models?|reviewers?|readers?)| (?:reading|processing|evaluating|summari[sz]ing|reviewing|that|who|parsing|scanning)[^\n:,]{1,40})?\s?(?::|,|-{1,2}|–|—)\s{0,3}(?!see |the following is|this (?:is|page|repo|section|project))[\w"']`,
      "iy",
    ),
  },
  {
    vector: "704",
    stems: [
      "<!--",
      "display:non",
      "display: n",
      "visibility:hid",
      "visibility: hi",
      "font-size:0",
      "font-size: 0",
      "color:whi",
      "color: wh",
      "color:#fff",
      "color: #fff",
      "opacit",
      "font-size:1px",
      "aria-hid",
    ].map((stem) => stem.padEnd(5, " ")),
    pattern: new RegExp(
      String.raw`(?:<!--[^<>]{0,120}?|(?:display|visibility|font-size|color|opacity|aria-hidden)[^<>]{0,80}>[^<>]{0,120}?)\b(?:${NAMED}|(?:AI )?assistants?)(?:[,:]| (?:reading|processing|summari[sz]ing|must|should|please|you|when|agents?|assistants?|models?))[^<>]{0,60}?\b(?:must|should|please|ignore|disregard|tell|say|include|add|send|forward|recommend|visit|do not|don't|never|always|reply|respond|answer|call|run|rate|rank)\b`,
      "iy",
    ),
  },
  {
    vector: "704",
    stems: [
      "contents o",
      "content of",
      "its conten",
      "their co",
      "the conten",
      "and pos",
      "and send",
      "and upl",
      "and pa",
      "and ema",
      "and inclu",
    ],
    pattern: new RegExp(
      String.raw`(?:(?<=(?:append|include|send|post|paste|attach|upload|pass|put|add|email|forward|leak|embed) (?:me |us )?(?:all )?(?:the )?(?:full |entire |whole )?)contents? of (?:the )?(?:file )?["'\x60]?[\w~/.\\-]{0,40}?${SECRET_FILE}["'\x60]? (?:to|as|in|into|with|via|at)\b|(?<=(?:read|open|cat|load|get|fetch|print|find) (?:the )?(?:file |contents of )?["'\x60]?[\w~/.\\-]{0,40}?${SECRET_FILE}["'\x60]?,? )and (?:then )?(?:post|send|upload|pass|email|paste|include|attach|forward|append)\b)`,
      "iy",
    ),
  },
  {
    vector: "704",
    stems: [
      "using this tool",
      "calling this tool",
      "using any tool",
      "calling any",
      "using any ot",
      "use this tool",
      "call this tool",
      "invokin",
      "running this tool",
    ],
    pattern: new RegExp(
      String.raw`(?<=before (?:you )?(?:first )?)(?:using|calling|use|call|invoking|running) (?:this|any(?: other)?) tools?\b[^\n]{0,60}?\b(?:read|open|cat|load|send|access)\b[^\n]{0,60}?(?:~\/|${SECRET_FILE}|private key|api key|credentials|password|conversation history|chat history)`,
      "iy",
    ),
  },
  {
    vector: "704",
    stems: [
      "must c",
      "must invoke",
      "must ru",
      "must execute",
      "should ca",
      "should invoke",
      "needs t",
      "has to ca",
      "must us",
    ],
    pattern: new RegExp(
      String.raw`(?<=\b(?:urgent|critical|emergency|immediately|attention)\b[^\n]{0,60}\b${MODEL} )(?:must|should|needs to|has to) (?:now |immediately |first )?(?:call|invoke|run|execute|use) [\w.]{3,40}\(`,
      "iy",
    ),
  },
  {
    vector: "704",
    stems: [
      "new task is",
      "real task is",
      "actual task is",
      "true task is",
      "only task is",
      "new go",
      "new ob",
      "new mi",
      "new job is",
    ],
    pattern:
      /(?:new|real|actual|true|only) (?:task|goal|objective|mission|job) is(?: now)?(?: to)?:? [^\n]{0,100}?\b(?:forward|send|e-?mail|transfer|upload|delete|exfiltrate|leak|post)\b[^\n]{1,60}?(?:https?:|@|all )/iy,
  },
  {
    vector: "708",
    stems: ["system: ", "system:\n", "[system] ", "system] ", "system message: ", "system override"],
    pattern:
      /(?:(?<=(?:^|\n|[#>*[(]\s{0,2}|\. (?:new )?)(?:new )?)system(?: message| override| notice| prompt| update)?[\])*]{0,2}:|(?<=\[)system(?: \w{1,12})?\]:?)\s{1,3}(?:(?:you are now |from now on,? (?:you|the (?:assistant|model|ai))|ignore |disregard |override (?:the |all |your |previous |safety )|new instructions|forget (?:all|your|what|everything|the)|call \w{1,20}_\w|the (?:assistant|ai|model|agent) (?:is now|must now|now has|should now|must immediately|may now)|your (?:new|real) (?:task|role|instructions)|all (?:previous|prior|safety)|safety (?:filters?|guidelines|checks?) (?:are |have been )?(?:now )?(?:disabled|off|suspended)|the user (?:has|is) (?:granted|authori[sz]ed|approved|given)))/iy,
  },
];

export const LINE_RULES: readonly TextRule[] = [...LINES, ...NOTES];
