/**
 * Hosts and authorities, normalised to the one form every verdict and every dial is computed from. What two programs
 * could read in two ways is refused here, never guessed.
 */
import { formatIp, parseIp } from "./ip.ts";

export interface Authority {
  /** Lower-case A-label name without a trailing dot, or a canonical IP literal without brackets. */
  readonly host: string;
  readonly port: number;
  /** True when `host` is an IP literal. */
  readonly literal: boolean;
}

export interface Host {
  readonly host: string;
  readonly literal: boolean;
}

/** A name of 253 and its dot, brackets, colon and port all fit; bounds the work before it starts. */
const MAX_AUTHORITY = 300;
const MAX_NAME = 253;
const MAX_LABEL = 63;

/**
 * `host`, `host:port`, `[v6]` or `[v6]:port`. Without a port the answer has `defaultPort` (0 says: none was given).
 * Null when invalid or ambiguous: userinfo, an empty or padded port, a bare IPv6 address, what `normalizeHost` refuses.
 */
export function parseAuthority(text: string, defaultPort: number): Authority | null {
  if (text.length === 0 || text.length > MAX_AUTHORITY) return null;
  let end = text.length;
  let port = defaultPort;
  const colon = text.lastIndexOf(":");
  const bracket = text.charCodeAt(0) === 0x5b ? text.indexOf("]") : 0;
  if (bracket === -1) return null;
  if (colon > bracket) {
    port = readPort(text, colon + 1);
    if (port === 0) return null;
    end = colon;
  }
  if (bracket > 0 ? end !== bracket + 1 : text.indexOf(":") < end && colon !== -1) return null;
  const host = normalizeHost(end === text.length ? text : text.slice(0, end));
  return host === null ? null : { host: host.host, port, literal: host.literal };
}

/**
 * A host as one canonical text: lower case, one trailing dot removed, IDNA to A-labels, IPv6 (brackets optional) in
 * RFC 5952 form, v4-mapped as IPv4. Null for percent-encoding, characters outside letters, digits, `-`, `_` and `.`,
 * empty or overlong labels, A-labels that do not round-trip, zone ids, and every spelling of an IPv4 address but the
 * dotted quad (octal, hex, short, dword, trailing dot), because resolvers disagree on those.
 */
export function normalizeHost(text: string): Host | null {
  const length = text.length;
  if (length === 0 || length > MAX_AUTHORITY) return null;
  const first = text.charCodeAt(0);
  if (first === 0x5b || text.indexOf(":") !== -1) {
    const bare = first === 0x5b ? (text.charCodeAt(length - 1) === 0x5d ? text.slice(1, -1) : "") : text;
    const ip = bare.indexOf(":") === -1 ? null : parseIp(bare);
    return ip === null ? null : { host: formatIp(ip), literal: true };
  }
  let upper = false;
  let ascii = true;
  let label = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (i === label || i - label > MAX_LABEL) return null;
      label = i + 1;
    } else if (code >= 0x80) {
      ascii = false;
    } else if (code >= 0x41 && code <= 0x5a) {
      upper = true;
    } else if (!(code >= 0x61 && code <= 0x7a) && !(code >= 0x30 && code <= 0x39) && code !== 0x2d && code !== 0x5f) {
      return null;
    }
  }
  if (!ascii) return fromUnicode(text);
  const dotted = label === length;
  const end = dotted ? length - 1 : length;
  if (end > MAX_NAME || length - label > MAX_LABEL) return null;
  const cut = dotted ? text.slice(0, end) : text;
  const name = upper ? cut.toLowerCase() : cut;
  const last = dotted ? name.lastIndexOf(".") + 1 : label;
  if (endsInNumber(name, last)) {
    return dotted || parseIp(name) === null ? null : { host: name, literal: true };
  }
  if (name.indexOf("xn--") !== -1 && toAscii(name) !== name) return null;
  return { host: name, literal: false };
}

/** Puts host and port together; an IPv6 literal gets its brackets back. A null port is left out. */
export function formatAuthority(host: string, port: number | null): string {
  const shown = host.indexOf(":") === -1 ? host : `[${host}]`;
  return port === null ? shown : `${shown}:${port}`;
}

/** 1–65535 without leading zeros, else 0. */
function readPort(text: string, start: number): number {
  const digits = text.length - start;
  if (digits < 1 || digits > 5 || text.charCodeAt(start) === 0x30) return 0;
  let port = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return 0;
    port = port * 10 + digit;
  }
  return port > 65535 ? 0 : port;
}

/** True when the last label is decimal or 0x-hexadecimal: inet_aton and the URL standard then read an IPv4 address. */
function endsInNumber(name: string, last: number): boolean {
  const first = name.charCodeAt(last);
  if (first < 0x30 || first > 0x39) return false;
  const hex = first === 0x30 && name.charCodeAt(last + 1) === 0x78;
  for (let i = hex ? last + 2 : last; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) continue;
    if (!hex || code < 0x61 || code > 0x66) return false;
  }
  return true;
}

function fromUnicode(text: string): Host | null {
  const ascii = toAscii(text);
  if (ascii === null || ascii.indexOf(":") !== -1) return null;
  const host = normalizeHost(ascii);
  // Digits in other scripts that map to an address are an odd spelling of it.
  return host === null || host.literal ? null : host;
}

/** UTS 46 as the URL parser does it. The caller has refused every ASCII character the parser would act on. */
function toAscii(name: string): string | null {
  const url = URL.parse(`https://${name}/`);
  return url === null || url.hostname === "" ? null : url.hostname;
}
