/** Paths as evidence may name them. */
import { looksSecret } from "./credential.ts";

const REDACTED = "[redacted]";

/** No credential is shorter; segments below this are not looked at. */
const MIN_SECRET = 15;
const BOT_TOKEN = /^bot\d{5,16}(?::|%3[aA])[\w-]{20,}/;

/**
 * The path of an origin-form target: no query, no fragment, and every segment that looks like a credential (a vendor's
 * key, a JWT, a bot token, a long random string) replaced. Ordinary paths cost one scan.
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
    .map((segment) => (segment.length >= MIN_SECRET && isSecret(segment) ? REDACTED : segment))
    .join("/");
}

function isSecret(segment: string): boolean {
  if (BOT_TOKEN.test(segment)) return true;
  const text = segment.includes("%") ? decoded(segment) : segment;
  if (BOT_TOKEN.test(text)) return true;
  // Matrix parameters and `name=value`, `name:value` inside a segment.
  for (const part of text.split(/[;=,:@]/, 64)) if (looksSecret(part)) return true;
  return false;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
