/** Paths as evidence and rules may name them. */
import { looksSecret } from "./credential.ts";

const REDACTED = "[redacted]";
/**
 * Of a secret that stands among what some servers take for slashes: what of it is the secret cannot be told, so no rule can
 * know where it leads, and policy knows no reading of it.
 */
export const REDACTED_UNCLEAR = "[redacted%2F]";

/** No credential is shorter; segments below this are not looked at. */
const MIN_SECRET = 15;
const BOT_TOKEN = /^bot\d{5,16}(?::|%3[aA])[\w-]{20,}/;
/** What parts a segment for some server: matrix parameters, `name=value`, `name:value`; escaped once or more often. */
const MARK = /([;=,:@]|%(?:25)*(?:2[cC]|3[abdABD]|40))/;
/** What is a slash to some server. */
const SLASH = /\\|%(?:25)*(?:2[fF]|5[cC])/;

/**
 * The path of an origin-form target: no query, no fragment, and whatever in a segment looks like a credential (a vendor's
 * key, a JWT, a bot token, a long random string) replaced. What stands around a credential stays: a rule has to see
 * `admin` in `/admin;key=…`. Ordinary paths cost one scan.
 */
export function redactPath(path: string): string {
  let end = path.length;
  let longest = 0;
  let start = 0;
  for (let i = 0; i < end; i++) {
    const code = path.charCodeAt(i);
    if (code === 0x2f) {
      if (i - start > longest) longest = i - start;
      start = i + 1;
    } else if (code === 0x3f || code === 0x23) {
      end = i;
    }
  }
  if (end - start > longest) longest = end - start;
  const plain = end === path.length ? path : path.slice(0, end);
  if (longest < MIN_SECRET) return plain;
  return plain
    .split("/")
    .map((segment) => (segment.length >= MIN_SECRET && isSecret(segment) ? redacted(segment) : segment))
    .join("/");
}

function isSecret(segment: string): boolean {
  if (BOT_TOKEN.test(segment)) return true;
  const text = segment.includes("%") ? decoded(segment) : segment;
  if (BOT_TOKEN.test(text)) return true;
  // Matrix parameters and `name=value`, `name:value` inside a segment.
  for (const part of text.split(/[;=,:@]/)) if (looksSecret(part)) return true;
  return false;
}

/** Of a segment with a secret in it. */
function redacted(segment: string): string {
  const bot = BOT_TOKEN.exec(segment)?.[0] ?? "";
  let told = bot === "" ? "" : REDACTED;
  for (const part of segment.slice(bot.length).split(MARK)) {
    if (part.length < MIN_SECRET || !isSecret(part)) told += part;
    else told += SLASH.test(part) ? REDACTED_UNCLEAR : REDACTED;
  }
  return isSecret(told.replaceAll(REDACTED_UNCLEAR, "").replaceAll(REDACTED, "")) ? REDACTED_UNCLEAR : told;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
