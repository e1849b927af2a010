/** Credentials in addresses: `scheme://user:password@host`, and connection strings with a password in them. */
import { ascii, KIND, LETTER, latin1 } from "./bytes.ts";
import { isPlaceholder } from "./placeholder.ts";
import { secretRule } from "./rule.ts";
import type { Sink } from "./sink.ts";
import type { Detector } from "./vendor-keys.ts";

const PASSWORD_IN_URL = secretRule("url-password", null, "a password in an address");
const MAX_USERINFO = 512;
/** What ends an authority: `/ ? # " ' < > \` and blanks. */
const ENDS = new Set([0x2f, 0x3f, 0x23, 0x22, 0x27, 0x3c, 0x3e, 0x5c, 0x60, 0x20, 0x09, 0x0a, 0x0d]);
const COLON = 0x3a;
const AT = 0x40;

/** Passwords of documentation and development, which open nothing. */
const KNOWN =
  /^(?:pass(?:word|wd)?|secret|root|admin|postgres|mysql|redis|guest|user(?:name)?|test(?:ing)?|x{2,}|\*+|\.+|pwd|token)$/i;

const MAX_KNOWN = 12;
const TEMPLATE = /%[sd]|\{\w*\}/;
/** What a variable or a template begins with. */
const OPENS = new Uint8Array(256);
for (const byte of ascii("{}$<>()[]")) OPENS[byte] = 1;

export function urls(): Detector[] {
  return [{ literal: ascii("://"), fold: false, next: [], found: userinfo }];
}

function userinfo(bytes: Uint8Array, at: number, sink: Sink): void {
  if (((KIND[bytes[at - 1] ?? 0] as number) & LETTER) === 0) return;
  const from = at + 3;
  const limit = Math.min(bytes.length, from + MAX_USERINFO);
  let sign = -1;
  let end = from;
  for (; end < limit; end++) {
    const byte = bytes[end] as number;
    if (byte === AT) sign = end;
    // A password may hold what ends an authority when nobody escaped it; then a host must still follow.
    else if (ENDS.has(byte) && (byte !== 0x23 || sign !== -1)) break;
  }
  if (end === bytes.length) {
    const password = bytes.indexOf(COLON, from) + 1;
    if (password > 0) sink.opens(password);
  }
  if (sign === -1) return;
  let colon = from;
  while (colon < sign && bytes[colon] !== COLON) colon++;
  const start = colon + 1;
  if (colon === sign || sign - start < 3 || end - sign < 3) return;
  const length = sign - start;
  const placeholder = isPlaceholder(bytes, start, sign);
  if (placeholder && length > 6) return;
  if (OPENS[bytes[start] as number] === 1 || OPENS[bytes[start + 1] as number] === 1) return;
  if (length <= MAX_KNOWN || bytes.subarray(start, sign).some((byte) => byte === 0x25 || byte === 0x7b)) {
    const password = latin1(bytes, start, sign);
    if (KNOWN.test(password) || TEMPLATE.test(password)) return;
  }
  sink.add(PASSWORD_IN_URL, start, sign, length >= 6 ? "high" : "medium");
}
