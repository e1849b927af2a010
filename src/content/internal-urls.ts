/**
 * URLs in a text (a tool's argument, a JSON string) that lead inside: to this machine, a private network or a cloud's
 * metadata. Whoever will fetch them is not known, so every spelling that any client would take for such an address
 * counts: what one reads as a name, another reads as octal.
 */
import type { Finding, Severity } from "../model/finding.ts";
import { type AddressClass, classifyAddress, classifyName, METADATA } from "../wire/address-class.ts";
import { type Ip, parseIp } from "../wire/ip.ts";

export interface InternalUrl {
  /** In the text, from the scheme to the end of the authority; UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly found: AddressClass;
}

/** Addresses that are merely odd (documentation, benchmarks, reserved) lead nowhere. */
const INTERNAL: ReadonlySet<AddressClass> = new Set([
  "cgnat",
  "site_local",
  "ula",
  "private",
  "link_local",
  "unspecified",
  "loopback",
  "metadata",
]);
const MAX_FOUND = 64;
const MAX_AUTHORITY = 512;
/** What follows a scheme, also as a client reads it (`http:/\\host`) and percent-encoded. */
const SLASHES = /(?::|%3a)(?:[/\\]|%2f|%5c){1,8}/gi;
/** In front of it. Not at the beginning of a word only: an escape that was not undone may end there. */
const SCHEME = /(?:https?|wss?|ftp|gopher|dict|ldap|redis|tftp|sftp|s3|git|jar|url|netdoc)$/i;
const LONGEST_SCHEME = 6;
/** A host may not be told from the text after it by its letters alone: what is no letter of any script, digit or `.-_:[]@%` ends it. */
const END = /[\s"'<>`{}|^,;)(*!/?#\\]/u;
/** A bare address of a metadata service is asked for without a scheme too. */
const BARE = new RegExp(
  `(?<![\\w.:-])(?:${[...METADATA.networks.map(bareAddress), ...METADATA.names.map(escaped)].join("|")})(?![\\w.:-])`,
  "gi",
);

/** At most 64, in the order of the text; one of a metadata service is among them when the text has one. Linear. */
export function findInternalUrls(text: string): InternalUrl[] {
  const found: InternalUrl[] = [];
  if (text.length < 6) return found;
  SLASHES.lastIndex = 0;
  for (let match = SLASHES.exec(text); match !== null; match = SLASHES.exec(text)) {
    const scheme = SCHEME.exec(text.slice(Math.max(0, match.index - LONGEST_SCHEME), match.index));
    if (scheme === null) continue;
    const start = match.index - scheme[0].length;
    const { end, authority } = authorityAt(text, match.index + match[0].length);
    const worst = classifyAuthority(authority);
    if (worst !== null) note(found, { start, end, found: worst });
  }
  findBare(text, found);
  return found.sort((one, other) => one.start - other.start);
}

/** The worst is not left out because there was much before it. */
function note(found: InternalUrl[], url: InternalUrl): void {
  if (found.length < MAX_FOUND) found.push(url);
  else if (url.found === "metadata" && !found.some((other) => other.found === "metadata")) found[MAX_FOUND - 1] = url;
}

function findBare(text: string, found: InternalUrl[]): void {
  BARE.lastIndex = 0;
  for (let match = BARE.exec(text); match !== null; match = BARE.exec(text)) {
    const { index } = match;
    if (!found.some(({ start, end }) => start <= index && index < end)) {
      note(found, { start: index, end: index + match[0].length, found: "metadata" });
    }
  }
}

function escaped(text: string): string {
  return text.replaceAll(".", "\\.");
}

/** An address of its own, or any of a network (`fd00:ec2::/32`) as it is written without leading zeros. */
function bareAddress(network: string): string {
  const [address = "", length] = network.split("/");
  if (length === (address.includes(":") ? "128" : "32")) return escaped(address);
  return `${address.replace(/:+$/, "")}:[0-9a-f:]{1,30}`;
}

/** As findings; `where`, and the byte ranges of it, are the caller's to say. */
export function internalUrlFinding(
  { found }: InternalUrl,
  place: { readonly where: string; readonly start: number; readonly end: number },
): Finding {
  // A developer's agent speaks of its own machine all day; nobody but an attacker speaks of metadata.
  const severity: Severity = found === "metadata" ? "critical" : found === "link_local" ? "high" : "medium";
  return {
    pillar: "128",
    vector: "ssrf_url",
    name: `internal-url-${found.replace("_", "-")}`,
    severity,
    view: "plain",
    ...place,
    reason: `a URL leads to an address that is ${found.replace("_", "-")}`,
  };
}

function authorityAt(text: string, from: number): { end: number; authority: string } {
  let end = from;
  const last = Math.min(text.length, from + MAX_AUTHORITY);
  while (end < last && !END.test(text[end] as string)) end += 1;
  return { end, authority: text.slice(from, end) };
}

/** The worst that any reader makes of it: what is behind the last `@`, what is before it, with and without a port. */
function classifyAuthority(authority: string): AddressClass | null {
  const plain = undone(authority);
  if (plain.length === 0) return null;
  const candidates = [plain.slice(plain.lastIndexOf("@") + 1)];
  // Readers differ on where the name ends: some go by the first `@`, some by a slash that was percent-encoded.
  if (/[@#\\/?]/.test(plain)) for (const piece of plain.split(/[@#\\/?]/, 8)) candidates.push(piece);
  let worst: AddressClass | null = null;
  for (const candidate of candidates) {
    const found = classifyHost(withoutPort(candidate));
    if (found === null || !INTERNAL.has(found)) continue;
    if (worst === null || found === "metadata") worst = found;
  }
  return worst;
}

/** Percent-encoding undone twice, compatible characters as the plain ones, those that show nothing left out. */
function undone(text: string): string {
  let plain = text;
  for (let i = 0; i < 2 && plain.includes("%"); i++) {
    const decoded = plain.replace(/%[0-9A-Fa-f]{2}/g, (triple) =>
      String.fromCharCode(Number.parseInt(triple.slice(1), 16)),
    );
    if (decoded === plain) break;
    plain = decoded;
  }
  if (/[^\x20-\x7e]/.test(plain)) {
    plain = plain
      .normalize("NFKC")
      .replace(/[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Mn}]/gu, "")
      .replace(/[。．｡]/g, ".");
  }
  return plain.toLowerCase();
}

function withoutPort(host: string): string {
  if (host.startsWith("[")) {
    const close = host.indexOf("]");
    return close === -1 ? host.slice(1) : host.slice(1, close);
  }
  const colon = host.indexOf(":");
  // Two colons and no bracket: an IPv6 address as some write it.
  return colon !== -1 && host.indexOf(":", colon + 1) === -1 ? host.slice(0, colon) : host;
}

function classifyHost(host: string): AddressClass | null {
  const name = host.replace(/\.+$/, "").replace(/%.*$/, "");
  if (name === "") return null;
  if (name.includes(":")) {
    const ip = parseIp(name);
    return ip === null ? null : classifyAddress(ip);
  }
  const quad = readLoose(name);
  if (quad !== null) return classifyAddress(quad);
  // Names that carry the address in them: 10-0-0-1.nip.io is what it says.
  const carried = /(?:^|[.-])(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})\.(?:nip|sslip|xip)\.(?:io|name)$/.exec(
    name,
  );
  if (carried !== null) {
    const ip = parseIp(carried.slice(1, 5).map(Number).join("."));
    return ip === null ? null : classifyAddress(ip);
  }
  return classifyName(name);
}

/** IPv4 as `inet_aton` reads it: one to four parts, decimal, octal or hexadecimal, the last one as long as it likes. */
function readLoose(text: string): Ip | null {
  const parts = text.split(".");
  if (parts.length > 4) return null;
  const numbers: number[] = [];
  for (const part of parts) {
    const number = readPart(part);
    if (number === -1) return null;
    numbers.push(number);
  }
  const last = numbers.pop() as number;
  if (numbers.some((each) => each > 255) || last >= 256 ** (4 - numbers.length)) return null;
  let value = last;
  for (const [i, each] of numbers.entries()) value += each * 256 ** (3 - i);
  return { family: 4, bytes: Uint8Array.of(value / 2 ** 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255) };
}

function readPart(text: string): number {
  if (text.length === 0 || text.length > 40) return -1;
  if (/^0x[0-9a-f]*$/.test(text)) return text.length === 2 ? 0 : Number(text);
  if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8);
  return /^\d+$/.test(text) ? Number(text) : -1;
}
