/** Hosts and addresses against other readers: the URL parser, inet_pton, big integers for networks. */
import { isIPv6 } from "node:net";
import { formatAuthority, normalizeHost, parseAuthority } from "../../src/wire/authority.ts";
import { formatIp, inCidr, parseCidr, parseIp, unmap } from "../../src/wire/ip.ts";
import { demand, type Random } from "./random.ts";

const PIECES = [
  ...[
    "a",
    "Z",
    "example",
    "test",
    "xn--",
    "xn--bcher-kva",
    "-",
    "_",
    ".",
    ".",
    ".",
    ":",
    ":",
    "::",
    "[",
    "]",
    "@",
    "%41",
  ],
  ...[
    "%",
    "/",
    "\\",
    "#",
    "?",
    " ",
    "\t",
    "\0",
    "0",
    "1",
    "127",
    "255",
    "256",
    "08",
    "0x7f",
    "0x",
    "ffff",
    "::ffff:",
    "fe80",
  ],
  ...[
    "80",
    "443",
    "65536",
    "0.0",
    "1.2.3.4",
    "169.254.169.254",
    "b\xfccher",
    "ß",
    "①②⑦",
    "。",
    "\u00ad",
    "．",
    "e1",
    "localhost",
  ],
];
const SIX = ["0", "1", "ffff", "a", "00ab", "12345", ":", ":", ":", ":", "::", "1.2.3.4", ".", "01", "G"];

/** True when the text was read as an authority. */
export function checkAuthority(random: Random): boolean {
  checkSix(random);
  checkNetwork(random);
  let text = "";
  for (let left = 1 + random.below(7); left > 0; left--) text += random.pick(PIECES);
  const usual = random.pick([0, 80, 443]);
  const read = parseAuthority(text, usual);
  const alone = normalizeHost(text);
  if (alone !== null) {
    const again = normalizeHost(alone.host);
    demand(again?.host === alone.host && again.literal === alone.literal, "normalising twice changes a host", text);
  }
  if (read === null) return false;
  const { host, port, literal } = read;
  const again = parseAuthority(formatAuthority(host, port === 0 ? null : port), 0);
  demand(again?.host === host && again.port === port && again.literal === literal, "no round trip", text);
  demand(literal === (parseIp(host) !== null), "literal and address disagree", text);
  demand(literal || /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(host), "a host that is not canonical", text);
  const url = URL.parse(`http://${text}/`);
  // WebKit's parser, which Bun has, takes digits that overflow an address for one even when letters follow.
  if (url === null && /(?:^|\.)(?:\d{9}|0x[0-9a-f]{8})/.test(host)) return true;
  demand(url !== null && url.username === "" && url.pathname === "/", "accepted what no URL has", text);
  const other = (url as URL).hostname;
  const theirs = literal ? parseIp(other.replace(/^\[|\]$/g, "")) : null;
  const shown = theirs === null ? other.replace(/\.$/, "") : formatIp(theirs);
  demand(shown === host, `the URL parser reads ${other}`, text);
  const said = (url as URL).port === "" ? 80 : Number((url as URL).port);
  demand(port === said || (port === usual && said === 80), "the URL parser reads another port", text);
  return true;
}

function checkSix(random: Random): void {
  let text = "";
  for (let left = 1 + random.below(15); left > 0; left--) text += random.pick(SIX);
  if (!text.includes(":")) return;
  const ip = parseIp(text);
  demand((ip !== null) === isIPv6(text), "inet_pton disagrees on an IPv6 address", text);
  if (ip === null) return;
  // WebKit's URL parser, which Bun has, is the one for the canonical text but refuses some valid addresses.
  const url = URL.parse(`http://[${text}]/`);
  if (url === null) return;
  const mapped = unmap(ip) !== ip;
  if (!mapped) demand(url.hostname === `[${formatIp(ip)}]`, "another canonical text", text);
  const again = parseIp(formatIp(ip));
  demand(again !== null && formatIp(again) === formatIp(ip), "no round trip", text);
}

function checkNetwork(random: Random): void {
  const width = random.once(2) ? 32 : 128;
  const numbers = Array.from({ length: width / 16 }, () => (random.once(3) ? 0 : random.below(65536)));
  const prefix = random.below(width + 1);
  const near = numbers.slice();
  if (random.once(2)) near[random.below(near.length)] = random.below(65536);
  const cidr = parseCidr(`${addressText(numbers)}/${prefix}`);
  const ip = parseIp(addressText(near));
  const shift = BigInt(width - prefix);
  const claim = `${addressText(near)} in ${addressText(numbers)}/${prefix}`;
  demand(cidr !== null && ip !== null, "a plain network was refused", claim);
  if (cidr === null || ip === null) return;
  demand(inCidr(ip, cidr) === (value(near) >> shift === value(numbers) >> shift), "membership is wrong", claim);
  const again = parseCidr(cidr.text);
  demand(again?.text === cidr.text, "no round trip of a network", claim);
}

function addressText(groups: readonly number[]): string {
  if (groups.length === 2) return groups.map((group) => `${group >> 8}.${group & 255}`).join(".");
  return groups.map((group) => group.toString(16)).join(":");
}

function value(groups: readonly number[]): bigint {
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
}
