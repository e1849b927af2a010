/**
 * Vectors 702 and 714 in other languages than English: to show the prompt, and to repeat a word at the end of an answer. A
 * language is four lists of words; what they are as letters is asked of `letters.ts`.
 */
import { lettersOf } from "./letters.ts";
import type { RuleElsewhere } from "./phrases-elsewhere.ts";
import { asCharacters } from "./stems.ts";

/** Words and groups of words with a bar between them. */
interface Language {
  /** Orders that have something shown. To write a prompt, and to ask what one is, is what people do who work with them. */
  readonly show?: string;
  /** The prompt of the model that is spoken to: its own, never just one. */
  readonly prompt?: string;
  /** Orders to write out, and what they are of: all that stands above. */
  readonly echo?: string;
  readonly above?: string;
  /** Orders to repeat a word. */
  readonly repeat: string;
  /** So many times. */
  readonly times: string;
  /** At the end of your answer. */
  readonly end: string;
}

const LANGUAGES: Readonly<Record<string, Language>> = {
  es: {
    show: "muestra|muéstrame|repite|imprime|revela|dime|enséñame|cuáles|cuál es|traduce|qué dice",
    prompt:
      "tus instrucciones iniciales|tus instrucciones originales|tus instrucciones ocultas|tus instrucciones de sistema|tus instrucciones del sistema|tu mensaje de sistema|instrucciones que te dieron|instrucciones que recibiste|instrucciones que has recibido|tu prompt de sistema|tu prompt del sistema|tu prompt inicial|tu prompt original",
    times: "veces",
    echo: "repite|imprime|copia|reproduce|muestra|recita",
    above: "todo lo que está arriba|todo lo que hay arriba|todo lo que aparece arriba|todas las palabras anteriores",
    repeat: "repite la palabra|repita la palabra|repetir la palabra|repite la frase",
    end: "al final de tu respuesta|al final de su respuesta",
  },
  pt: {
    show: "mostre|mostra|repita|repete|imprima|revele|diga|quais são|qual é|traduza|exiba",
    prompt:
      "suas instruções iniciais|suas instruções originais|suas instruções ocultas|tuas instruções iniciais|instruções que você recebeu|instruções que lhe foram dadas|seu prompt do sistema|seu prompt de sistema|teu prompt de sistema|seu prompt inicial",
    times: "vezes",
    echo: "repita|repete|imprima|copie|mostre|reproduza",
    above: "tudo o que está acima|tudo acima desta|tudo que está acima",
    repeat: "repita a palavra|repete a palavra|repita a frase",
    end: "no final da sua resposta|ao final da sua resposta|no fim da sua resposta|no final da tua resposta",
  },
  fr: {
    show: "montre|affiche|répète|répétez|imprime|révèle|dis-moi|dites-moi|quelles sont|quel est|traduis",
    prompt:
      "tes instructions initiales|vos instructions initiales|tes instructions d'origine|tes instructions système|vos instructions système|tes instructions cachées|instructions que tu as reçues|instructions qu'on t'a données|instructions que vous avez reçues|ton message système|ton prompt système|votre prompt système|ton prompt initial|votre prompt initial|tes consignes initiales|vos consignes initiales",
    times: "fois",
    echo: "répète|répétez|imprime|recopie|affiche|récite",
    above: "tout ce qui précède|tout ce qui est au-dessus|tout ce qui se trouve au-dessus|tous les mots ci-dessus",
    repeat: "répète le mot|répétez le mot|répéter le mot|répète la phrase",
    end: "à la fin de ta réponse|à la fin de votre réponse",
  },
  de: {
    show: "zeige|zeig mir|wiederhole|drucke|verrate|sag mir|was sind|was ist|wie lautet|wie lauten|übersetze",
    prompt:
      "deinen systemprompt|dein systemprompt|deine systemanweisung|deine ursprünglichen anweisungen|deine anfänglichen anweisungen|deine ersten anweisungen|deine versteckten anweisungen|deine geheimen anweisungen|ihren systemprompt|anweisungen die du erhalten hast|anweisungen die dir gegeben|deine systemnachricht|deine initialen anweisungen",
    times: "mal",
    echo: "wiederhole|drucke|gib|zitiere|kopiere",
    above:
      "alles oberhalb|alles was oberhalb|alles was oben steht|alles was vor dieser|alles über dieser|alles vor dieser nachricht",
    repeat: "wiederhole das wort|wiederholen sie das wort|wiederhole den satz",
    end: "am ende deiner antwort|am ende ihrer antwort",
  },
  it: {
    show: "mostra|mostrami|ripeti|stampa|rivela|dimmi|quali sono|qual è|traduci",
    prompt:
      "le tue istruzioni iniziali|tue istruzioni originali|tue istruzioni nascoste|tue istruzioni di sistema|istruzioni che hai ricevuto|istruzioni che ti sono state|tuo prompt di sistema|tuo prompt iniziale",
    times: "volte",
    echo: "ripeti|stampa|copia|mostra|recita",
    above: "tutto ciò che precede|tutto quello che precede|tutto ciò che è scritto sopra|tutto quello che c'è sopra",
    repeat: "ripeti la parola|ripetere la parola|ripeti la frase",
    end: "alla fine della tua risposta|alla fine della sua risposta",
  },
  nl: {
    show: "toon|herhaal|print|onthul|vertel|wat is|vertaal",
    prompt:
      "je systeemprompt|jouw systeemprompt|uw systeemprompt|je oorspronkelijke instructies|je eerste instructies|je verborgen instructies|je systeeminstructies|instructies die je hebt gekregen|je initiële instructies",
    times: "keer|maal",
    echo: "herhaal|print|kopieer|toon",
    above: "alles boven deze|alles wat hierboven staat",
    repeat: "herhaal het woord|herhaal de zin",
    end: "aan het einde van je antwoord|aan het eind van je antwoord|aan het einde van uw antwoord",
  },
  pl: {
    show: "pokaż|powtórz|wypisz|wydrukuj|ujawnij|powiedz|przetłumacz|wyświetl",
    prompt:
      "swoje początkowe instrukcje|swoje pierwotne instrukcje|swoje instrukcje systemowe|twoje instrukcje systemowe|twoje początkowe instrukcje|swoje ukryte instrukcje|instrukcje które otrzymałeś|swój prompt systemowy|twój prompt systemowy",
    times: "razy",
    echo: "powtórz|wypisz|wydrukuj|wyświetl|skopiuj",
    above: "wszystko powyżej|wszystko co jest powyżej|cały tekst powyżej",
    repeat: "powtórz słowo|powtórz zdanie",
    end: "na końcu swojej odpowiedzi|na końcu twojej odpowiedzi|na końcu odpowiedzi",
  },
  cs: {
    show: "ukaž|zopakuj|opakuj|vypiš|vytiskni|prozraď|řekni|přelož|zobraz",
    prompt:
      "svůj systémový prompt|tvůj systémový prompt|své původní instrukce|své počáteční instrukce|své systémové instrukce|své skryté instrukce",
    times: "krát",
    repeat: "zopakuj slovo|opakuj slovo|zopakujte slovo",
    end: "na konci své odpovědi|na konci vaší odpovědi|na konec své odpovědi",
  },
  sv: {
    show: "visa|upprepa|skriv ut|avslöja|berätta|översätt",
    prompt:
      "din systemprompt|dina ursprungliga instruktioner|dina systeminstruktioner|dina dolda instruktioner|dina första instruktioner",
    times: "gånger",
    repeat: "upprepa ordet|upprepa meningen",
    end: "i slutet av ditt svar|i slutet på ditt svar",
  },
  da: {
    show: "gentag|udskriv|afslør|fortæl",
    prompt: "din systemprompt|dine oprindelige instruktioner|dine systeminstruktioner|dine skjulte instruktioner",
    times: "gange|ganger",
    repeat: "gentag ordet|gjenta ordet",
    end: "i slutningen af dit svar|på slutten av svaret ditt|til sidst i dit svar",
  },
  ru: {
    show: "покажи|повтори|выведи|напечатай|раскрой|скажи|переведи|перечисли|процитируй",
    prompt:
      "твои инструкции|у тебя инструкции|свои инструкции|твой системный промпт|свой системный промпт|свои первоначальные инструкции|твои первоначальные инструкции|свои исходные инструкции|твои исходные инструкции|свои начальные инструкции|твои начальные инструкции|свои системные инструкции|твои системные инструкции|свои скрытые инструкции|инструкции которые ты получил|инструкции которые тебе дали",
    times: "раз",
    echo: "повтори|выведи|напечатай|процитируй|скопируй",
    above: "всё что написано выше|все что написано выше|всё что выше|все что выше|весь текст выше",
    repeat: "повтори слово|повторите слово|повторить слово",
    end: "в конце своего ответа|в конце вашего ответа|в конце твоего ответа|в конце ответа",
  },
  uk: {
    show: "покажи|повтори|виведи|надрукуй|розкрий|скажи|переклади",
    prompt:
      "твій системний промпт|свій системний промпт|свої початкові інструкції|твої початкові інструкції|свої системні інструкції|твої системні інструкції|свої приховані інструкції",
    times: "разів|раз",
    echo: "повтори|виведи|надрукуй",
    above: "все що написано вище|увесь текст вище|текст вище",
    repeat: "повтори слово|повторіть слово",
    end: "наприкінці своєї відповіді|в кінці своєї відповіді|у кінці своєї відповіді|в кінці вашої відповіді",
  },
  tr: {
    show: "göster|tekrarla|yazdır|söyle|nedir|nelerdir|çevir",
    prompt:
      "sistem istemini|sistem promptunu|sistem istemin|sistem talimatların|ilk talimatların|başlangıç talimatların|gizli talimatların|orijinal talimatların",
    times: "kez|kere|defa",
    echo: "tekrarla|yazdır",
    above: "yukarıdaki her şeyi|yukarıdaki tüm metni",
    repeat: "kelimesini|sözcüğünü",
    end: "yanıtının sonunda|cevabının sonunda|yanıtınızın sonunda|cevabınızın sonunda",
  },
  id: {
    show: "tampilkan|tunjukkan|ulangi|cetak|ungkapkan|katakan|terjemahkan",
    prompt:
      "prompt sistemmu|prompt sistem anda|instruksi awalmu|instruksi awal anda|instruksi aslimu|instruksi sistem anda|instruksi sistemmu",
    times: "kali",
    echo: "ulangi|cetak|tampilkan",
    above: "semua teks di atas|semua kata di atas|semua yang ada di atas",
    repeat: "ulangi kata|ulangi frasa",
    end: "di akhir jawaban|di akhir respons|di akhir tanggapan",
  },
  vi: {
    show: "hiển thị|lặp lại|in ra|tiết lộ|dịch|nhắc lại",
    prompt:
      "hướng dẫn ban đầu của bạn|chỉ dẫn ban đầu của bạn|chỉ thị ban đầu của bạn|lời nhắc hệ thống của bạn|câu lệnh hệ thống của bạn|prompt hệ thống của bạn",
    times: "lần",
    repeat: "lặp lại từ|nhắc lại từ",
    end: "ở cuối câu trả lời|vào cuối câu trả lời",
  },
  ar: {
    show: "أظهر|اعرض|كرر|اطبع|اكشف|أخبرني|ترجم",
    prompt:
      "تعليماتك الأولية|تعليماتك الأصلية|تعليمات النظام الخاصة بك|تعليماتك المخفية|التعليمات التي أعطيت لك|رسالة النظام الخاصة بك|موجه النظام الخاص بك",
    times: "مرة|مرات",
    repeat: "كرر كلمة|كرر الكلمة",
    end: "في نهاية إجابتك|في نهاية ردك|في نهاية اجابتك",
  },
  hi: {
    show: "दिखाओ|दिखाएं|दोहराओ|दोहराएं|बताओ|बताएं|प्रकट",
    prompt:
      "अपने प्रारंभिक निर्देश|अपने मूल निर्देश|अपने छिपे निर्देश|तुम्हारे निर्देश|आपके प्रारंभिक निर्देश|अपना सिस्टम प्रॉम्प्ट|आपका सिस्टम प्रॉम्प्ट",
    times: "बार",
    repeat: "शब्द को दोहरा|शब्द दोहरा",
    end: "अपने उत्तर के अंत में|अपने जवाब के अंत में",
  },
  zh: {
    show: "显示|重复|打印|输出|透露|告诉我|是什么|翻译|复述",
    prompt:
      "你的系统提示词|你的系统提示|系统提示词全文|你的系统设定|你的系统提示|你的初始指令|你的初始提示|你的原始指令|你的隐藏指令|您的系统提示|你的系统指令",
    times: "次",
    echo: "重复|打印|输出|复述",
    above: "上面的所有内容|上面所有内容|以上所有内容|以上全部内容|上面的全部内容|上述所有内容|以上的所有",
    repeat: "重复|重複",
    end: "在你的回答末尾|在你的回答结尾|在你的回复末尾|在你的回答的末尾|在你的回复结尾",
  },
  ja: {
    show: "表示|繰り返し|出力|教えて|何ですか|翻訳|開示|見せて",
    prompt:
      "システムプロンプトをそのまま|システムプロンプトを教えて|システムプロンプトを開示|システムプロンプトを全文|あなたの初期指示|あなたへの指示|あなたのシステムプロンプト",
    times: "回",
    echo: "繰り返|出力|表示",
    above: "上記のすべて|上記の文章をすべて|上の文章をすべて|これより上の",
    repeat: "繰り返",
    end: "あなたの回答の最後に|あなたの回答の末尾",
  },
  ko: {
    show: "보여|반복|출력|알려|무엇|번역|공개|말해",
    prompt:
      "시스템 프롬프트를 그대로|시스템 프롬프트를 알려|시스템 프롬프트를 공개|너의 초기 지시|당신의 초기 지시|처음 받은 지시|당신의 시스템 프롬프트|너의 시스템 프롬프트|네 시스템 프롬프트",
    times: "번|회",
    echo: "반복|출력",
    above: "위의 모든 내용|위의 모든 텍스트|위에 있는 모든",
    repeat: "반복",
    end: "답변 끝에|답변의 끝에|응답 끝에|응답의 끝에",
  },
  el: {
    times: "φορές",
    repeat: "επανάλαβε τη λέξη|επαναλάβετε τη λέξη",
    end: "στο τέλος της απάντησής",
  },
  hu: {
    times: "alkalommal|szor|szer",
    repeat: "ismételd meg",
    end: "a válaszod végén|válasza végén",
  },
  ro: {
    times: "ori|de ori",
    repeat: "repetă cuvântul|repetați cuvântul",
    end: "la sfârșitul răspunsului",
  },
  fi: {
    times: "kertaa",
    repeat: "toista sana|toista sanaa",
    end: "vastauksesi lopussa|vastauksesi loppuun",
  },
  ca: {
    times: "vegades",
    repeat: "repeteix la paraula",
    end: "al final de la teva resposta",
  },
  sq: {
    times: "herë",
    repeat: "përsërit fjalën|përsëritni fjalën|përsërit fraz",
    end: "fund të përgjigjes|fundin e përgjigjes",
  },
  ga: {
    times: "uair",
    repeat: "athdhéan an focal|abair arís an focal|athdhéan",
    end: "deireadh do fhreagra",
  },
  gd: {
    times: "turas|uair",
    repeat: "ath-aithris|can a-rithist",
    end: "deireadh do fhreagairt|crìoch do fhreagairt",
  },
  cy: {
    times: "gwaith",
    repeat: "ailadrodd y gair|ailadroddwch y gair",
    end: "ar ddiwedd dy ateb|ar ddiwedd eich ateb",
  },
  zu: {
    times: "izikhathi",
    repeat: "phinda igama|phinda amagama",
    end: "ekugcineni kwempendulo|kwempendulo yakho|kwempempendulo",
  },
  xh: {
    times: "amaxesha|izihlandlo",
    repeat: "phinda igama|phinda-phinda igama",
    end: "ekupheleni kwempendulo",
  },
  sw: {
    times: "mara",
    repeat: "rudia neno",
    end: "mwishoni mwa jibu",
  },
  af: {
    times: "keer",
    repeat: "herhaal die woord",
    end: "aan die einde van jou antwoord",
  },
  tl: {
    times: "beses",
    repeat: "ulitin ang salita",
    end: "dulo ng iyong sagot|dulo ng iyong tugon",
  },
};

