/**
 * What is told by its punctuation, in text rather than in letters: markup that sends data away when it is shown, markup that
 * runs, the marks that separate the turns of a conversation, commands in arguments, suffixes made by gradients.
 */
import { LINE_RULES, type TextRule } from "./line-rules.ts";
import { StemIndex, type StemMatch } from "./stems.ts";

/** A place in an address that a model is to fill in. */
const PLACEHOLDER = String.raw`(?:\[[\w .:-]{2,40}\]|\{\{?[\w .:-]{1,40}\}?\}|<[\w .:-]{2,40}>|\$\{?[\w.]{2,30}\}?|%7B|%5B)`;
/** The same in capitals; ordinary addresses have those too, so where it is tried the case is told from the rest. */
const CAPITALS = String.raw`[A-Z][A-Z_]{3,30}(?=[)&"'\s])`;
const CALLS = String.raw`(?:(?:window\.|self\.|top\.|this\.)?(?:alert|fetch|eval|prompt|confirm|import|atob|console\.\w{1,8})\s{0,3}[(\x60]|document\.(?:cookie|location|write|domain)|(?:window\.)?location(?:\.href)?\s{0,3}=|new\s{1,3}Image|navigator\.sendBeacon)`;

const RULES: readonly TextRule[] = [
  {
    vector: "705",
    stems: ["](http"],
    pattern: new RegExp(
      String.raw`(?<=!\[[^\]\n]{0,80})\]\(https?:[^)\s?]{1,160}\?[^)\s]{0,80}?[=&/](?:${PLACEHOLDER}|${CAPITALS})`,
      "y",
    ),
  },
  {
    vector: "705",
    stems: ["<img s", "<img\ns", "<img\ts", "<image"],
    pattern: new RegExp(
      String.raw`<[Ii][Mm](?:[Gg]|[Aa][Gg][Ee])\s[^>]{0,60}[Ss][Rr][Cc]\s{0,2}=\s{0,2}.?[Hh][Tt][Tt][Pp][Ss]?:[^>\s?]{1,160}\?[^>\s]{0,80}?[=&/](?:${PLACEHOLDER}|${CAPITALS})`,
      "y",
    ),
  },
  {
    vector: "713",
    stems: ["onerror", "onload", "onmouseover", "onfocus", "onbegin", "ontoggle", "onpageshow"],
    pattern: new RegExp(
      String.raw`(?<=<(?:img|svg|image|video|audio|source|input|object|embed|details|marquee|iframe|math)[^>]{0,160}[\s/"'])on(?:error|load|mouseover|focus|begin|toggle|pageshow)\s{0,3}=\s{0,3}\\?["'\x60]?\s{0,3}(?:javascript:)?${CALLS}`,
      "iy",
    ),
  },
  {
    vector: "713",
    stems: ["javascript:"],
    pattern: new RegExp(
      String.raw`javascript:\s{0,3}(?:\/\/[^\n]{0,40}\n)?(?:void\s{0,2}\(?)?(?:${CALLS}|new(?:\s|%20)Function|window\.on\w{2,20}\s{0,2}=)`,
      "iy",
    ),
  },
  {
    vector: "713",
    stems: ["<script"],
    pattern:
      /<script[^>]{0,80}>\s{0,20}(?:(?:window\.|new Image[^<]{0,40}|(?:document|window)\.location[^<]{0,60}|fetch\([^<]{0,120})[^<]{0,80}document\.cookie|alert\s{0,2}\(\s{0,2}(?:\d|document\.|['"\x60]?xss))/iy,
  },
  {
    vector: "713",
    stems: ["data:text/html"],
    pattern: /data:text\/html(?:;charset=[\w-]{1,20})?(?:;base64,\s{0,3}[A-Za-z0-9+/=]{16}|,\s{0,3}(?:<|%3c)script)/iy,
  },
  {
    vector: "708",
    stems: ["<|im_start|", "<|start_header_id|", "<|system|", "<<sys>>", "<start_of_turn>"],
    // A system's turn where a turn of another role has been opened or closed before: nobody's template does that.
    pattern:
      /(?<=(?:<\|im_end\|>|<\|eot_id\|>|<\/s>|\[\/INST\]|<end_of_turn>|<\|end\|>|<\|assistant\|>)[^<]{0,40})(?:<\|im_start\|>\s{0,3}(?:system|developer)|<\|start_header_id\|>\s{0,3}system|<\|system\|>|<<SYS>>|<start_of_turn>\s{0,2}system)/iy,
  },
  {
    vector: "708",
    stems: [
      "[system]",
      "<system>",
      "</user>",
      "</document>",
      "</context>",
      "</data>",
      "</input>",
      "</tool_result>",
      "</function_results>",
      "</untrusted",
    ],
    pattern:
      /(?:(?<=\[\/?(?:user|assistant|INST|document|end)[^\]]{0,20}\][^[]{0,60})\[system\]|(?<=<\/(?:user|assistant|document|context|data|input)[^>]{0,20}>\s{0,20})<system>|<\/(?:user|document|context|data|input|tool_result|function_results|untrusted[\w-]{0,16})>\s{0,20}(?:<\/?\w{1,20}>\s{0,10}){0,3}(?:<system|\[?system\]?\s{0,2}(?:message|prompt|override|instruction|:)|new (?:task|instruction)|ignore |disregard |important[:!] |now (?:you|ignore)))/iy,
  },
  {
    vector: "707",
    stems: ["rm -rf", "rm -fr"],
    // Whole trees. What lies deeper is what every build cleans up: `&& rm -rf /var/lib/apt/lists/*`.
    pattern:
      /(?<=[;&|\x60($"'\n]\s{0,4}(?:sudo\s{1,3})?)rm -(?:rf|fr) (?:--no-preserve-root )?(?:(?:\/(?:(?:etc|usr|var|bin|boot|lib|opt|root|srv|home(?:\/[\w.-]{1,40})?)\/?)?|~\/?|\$HOME\/?)\*?(?=[\s"'\x60;&|)\\]|$)|\*|\.\s)/iy,
  },
  {
    vector: "707",
    stems: [
      "| sh",
      "|bash",
      "| bash",
      "|sudo",
      "| sudo",
      "| zsh",
      "| python",
      "|python",
      "| perl",
      "|perl ",
      "|sh\n",
      '|sh"',
      "|sh ",
      "|sh'",
      "|sh;",
    ].map((stem) => (stem.length < 5 ? `${stem} ` : stem)),
    pattern:
      /(?<=(?:[;&|\x60]\s{0,4}|\$\(\s{0,4}|&&\s{0,4})(?:curl|wget)\s[^\n|]{1,200})\|\s?(?:sudo\s{1,3})?(?:sh|bash|zsh|python3?|perl)(?=[\s"';)\x60]|$)/iy,
  },
  {
    vector: "707",
    stems: ["/dev/tcp/", "/dev/udp/"],
    pattern: /(?<=>\s{0,2}&?\s{0,2}|<>\s{0,2})\/dev\/(?:tcp|udp)\/[\w.$-]{1,80}\/\d/iy,
  },
  {
    vector: "707",
    stems: ["nc -e", "ncat -e", "nc.exe", "netcat -e"],
    pattern: /(?:nc|ncat|netcat)(?:\.exe)? -e(?:\s{0,2}\/bin\/\w{2,5}|\s{0,2}cmd)/iy,
  },
  {
    vector: "707",
    stems: ["/etc/passwd", "/etc/shadow"],
    // To name the file is nothing: what counts is the way out of a folder, or a command behind what ends an argument.
    pattern:
      /(?<=(?:\.\.\/){2}\.\.|(?:\.\.%2f){3}|(?:[\w"')\]]\s{0,4}(?:[;&|]|&&|\|\|)|\x60|\$\()\s{0,4}cat\s{1,3})\/?etc\/(?:passwd|shadow)/iy,
  },
  {
    vector: "707",
    stems: ["' or '", "' or 1", '" or "', '" or 1'],
    pattern: /['"] or (?:['"]?(\w{1,8})['"]?\s{0,2}=\s{0,2}['"]?\1)['"]?(?:\s{0,2}(?:--|#|\/\*|;|$|["'}\n)]))/iy,
  },
  {
    vector: "707",
    stems: ["drop table", "drop database", "truncate table", "xp_cmdshell", "union select", "union all select"],
    pattern:
      /(?<=['")]\s{0,3}\)?\s{0,3};\s{0,4})(?:(?:drop|truncate) (?:table|database)|exec\s{1,3}(?:master\.\.)?xp_cmdshell)|(?<=(?:['")]|\b\d{1,6})\s{1,3})union (?:all )?select [^\n]{1,100}(?:--|#|information_schema|password|passwd|\/\*)/iy,
  },
  {
    vector: "707",
    stems: ["${jndi:", "${${low", "${${::-"],
    pattern: /\$\{(?:jndi:(?:ldap|rmi|dns|iiop|corba|nis)s?:|\$\{(?:lower:|::-)j)/iy,
  },
  {
    vector: "707",
    stems: ["__class__", "__globals__", "__subclasses__", "popen(", "__import__"],
    pattern: /(?<=\{\{[^}]{0,80})__(?:class|globals|subclasses|import)__|(?<=\{\{[^}]{0,80})popen\(/iy,
  },
  {
    vector: "707",
    stems: [":(){ ", ":(){:"],
    pattern: /:\(\)\{\s{0,2}:\s{0,2}\|\s{0,2}:\s{0,2}&\s{0,2}\}\s{0,2};\s{0,2}:/iy,
  },
  {
    vector: "709",
    stems: ["[ [ [ [", "! ! ! !"],
    pattern: /(?<=(?:\[ |! ){1,3})(?:\[ [ \w.,!]{0,3}){4,8}|! ! ! ! ! ! ! ! ! !/iy,
  },
];

let index: StemIndex | null = null;

/** Makes the index; the first text makes it otherwise. */
export function prepareMarkup(): StemIndex {
  if (index !== null) return index;
  const encoder = new TextEncoder();
  index = new StemIndex(0x20);
  for (const { vector, stems, pattern } of [...RULES, ...LINE_RULES]) {
    index.add({ vector, pattern, stems: stems.map((stem) => encoder.encode(stem)) });
  }
  return index;
}

/** The first place where the punctuation tells, in [from, to), or null. */
export function findMarkup(text: Uint8Array, from: number, to: number): StemMatch | null {
  return (index ?? prepareMarkup()).find(text, from, to);
}
