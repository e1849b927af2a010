/** Telling examples from secrets. */

const WORDS =
  /example|xxxx|\*\*\*|\.\.\.|your|placeholder|change.?me|dummy|sample|redacted|insert|replace|enter|some[-_ ]|here$|<|\$\{|\{\{|\$\(|%\(|todo|foobar|deadbeef|abcdef123|lorem/i;

/**
 * True for what stands in a text in place of a secret: words that say so, templates and variables, runs of one character,
 * the alphabet or the digits in order, few different characters. `text`: without a vendor's prefix.
 */
export function isPlaceholder(text: string): boolean {
  if (WORDS.test(text)) return true;
  const { length } = text;
  if (length === 0) return true;
  const seen = new Set<number>();
  let steps = 0;
  let same = 1;
  let longest = 1;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i) | 0x20;
    seen.add(code);
    if (i === 0) continue;
    const step = code - (text.charCodeAt(i - 1) | 0x20);
    if (step === 1 || step === -1) steps++;
    same = step === 0 ? same + 1 : 1;
    if (same > longest) longest = same;
  }
  if (longest >= 6 && longest * 4 >= length) return true;
  if (length >= 10 && steps * 2 >= length) return true;
  return seen.size < Math.min(7, Math.ceil(length / 3));
}

/** Bits a character by the text's own frequencies. */
export function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
