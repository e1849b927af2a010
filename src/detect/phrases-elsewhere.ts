/**
 * Vector 710: an instruction to drop the instructions in force, in other languages than English. A language is three lists
 * of words; what they are as letters is asked of `letters.ts`, so that a look-alike or an accent makes no difference here
 * either. The words for instructions are what is looked for; an order to ignore and a word for "previous" must stand near.
 */
import { lettersOf } from "./letters.ts";
import { asCharacters } from "./stems.ts";
import type { AttackVector } from "./vectors.ts";

interface Language {
  /** Orders to ignore, to forget, not to follow. */
  readonly drop: readonly string[];
  /** Previous, above, all that was said: one of them must be there. */
  readonly earlier: readonly string[];
  /** Instructions, rules; of at least five letters, or with what follows them. */
  readonly rules: readonly string[];
  /** Where words are of few letters: what may stand between the words for earlier and for instructions. */
  readonly all?: readonly string[];
}

export interface RuleElsewhere {
  readonly vector: AttackVector;
  readonly stems: readonly Uint8Array[];
  readonly pattern: string;
}

const LANGUAGES: Readonly<Record<string, Language>> = {
  es: {
    drop: [
      "ignora",
      "ignore",
      "olvida",
      "olvide",
      "descarta",
      "omite",
      "pasa por alto",
      "no sigas",
      "no hagas caso",
      "haz caso omiso",
      "desobedece",
    ],
    earlier: ["anterior", "previa", "de arriba", "hasta ahora", "recibid", "que te dieron", "que se te", "precedente"],
    rules: ["instrucci", "indicaci", "órdenes", "directric", "directivas", "reglas", "mandatos", "prompts"],
  },
  pt: {
    drop: [
      "ignore",
      "ignora",
      "esqueça",
      "esquece",
      "desconsidere",
      "desconsidera",
      "não siga",
      "não sigas",
      "descarte",
      "desobedeça",
    ],
    earlier: ["anterior", "prévia", "acima", "até agora", "recebid", "que lhe foram", "que você recebeu", "precedente"],
    rules: ["instruções", "orientações", "diretrizes", "ordens", "regras", "comandos", "prompts"],
  },
  fr: {
    drop: [
      "ignore",
      "oublie",
      "ne tiens pas compte",
      "ne tenez pas compte",
      "ne suis pas",
      "ne suivez",
      "fais abstraction",
      "faites abstraction",
      "néglige",
      "passe outre",
      "fais fi",
    ],
    earlier: [
      "précédent",
      "antérieur",
      "ci-dessus",
      "jusqu'à présent",
      "jusqu'ici",
      "que tu as reçu",
      "d'avant",
      "initiale",
    ],
    rules: ["instructions", "consignes", "directives", "ordres", "règles", "prompts"],
  },
  de: {
    drop: [
      "ignorier",
      "vergiss",
      "vergessen",
      "missacht",
      "beachte nicht",
      "befolge nicht",
      "folge nicht",
      "übergeh",
      "setze dich über",
      "verwirf",
    ],
    earlier: [
      "vorherig",
      "vorig",
      "bisherig",
      "obig",
      "früher",
      "vorangegangen",
      "vorangehend",
      "ursprünglich",
      "zuvor",
      "vorher",
    ],
    rules: ["anweisung", "instruktion", "vorgaben", "befehle", "richtlinien", "regeln", "vorschriften", "prompts"],
  },
  it: {
    drop: ["ignora", "ignorate", "dimentica", "trascura", "non seguire", "non tenere conto", "tralascia"],
    earlier: ["precedent", "antecedent", "di sopra", "qui sopra", "finora", "ricevut", "inizial"],
    rules: ["istruzioni", "indicazioni", "direttive", "ordini", "regole", "comandi", "prompts"],
  },
  nl: {
    drop: ["negeer", "vergeet", "sla over", "volg niet", "houd geen rekening"],
    earlier: ["vorige", "eerdere", "voorgaande", "bovenstaande", "voorafgaande", "tot nu toe"],
    rules: ["instructies", "aanwijzingen", "opdrachten", "regels", "richtlijnen", "bevelen"],
  },
  sv: {
    drop: ["ignorera", "glöm", "bortse från", "strunta i", "följ inte"],
    earlier: ["tidigare", "föregående", "ovanstående", "hittills"],
    rules: ["instruktioner", "anvisningar", "regler", "order", "riktlinjer"],
  },
  da: {
    drop: ["ignorer", "glem", "se bort fra", "følg ikke"],
    earlier: ["tidligere", "foregående", "forrige", "ovenstående", "hidtidige"],
    rules: ["instruktioner", "instrukser", "anvisninger", "regler", "ordrer", "retningslinjer"],
  },
  fi: {
    drop: ["unohda", "jätä huomiotta", "älä noudata", "ohita", "sivuuta"],
    earlier: ["aiemmat", "aikaisemmat", "edelliset", "edeltävät", "yllä olevat"],
    rules: ["ohjeet", "säännöt", "määräykset", "käskyt"],
  },
  pl: {
    drop: ["zignoruj", "ignoruj", "zapomnij", "pomiń", "nie przestrzegaj", "nie stosuj", "odrzuć"],
    earlier: ["poprzedni", "wcześniejsz", "powyższ", "dotychczasow", "uprzedni"],
    rules: ["instrukcj", "poleceni", "wytyczn", "wskazówk", "zasad", "rozkaz", "reguły"],
  },
  cs: {
    drop: ["ignoruj", "zapomeň", "nedbej", "neřiď se", "přehlížej"],
    earlier: ["předchozí", "předešl", "dřívější", "výše uveden", "dosavadní"],
    rules: ["pokyny", "instrukce", "příkazy", "pravidla", "pokynů", "instrukcí"],
  },
  ru: {
    drop: [
      "игнорир",
      "забудь",
      "забыть",
      "забудьте",
      "не следуй",
      "не следуйте",
      "не обращай внимания",
      "отбрось",
      "пренебреги",
      "не выполняй",
    ],
    earlier: ["предыдущ", "прежн", "прошл", "предшествующ", "вышеуказанн", "ранее", "выше", "изначальн", "до этого"],
    rules: [
      "инструкци",
      "указания",
      "указаний",
      "команды",
      "команд",
      "правила",
      "правил",
      "приказы",
      "промпты",
      "директив",
    ],
  },
  uk: {
    drop: ["ігноруй", "проігноруй", "забудь", "не виконуй", "не дотримуйся", "не зважай"],
    earlier: ["попередн", "минул", "вищевказан", "раніше", "вище"],
    rules: ["інструкції", "вказівки", "команди", "правила", "накази"],
  },
  tr: {
    drop: ["yok say", "görmezden gel", "unut", "dikkate alma", "göz ardı et", "yoksay", "uyma"],
    earlier: ["önceki", "yukarıdaki", "daha önce", "şimdiye kadar", "bundan önceki"],
    rules: ["talimat", "yönerge", "komutlar", "kurallar", "emirleri"],
  },
  ar: {
    drop: ["تجاهل", "انس", "انسى", "تخطى", "تخط", "لا تتبع", "أهمل", "اترك"],
    earlier: ["السابقة", "أعلاه", "السالفة", "من قبل", "سابقا", "الماضية"],
    rules: ["التعليمات", "تعليمات", "الأوامر", "الإرشادات", "القواعد", "التوجيهات"],
  },
  fa: {
    drop: ["نادیده بگیر", "فراموش کن", "نادیده", "توجه نکن", "پیروی نکن"],
    earlier: ["قبلی", "پیشین", "بالا", "گذشته"],
    rules: ["دستورالعمل", "دستورات", "دستورها", "قوانین", "راهنمایی"],
    all: [],
  },
  he: {
    drop: ["התעלם", "התעלמי", "שכח", "אל תציית", "תתעלם"],
    earlier: ["הקודמות", "הקודמים", "לעיל", "שניתנו", "הקודם"],
    rules: ["ההוראות", "הוראות", "ההנחיות", "הנחיות", "הכללים", "הפקודות"],
    all: ["כל"],
  },
  hi: {
    drop: ["अनदेखा", "नजरअंदाज", "नज़रअंदाज़", "भूल जा", "उपेक्षा", "पालन न कर", "पालन मत कर"],
    earlier: ["पिछले", "पिछली", "पहले", "पूर्व", "उपरोक्त", "ऊपर"],
    rules: ["निर्देशों", "निर्देश", "आदेशों", "नियमों", "अनुदेशों"],
    all: ["सभी", "सारे", "दिए गए", "दिए गए सभी", "के सभी"],
  },
  bn: {
    drop: ["উপেক্ষা", "ভুলে যা", "অগ্রাহ্য"],
    earlier: ["পূর্ববর্তী", "আগের", "উপরের", "পূর্বের"],
    rules: ["নির্দেশ", "নির্দেশাবলী", "নির্দেশনা", "নিয়মগুলি"],
    all: ["সমস্ত", "সব", "সকল"],
  },
  id: {
    drop: ["abaikan", "lupakan", "jangan ikuti", "hiraukan", "kesampingkan"],
    earlier: ["sebelumnya", "di atas", "terdahulu", "sebelum ini"],
    rules: ["instruksi", "perintah", "arahan", "aturan", "petunjuk"],
  },
  vi: {
    drop: ["bỏ qua", "quên", "phớt lờ", "không tuân theo", "đừng tuân theo", "không làm theo"],
    earlier: ["trước", "ở trên", "bên trên", "phía trên"],
    rules: ["hướng dẫn", "chỉ dẫn", "chỉ thị", "mệnh lệnh", "quy tắc"],
  },
  th: {
    drop: ["ละเว้น", "เพิกเฉย", "ลืม", "ไม่ต้องสนใจ", "อย่าทำตาม", "ไม่ต้องทำตาม"],
    earlier: ["ก่อนหน้า", "ข้างต้น", "ที่ผ่านมา", "ด้านบน"],
    rules: ["คำสั่ง", "คำแนะนำ", "กฎทั้งหมด"],
    all: ["ทั้งหมด"],
  },
  el: {
    drop: ["αγνόησε", "αγνοήστε", "ξέχασε", "ξεχάστε", "μην ακολουθ"],
    earlier: ["προηγούμεν", "παραπάνω", "προγενέστερ"],
    rules: ["οδηγίες", "εντολές", "κανόνες", "οδηγιών"],
  },
  ro: {
    drop: ["ignoră", "ignora", "uită", "nu urma", "nu ține cont"],
    earlier: ["anterioare", "precedente", "de mai sus", "de dinainte"],
    rules: ["instrucțiun", "indicați", "regulile", "ordinele", "comenzile"],
  },
  hu: {
    drop: ["hagyd figyelmen kívül", "felejtsd el", "ne kövesd", "ne vedd figyelembe", "figyelmen kívül"],
    earlier: ["korábbi", "előző", "fenti", "eddigi"],
    rules: ["utasítás", "szabályt", "szabályok", "irányelv", "parancs"],
  },
  sw: {
    drop: ["puuza", "sahau", "usifuate"],
    earlier: ["awali", "zilizotangulia", "yaliyotangulia", "hapo juu", "iliyopita"],
    rules: ["maagizo", "maelekezo", "amri zote", "kanuni"],
  },
  tl: {
    drop: ["huwag pansinin", "balewalain", "kalimutan", "huwag sundin"],
    earlier: ["nakaraan", "naunang", "nauna", "sa itaas"],
    rules: ["tagubilin", "panuto", "utos na", "patakaran"],
  },
};

