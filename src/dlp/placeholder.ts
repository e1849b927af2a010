/** Telling examples from secrets. */

const WORDS =
  /example|xxxx|\*\*\*|\.\.\.|your|placeholder|change.?me|dummy|sample|redacted|insert|replace|enter|some[-_ ]|here$|<|\$\{|\{\{|\$\(|%\(|todo|foobar|deadbeef|abcdef123|lorem/i;

/**
 * True for what stands in a text in place of a secret: words that say so, templates and variables, runs of one character,
 * the alphabet or the digits in order, few different characters. `text`: without a vendor's prefix.
 */
export function isPlaceholder(text: string): boolean {
  const { length } = text;
  if (length === 0) return true;
  let different = 0;
  let steps = 0;
  let same = 1;
  let longest = 1;
  stamp++;
  for (let i = 0; i < length; i++) {
    const code = (text.charCodeAt(i) | 0x20) & 255;
    if (seen[code] !== stamp) {
      seen[code] = stamp;
      different++;
    }
    if (i === 0) continue;
    const step = code - ((text.charCodeAt(i - 1) | 0x20) & 255);
    if (step === 1 || step === -1) steps++;
    same = step === 0 ? same + 1 : 1;
    if (same > longest) longest = same;
  }
  if (longest >= 6 && longest * 4 >= length) return true;
  if (length >= 10 && steps * 2 >= length) return true;
  return different < Math.min(7, Math.ceil(length / 3)) || WORDS.test(text);
}

/** Which text a character was last seen in: made once, so that nothing is cleared. */
const seen = new Uint32Array(256);
let stamp = 0;
const counts = new Uint16Array(256);

/** Bits a character by the text's own frequencies. For texts of up to 4096 characters. */
export function entropy(text: string): number {
  const { length } = text;
  counts.fill(0);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i) & 255;
    counts[code] = (counts[code] as number) + 1;
  }
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / length) * Math.log2(count / length);
  return bits;
}
