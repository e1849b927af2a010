import type { Egress, HeldBody } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import { isOverrideField, overridesIn } from "../wire/methods.ts";
import { queryIn } from "../wire/target.ts";
import { percentDecoded } from "./credential-fields.ts";
import { contentCodings } from "./decode.ts";

/**
 * True when a request can at most read: GET or HEAD, nothing in its body, no other protocol behind it. What a tunnel will
 * carry nobody knows, so it is none.
 */
export function isPlainRead(egress: Egress, held: HeldBody | null): boolean {
  const { phase, method, upgrade, conflict } = egress;
  if (phase !== "request" || (method !== "GET" && method !== "HEAD")) return false;
  if (upgrade !== null || conflict !== null) return false;
  if (held !== null && (held.bytes.length > 0 || held.trailers !== null)) return false;
  // Asked for last: the list of fields is made when it is first looked at, and of most requests nothing needs it.
  return !overridesMethod(egress.headers, egress.path);
}

/** A field, or the parameter `_method`, by which some servers take the method for another one. */
export function overridesMethod(headers: HeaderList, path: string): boolean {
  for (let i = 0; i + 1 < headers.length; i += 2) if (isOverrideField(headers[i] as string)) return true;
  const query = queryIn(path);
  if (query === null) return false;
  return overridesIn(query).length > 0 || /(?:^|[?&;])_method=/i.test(percentDecoded(query));
}

/** What of a body is looked through in one go: some milliseconds at most. */
const MAX_OVERRIDING = 256 * 1024;

/**
 * As `overridesMethod`, of the whole request: forms, multipart and JSON name a method too. Also true of a body that cannot
 * be looked through here, because it is compressed or longer than 256 KiB.
 */
export function mayOverrideMethod(egress: Egress, held: HeldBody | null): boolean {
  const { headers, path, coded } = egress;
  if (overridesMethod(headers, path)) return true;
  if (held === null || held.bytes.length === 0) return false;
  if (held.bytes.length > MAX_OVERRIDING) return true;
  if (coded) {
    const codings = contentCodings(headers);
    if (!Array.isArray(codings) || codings.length > 0) return true;
  }
  return namesMethod(held.bytes);
}

const NAME = [0x6d, 0x65, 0x74, 0x68, 0x6f, 0x64] as const;

/**
 * `_method`, or `.method` as PHP renames it, in any case, as the whole name of a field: not `get_method`, not
 * `list[0].method`. What a form or JSON writes as an escape is read as what it stands for, zeros of UTF-16 are left out.
 */
function namesMethod(bytes: Uint8Array): boolean {
  // Letters of the name that stand behind its first mark; -1: not even that.
  let seen = -1;
  let before = 0;
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at] as number;
    if (byte === 0) continue;
    if (byte === 0x25 || byte === 0x5c) {
      const digits = byte === 0x25 ? at + 1 : escapeAt(bytes, at);
      const code = digits === -1 ? -1 : hexPair(bytes, digits);
      if (code >= 0) {
        byte = code;
        at = digits + 1;
      }
    }
    if (byte >= 0x41 && byte <= 0x5a) byte += 0x20;
    if (seen === NAME.length && !isWord(byte)) return true;
    if (seen >= 0 && seen < NAME.length && byte === NAME[seen]) seen += 1;
    else seen = (byte === 0x5f || byte === 0x2e) && !isWord(before) && before !== 0x29 && before !== 0x5d ? 0 : -1;
    before = byte;
  }
  return seen === NAME.length;
}

/** Where the last two digits of `\u00xx` stand; -1 when it is none. */
function escapeAt(bytes: Uint8Array, at: number): number {
  return bytes[at + 1] === 0x75 && bytes[at + 2] === 0x30 && bytes[at + 3] === 0x30 ? at + 4 : -1;
}

function hexPair(bytes: Uint8Array, at: number): number {
  const high = hexDigit(bytes[at]);
  const low = hexDigit(bytes[at + 1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Of a letter in lower case. */
function isWord(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f;
}