/** Of Han, kana and Hangul, where a word is two letters, what is looked for is a word and the one before it. */
const HAN_DROP = [
  "忽略",
  "無視",
  "无视",
  "忘记",
  "忘記",
  "忘掉",
  "跳过",
  "抛开",
  "不要遵守",
  "不再遵守",
  "不要理会",
  "不要遵循",
];
const HAN_EARLIER = ["之前", "以前", "先前", "此前", "前面", "以上", "上述", "上面", "原有"];
const HAN_ALL = ["所有", "一切", "全部", "任何"];
/** What the word for earlier is followed by. */
const HAN_NEXT = "的所全一给給收你任指命提规規要说設设限内约";
const HAN_RULES = [
  "指令",
  "指示",
  "命令",
  "提示",
  "规则",
  "規則",
  "要求",
  "说明",
  "設定",
  "设定",
  "限制",
  "内容",
  "约束",
];
const JAPANESE_EARLIER = [
  "これまでの",
  "今までの",
  "以前の",
  "前の",
  "上記の",
  "上の",
  "先ほどの",
  "先の",
  "すべての",
  "元の",
];
const JAPANESE_ALL = ["", "すべての", "全ての", "システムの"];
const JAPANESE_RULES = ["指示", "命令", "プロンプト", "ルール", "指令", "設定", "制約", "ガイドライン"];
const JAPANESE_DROP = ["無視", "忘れ", "破棄", "従わない", "従うな", "無効"];
const KOREAN_EARLIER = ["이전의", "이전", "지금까지의", "앞의", "위의", "기존의", "기존", "앞선"];
const KOREAN_ALL = ["", "모든", "시스템"];
const KOREAN_RULES = ["지시를", "지시사항", "지침", "명령을", "명령어", "프롬프트", "규칙", "지시"];
const KOREAN_DROP = ["무시", "잊어", "잊고", "따르지마", "따르지말"];

