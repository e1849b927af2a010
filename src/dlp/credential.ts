/** Telling credentials by their looks: vendors' prefixes, and strings too random to be words. */

/**
 * Longer prefixes before the shorter ones they start with. Null: a key, but several issue such keys (many a server that
 * speaks OpenAI's dialect hands out `sk-…` of its own).
 */
const PREFIXES: readonly (readonly [prefix: string, issuer: string | null])[] = [
  ["sk-ant-", "anthropic"],
  ["sk-or-", "openrouter"],
  ["sk-proj-", "openai"],
  ["sk-svcacct-", "openai"],
  ["sk-admin-", "openai"],
  ["sk-", null],
  ["sk_live_", "stripe"],
  ["sk_test_", "stripe"],
  ["rk_live_", "stripe"],
  ["pk_live_", "stripe"],
  ["whsec_", "stripe"],
  ["github_pat_", "github"],
  ["ghp_", "github"],
  ["gho_", "github"],
  ["ghu_", "github"],
  ["ghs_", "github"],
  ["ghr_", "github"],
  ["glpat-", "gitlab"],
  ["AKIA", "aws"],
  ["ASIA", "aws"],
  ["AIza", "google"],
  ["ya29.", "google"],
  ["xox", "slack"],
  ["xapp-", "slack"],
  ["hf_", "huggingface"],
  ["gsk_", "groq"],
  ["xai-", "xai"],
  ["pplx-", "perplexity"],
  ["r8_", "replicate"],
  ["npm_", "npm"],
  ["pypi-", "pypi"],
  ["SG.", "sendgrid"],
  ["key-", "mailgun"],
  ["shpat_", "shopify"],
  ["dop_v1_", "digitalocean"],
  ["lin_api_", "linear"],
  ["eyJ", "jwt"],
];

/** First characters of the prefixes: most strings are told by one look that they have none. */
const INITIALS = new Set(PREFIXES.map(([prefix]) => prefix.charCodeAt(0)));
const MIN_TAIL = 12;

/** In the middle of every key that OpenAI made before keys said what they belong to. */
const OPENAI_MARK = "T3BlbkFJ";

/** Who issued a token, by its prefix; null when it has none of the known, or one that is not one issuer's. */
export function issuerOf(token: string): string | null {
  const row = rowOf(token);
  if (row === null) return null;
  return row[1] ?? (token.includes(OPENAI_MARK) ? "openai" : null);
}

function rowOf(token: string): (typeof PREFIXES)[number] | null {
  if (!INITIALS.has(token.charCodeAt(0))) return null;
  for (const row of PREFIXES)
    if (token.startsWith(row[0])) return token.length >= row[0].length + MIN_TAIL ? row : null;
  return null;
}

const UUID = /^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/;
const MIN_RANDOM = 20;
const BITS_PER_CHARACTER = 3.2;

/** True for a run of 20 or more letters and digits that no one would type: mixed, and spread over the alphabet. */
function looksRandom(text: string): boolean {
  if (text.length < MIN_RANDOM || UUID.test(text)) return false;
  for (const run of text.split(/[^A-Za-z0-9]+/, 64)) {
    if (run.length < MIN_RANDOM || !/[0-9]/.test(run) || !/[A-Za-z]/.test(run)) continue;
    if (entropy(run) >= BITS_PER_CHARACTER) return true;
  }
  return false;
}

/** Something in the text that has a known issuer or looks random. */
export function looksSecret(text: string): boolean {
  return rowOf(text) !== null || looksRandom(text);
}

function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
