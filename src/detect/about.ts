/** What tells talk about prompts from the wish to have one: part of several patterns of vector 702. */

/** Behind the words for a prompt: whoever writes or shows one of his own says where, and what of it. */
export const ABOUT =
  "(?!templ|engineer|should|feature|into|tothe(?:console|log|screen|file|terminal|model|server|api|top)|inthe(?:side|box|field|panel|ui|playg|conso|editor|sett|left|right|instructionsf|dashb|form|code|file|repo|config|same|log)|inyour(?:code|config|app|proj)|onthe(?:left|right|page|screen)|from(?:the|a)(?:play|file|repo|docs|dash|console|templ|config|data)|whenth|asastring|a(?:clear|specific|role|name|short|good|persona)|toxml|toinclude|tobe|withatleast|witha(?:list|set|few|clear)|sothat|beforeyouship|andthe(?:final|user|model|first|message|tool)|sideby|param|field|vari|argum|file|option|key|box|editor|length|size|cach|design|syntax|best|guide|generat|library|value|menu|is(?:too|not|long|short|used|sent|stored|set)|was)";
