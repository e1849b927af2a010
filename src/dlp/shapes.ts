/** Keys that begin with nothing of their own: told by how long runs of letters are put together. */
import { ALNUM, beginsAt, DIGIT, KIND, latin1, WORD } from "./bytes.ts";
import { isPlaceholder } from "./placeholder.ts";
import { type Rule, secretRule } from "./rule.ts";
import type { Sink } from "./sink.ts";

const TELEGRAM = secretRule("telegram-bot-token", "telegram", "what looks like a credential of telegram (bot token)");
const FACEBOOK = secretRule("facebook-app-token", "facebook", "what looks like a credential of facebook (app token)");
const DISCORD = secretRule("discord-bot-token", "discord", "what looks like a credential of discord (bot token)");

/** Of what is told here. */
export const SHAPE_RULES: readonly Rule[] = [TELEGRAM, FACEBOOK, DISCORD];

const DOT = 0x2e;

/** A run of token characters from `start` to `end`. */
export function shapeAt(bytes: Uint8Array, start: number, end: number, sink: Sink): void {
  const before = bytes[start - 1];
  if (before === 0x3a && bytes[start] === 0x41)
    numbered(bytes, start, end, { rule: TELEGRAM, least: 7, most: 12, min: 34, max: 36 }, sink);
  else if (before === 0x7c)
    numbered(bytes, start, end, { rule: FACEBOOK, least: 14, most: 17, min: 26, max: 28 }, sink);
  else if (end - start >= 57 && end - start <= 80) discord(bytes, start, end, sink);
}

interface Numbered {
  readonly rule: Rule;
  /** Digits before the sign. */
  readonly least: number;
  readonly most: number;
  /** Characters behind it. */
  readonly min: number;
  readonly max: number;
}

function numbered(
  bytes: Uint8Array,
  start: number,
  end: number,
  { rule, least, most, min, max }: Numbered,
  sink: Sink,
): void {
  const length = end - start;
  if (length < min || length > max) return;
  let from = start - 1;
  while (from > 0 && start - from <= most + 2 && ((KIND[bytes[from - 1] as number] as number) & DIGIT) !== 0) from--;
  const digits = start - 1 - from;
  const letter = (KIND[bytes[from - 1] ?? 0] as number) & ALNUM;
  if (
    digits < least ||
    digits > most ||
    (letter !== 0 && !beginsAt(bytes, from) && latin1(bytes, from - 3, from) !== "bot")
  )
    return;
  if (!isPlaceholder(bytes, start, end)) sink.add(rule, from, end, "high");
}

/** A name in base64 that begins with M, N or O, six characters of time, and the signature. */
function discord(bytes: Uint8Array, start: number, end: number, sink: Sink): void {
  const first = bytes[start] as number;
  if (first < 0x4d || first > 0x4f) return;
  const name = wordEnd(bytes, start, end);
  const time = wordEnd(bytes, name + 1, end);
  const signature = end - time - 1;
  if (name - start < 23 || name - start > 28 || time - name - 1 !== 6 || signature < 27 || signature > 40) return;
  if (bytes[name] !== DOT || bytes[time] !== DOT || wordEnd(bytes, time + 1, end) !== end) return;
  sink.add(DISCORD, start, end, "high");
}

function wordEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && ((KIND[bytes[at] as number] as number) & WORD) !== 0) at++;
  return at;
}
