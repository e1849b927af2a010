/** IP addresses and networks. One text, one address: every spelling with a second reading is refused. */

export interface Ip {
  readonly family: 4 | 6;
  /** Network order, 4 or 16 bytes. */
  readonly bytes: Uint8Array;
}

export interface Cidr {
  /** The network address: host bits are zero. */
  readonly ip: Ip;
  readonly prefix: number;
  /** Canonical `address/prefix`. */
  readonly text: string;
}

/** Longest text of an address: eight full groups, the last two as a dotted quad. */
const MAX_TEXT = 45;

/**
 * Strict dotted quad (four decimals without leading zeros) or RFC 4291 text, without brackets and without a zone id;
 * null for anything else.
 */
export function parseIp(text: string): Ip | null {
  if (text.length > MAX_TEXT) return null;
  if (text.indexOf(":") === -1) {
    const bytes = new Uint8Array(4);
    return readQuad({ text, start: 0, end: text.length }, bytes, 0) ? { family: 4, bytes } : null;
  }
  const bytes = new Uint8Array(16);
  return readSix(text, bytes) ? { family: 6, bytes } : null;
}

/** RFC 5952 text; a v4-mapped address is printed as the IPv4 address it stands for. */
export function formatIp(ip: Ip): string {
  const { family, bytes } = unmap(ip);
  if (family === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number));
  const gap = longestZeros(groups);
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return gap.length < 2 ? hex(0, 8) : `${hex(0, gap.start)}::${hex(gap.start + gap.length, 8)}`;
}

/** `address/prefix` or a bare address (a network of one). Host bits are cleared; a v4-mapped network is an IPv4 one. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf("/");
  const parsed = parseIp(slash === -1 ? text : text.slice(0, slash));
  if (parsed === null) return null;
  const width = parsed.family === 4 ? 32 : 128;
  let prefix = width;
  if (slash !== -1) {
    const digits = text.slice(slash + 1);
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(digits)) return null;
    prefix = Number(digits);
    if (prefix > width) return null;
  }
  let ip = parsed;
  if (prefix >= 96) {
    ip = unmap(parsed);
    if (ip !== parsed) prefix -= 96;
  }
  const bytes = Uint8Array.from(ip.bytes);
  for (let i = 0; i < bytes.length; i++) {
    const kept = Math.min(8, Math.max(0, prefix - i * 8));
    bytes[i] = (bytes[i] as number) & (0xff00 >> kept);
  }
  const network: Ip = { family: ip.family, bytes };
  return { ip: network, prefix, text: `${formatIp(network)}/${prefix}` };
}

/** Whether the address lies in the network. A v4-mapped address is compared as the IPv4 address. */
export function inCidr(ip: Ip, cidr: Cidr): boolean {
  const { family, bytes } = unmap(ip);
  const network = cidr.ip.bytes;
  if (family !== cidr.ip.family) return false;
  const whole = cidr.prefix >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== network[i]) return false;
  const rest = cidr.prefix & 7;
  return rest === 0 || (((bytes[whole] as number) ^ (network[whole] as number)) & (0xff00 >> rest) & 0xff) === 0;
}

/** The IPv4 address behind `::ffff:a.b.c.d`; any other address as it is. */
export function unmap(ip: Ip): Ip {
  const { family, bytes } = ip;
  if (family === 4 || bytes[10] !== 0xff || bytes[11] !== 0xff) return ip;
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return ip;
  return { family: 4, bytes: bytes.slice(12) };
}

interface Span {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

function readQuad({ text, start, end }: Span, into: Uint8Array, at: number): boolean {
  let octet = 0;
  let value = 0;
  let digits = 0;
  for (let i = start; i <= end; i++) {
    const digit = i < end ? text.charCodeAt(i) - 48 : -2;
    if (digit >= 0 && digit <= 9) {
      if (digits > 0 && value === 0) return false;
      value = value * 10 + digit;
      digits += 1;
      if (value > 255) return false;
    } else if (digit === -2) {
      // A dot (0x2e is two below "0") or the end closes an octet.
      if (digits === 0 || octet === 4) return false;
      into[at + octet] = value;
      octet += 1;
      value = 0;
      digits = 0;
    } else {
      return false;
    }
  }
  return octet === 4;
}

function readSix(text: string, bytes: Uint8Array): boolean {
  const length = text.length;
  let filled = 0;
  let gap = -1;
  let i = 0;
  if (text.startsWith("::")) {
    gap = 0;
    i = 2;
    if (length === 2) return true;
  }
  while (true) {
    let value = 0;
    const start = i;
    for (; i < length; i++) {
      const digit = hexValue(text.charCodeAt(i));
      if (digit === -1) break;
      value = (value << 4) | digit;
      if (i - start === 4) return false;
    }
    if (text.charCodeAt(i) === 0x2e) {
      if (filled > 12 || !readQuad({ text, start, end: length }, bytes, filled)) return false;
      filled += 4;
      break;
    }
    if (i === start || filled > 14) return false;
    bytes[filled] = value >> 8;
    bytes[filled + 1] = value & 0xff;
    filled += 2;
    if (i === length) break;
    if (text.charCodeAt(i) !== 0x3a) return false;
    i += 1;
    if (text.charCodeAt(i) === 0x3a) {
      if (gap !== -1) return false;
      gap = filled;
      i += 1;
      if (i === length) break;
    }
  }
  if (gap === -1) return filled === 16;
  if (filled > 14) return false;
  bytes.copyWithin(16 - (filled - gap), gap, filled);
  bytes.fill(0, gap, 16 - (filled - gap));
  return true;
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** The first longest run of zero groups (RFC 5952 section 4.2.3). */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}
