/** Private keys in PEM, OpenSSH and PGP armour: the whole block, whether its lines are real or escaped. */
import { ascii, KIND, TOKEN } from "./bytes.ts";
import { beginsToStand, standsAt } from "./format.ts";
import { type Rule, secretRule } from "./rule.ts";
import type { Sink } from "./sink.ts";
import type { Detector } from "./vendor-keys.ts";

const RULE: Rule = { ...secretRule("private-key", null, "a private key"), severity: "critical" };
const MAX_LABEL = 48;
const MAX_BLOCK = 32 * 1024;
const MIN_MATERIAL = 40;
const DASHES = ascii("-----");
const END = ascii("-----END ");
const BEGIN = ascii("-----BEGIN ");
const PRIVATE = ascii("PRIVATE KEY");

export function keyBlocks(): Detector[] {
  return [{ literal: BEGIN, fold: false, next: [], held: true, found: block }];
}

function block(bytes: Uint8Array, at: number, sink: Sink): void {
  let head = at + 11;
  while (head < bytes.length && head < at + 11 + MAX_LABEL && bytes[head] !== 0x2d) head++;
  if (head === bytes.length || beginsToStand(bytes, head, DASHES)) sink.opens(at);
  if (!standsAt(bytes, head, DASHES) || !saysPrivate(bytes, at + 11, head)) return;
  const limit = Math.min(bytes.length, head + MAX_BLOCK);
  let material = 0;
  let end = head + 5;
  for (; end < limit; end++) {
    const byte = bytes[end] as number;
    if (byte === 0x2d && standsAt(bytes, end, END)) {
      const close = end + END.length;
      let i = close;
      while (i < bytes.length && i < close + MAX_LABEL && bytes[i] !== 0x2d) i++;
      end = standsAt(bytes, i, DASHES) ? i + 5 : i;
      break;
    }
    if (byte === 0x22 || byte === 0x60 || (byte === 0x2d && standsAt(bytes, end, BEGIN))) break;
    if (((KIND[byte] as number) & TOKEN) !== 0) material++;
  }
  if (end === bytes.length) sink.opens(at);
  if (material >= MIN_MATERIAL) sink.add(RULE, at, end, "high");
}

function saysPrivate(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i + PRIVATE.length <= end; i++) if (standsAt(bytes, i, PRIVATE)) return true;
  return false;
}