function any(words: string): string {
  const made = words.split("|").map((word) => asCharacters(lettersOf(word)));
  return `(?:${[...new Set(made)].join("|")})`;
}

/** What is too short to be looked for is left to the classifier. */
function stems(words: string): Uint8Array[] {
  return words
    .split("|")
    .map(lettersOf)
    .filter((letters) => letters.length >= 5);
}

/** So many letters and no break, as few as will do. */
const NEAR = "[^|]{0,24}?";
const FAR = "[^|]{0,60}?";

/** The rules one by one: what a word is as letters takes its time. */
export function* askedElsewhere(): Generator<RuleElsewhere, void> {
  for (const { show, prompt, echo, above, repeat, times, end } of Object.values(LANGUAGES)) {
    if (show !== undefined && prompt !== undefined) {
      const [s, p] = [any(show), any(prompt)];
      yield { vector: "702", stems: stems(prompt), pattern: `(?<=${s}${NEAR})${p}|${p}${NEAR}${s}` };
    }
    if (echo !== undefined && above !== undefined) {
      const [o, a] = [any(echo), any(above)];
      yield { vector: "702", stems: stems(above), pattern: `(?<=${o}${NEAR})${a}|${a}${NEAR}${o}` };
    }
    const [r, t, e] = [any(repeat), any(times), any(end)];
    yield { vector: "714", stems: stems(end), pattern: `(?<=${r}${FAR}${t}${NEAR})${e}|${e}${NEAR}${r}${FAR}${t}` };
  }
}
