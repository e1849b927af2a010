/** Names that carry data: what is asked of a resolver leaves even when nothing is ever dialled. */
import { entropy } from "./placeholder.ts";

const MIN_RANDOM = 24;
const MIN_BITS = 3.3;
const MANY_LABELS = 8;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Names clouds make for their machines and buckets: random by design, and not of the caller's choosing. */
const MADE_BY_CLOUDS =
  /(?:^|\.)(?:amazonaws\.com|cloudfront\.net|azurewebsites\.net|windows\.net|azurecontainer\.io|run\.app|vercel\.app|netlify\.app|trycloudflare\.com|googleusercontent\.com|ngrok-free\.app)$/;

/**
 * Why the labels of a host look like carried data, or null. `host`: as in `Question`; for names only. The last two labels
 * are the registered name and say nothing.
 */
export function carriesData(host: string): string | null {
  const labels = host.split(".").slice(0, -2);
  if (labels.length === 0 || MADE_BY_CLOUDS.test(host)) return null;
  let random = 0;
  let encoded = 0;
  for (const label of labels) {
    if (UUID.test(label) || label.startsWith("xn--")) continue;
    const text = label.replaceAll("-", "");
    if (isEncoded(text)) encoded += text.length;
    // Words with a short random end are how products are named.
    const longest = label.split("-").reduce((most, part) => (part.length > most.length ? part : most), "");
    if (longest.length >= MIN_RANDOM && /\d/.test(longest) && /[a-z]/.test(longest) && entropy(longest) >= MIN_BITS)
      random++;
  }
  if (random > 0) return "a label of the host is long and random, as when data is carried in names";
  if (encoded >= 32) return "labels of the host spell an encoding, as when data is carried in names";
  const carried = labels.join("").length;
  if (labels.length >= MANY_LABELS && carried >= 60)
    return "the host has as many and as long labels as data carried in names has";
  return null;
}

/** 12 characters or more of hex or base32 that no word is written in. */
function isEncoded(text: string): boolean {
  if (text.length < 12 || !/\d/.test(text)) return false;
  return /^[0-9a-f]+$/.test(text) || (/^[a-z2-7]+$/.test(text) && entropy(text) >= 3);
}

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** What labels say as hex or base32, to be scanned like any text; "" when they say nothing. */
export function decodedLabels(host: string): string {
  const labels = host.split(".").slice(0, -2);
  const hex = labels.filter((label) => /^(?:[0-9a-f]{2})+$/.test(label)).join("");
  let text = "";
  for (let i = 0; i + 1 < hex.length; i += 2) text += String.fromCharCode(Number.parseInt(hex.slice(i, i + 2), 16));
  let bits = 0;
  let value = 0;
  let other = "";
  for (const char of labels.filter((label) => /^[a-z2-7]{8,}$/.test(label)).join("")) {
    value = ((value << 5) | BASE32.indexOf(char)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    other += String.fromCharCode((value >> bits) & 255);
  }
  return `${text}\n${other}`;
}