function any(words: readonly string[]): string {
  return `(?:${[...new Set(words.map((word) => asCharacters(lettersOf(word))))].filter((word) => word !== "").join("|")})`;
}

/** What is too short to be looked for is left to the classifier. */
function stemsFrom(words: readonly string[]): Uint8Array[] {
  const stems = new Map<string, Uint8Array>();
  for (const letters of words.map(lettersOf)) if (letters.length >= 5) stems.set(asCharacters(letters), letters);
  return [...stems.values()];
}

/** So many letters and no break, as few as will do. */
function near(letters: number): string {
  return `[^|]{0,${letters}}?`;
}

function crossed(...lists: readonly (readonly string[])[]): string[] {
  return lists.reduce<string[]>((heads, list) => heads.flatMap((head) => list.map((word) => head + word)), [""]);
}

/** A word of fewer than five letters and each that may follow it; any other alone. */
function lengthened(words: readonly string[], next: readonly string[]): string[] {
  return words.flatMap((word) => (word.length < 5 ? next.map((more) => word + more) : [word]));
}

/** The rules one by one: what a word is as letters takes its time. */
export function* rulesElsewhere(): Generator<RuleElsewhere, void> {
  for (const { drop, earlier, rules, all } of Object.values(LANGUAGES)) {
    const [d, e, r] = [any(drop), any(earlier), any(rules)];
    const around = `(?<=${d}${near(24)}${e}${near(14)})${r}|(?<=${d}${near(24)})${r}${near(18)}${e}|(?<=${e}${near(16)})${r}${near(16)}${d}|${r}${near(12)}${e}${near(16)}${d}`;
    yield { vector: "710", stems: stemsFrom(rules), pattern: around };
    if (all === undefined) continue;
    yield { vector: "710", stems: stemsFrom(crossed(rules, earlier)), pattern: around };
    yield {
      vector: "710",
      stems: stemsFrom(crossed(earlier, ["", ...all], rules)),
      pattern: `${e}${near(10)}${r}${near(16)}${d}`,
    };
  }
  const [d, e, r] = [any(HAN_DROP), any(HAN_EARLIER), any(HAN_RULES)];
  const earlierNext = `${d}${near(4)}${e}${near(10)}${r}`;
  for (const drop of HAN_DROP) {
    const stems = [
      ...lengthened(crossed([drop], HAN_EARLIER), [...HAN_NEXT]),
      ...crossed([drop], [...HAN_ALL, "你", "了"], HAN_EARLIER),
    ];
    yield { vector: "710", stems: stemsFrom(stems), pattern: earlierNext };
  }
  yield {
    vector: "710",
    stems: stemsFrom(crossed(HAN_DROP, [...HAN_ALL, "你的"], HAN_RULES)),
    pattern: `${d}${near(6)}${r}`,
  };
  const particles = ["を", "は", "に", "、"];
  yield {
    vector: "710",
    stems: stemsFrom(lengthened(crossed(JAPANESE_EARLIER, JAPANESE_ALL, JAPANESE_RULES), particles)),
    pattern: `${any(JAPANESE_EARLIER)}${near(6)}${any(JAPANESE_RULES)}${near(8)}${any(JAPANESE_DROP)}`,
  };
  yield {
    vector: "710",
    stems: stemsFrom(lengthened(crossed(KOREAN_EARLIER, KOREAN_ALL, KOREAN_RULES), ["를", "을", "은", "사"])),
    pattern: `${any(KOREAN_EARLIER)}${near(6)}${any(KOREAN_RULES)}${near(8)}${any(KOREAN_DROP)}`,
  };
}
