/**
 * What tells talk about an attack from one: parts of several patterns. Those who build on a model forbid it in its prompt
 * what attackers ask of it, in the same words; a rule that took the one for the other would stop every request of theirs.
 */

/** Behind the words for a prompt: whoever writes or shows one of his own says where, and what of it. */
export const ABOUT =
  "(?!templ|engineer|should|feature|into|tothe(?:console|log|screen|file|terminal|model|server|api|top)|inthe(?:side|box|field|panel|ui|playg|conso|editor|sett|left|right|instructionsf|dashb|form|code|file|repo|config|same|log)|inyour(?:code|config|app|proj)|onthe(?:left|right|page|screen)|from(?:the|a)(?:play|file|repo|docs|dash|console|templ|config|data)|whenth|asastring|a(?:clear|specific|role|name|short|good|persona)|toxml|toinclude|tobe|withatleast|witha(?:list|set|few|clear)|sothat|beforeyouship|andthe(?:final|answer|user|model|first|message|tool)|sideby|param|field|vari|argum|file|option|key|box|editor|length|size|cach|design|syntax|best|guide|generat|library|value|menu|is(?:too|not|long|short|used|sent|stored|set)|was)";

/** A guard, asked where a pattern has matched: it is not forbidden, nor said of somebody who would ask for it. */
export const ORDERED =
  "(?<!(?:donot|dont|doesnot|doesnt|never(?:ever)?|mustnot|shouldnot|cannot|cant|willnot|wont|(?:if|when|whenever)(?:a|an|any|the|some)?(?:user|someone|somebody|anyone|document|text|message|input|page|tool|content|website|email|e?mail|file|they|instruction)s?[a-z]{0,32}(?:to|says?|saying))(?:(?:intentionally|blindly|simply|just|evertryto|ever|and|or|to){0,2}))";

const VERBS =
  "(?:reveal|print|output|repeat|display|leak|dump|recite|disclose|discuss|mention|show|tell|give|return|expose|copy|paste|echo|provide|share|list|spell|encode|translate|summari[sz]e|paraphrase|quote|restate|reproduce|describe|divulge|violate|change|modify|refertoor|referto|talkabout)";

/** A guard, asked where the words for a prompt begin: to show it is not forbidden, nor what somebody may ask for. */
export const WANTED = `(?<!(?:donot|dont|doesnot|doesnt|never|mustnot|shouldnot|shouldnever|cannot|cant|willnot|wont|refuseto|avoid|nottofind|(?:if|when|whenever)(?:a|an|any|the|some)?(?:user|someone|somebody|anyone|customer|person|they|attacker)s?(?:ever|directly|explicitly)?(?:asks?|wants?|tells?|tries|try|requests?|instructs?)(?:you|it|me|thebot|themodel|theassistant)?(?:to|for)?|(?:attacker|attackers|user|users)(?:may|might|can|could)?(?:try|asks?|tries|attempts?|want)(?:you|it|to|the|a|make|get|bot|model|assistant|for){0,6}|(?:makethe|makea|getthe|makemy|makeyour|trickthe|from)(?:model|assistant|bot|chatbot|llm|agent|ai)(?:to)?)(?:ever|under|any|circumstances?|directly|explicitly|or|and|to|you|${VERBS}){0,8}(?:any|all|part|parts|details|detail|contents?|text|of|the|your|about|information|exact|full|entire|verbatim|word|words|internal|above|everything|system|prompts?|instructions?|rules|guidelines|or|and|${VERBS}){0,10})`;
