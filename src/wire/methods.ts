/** Names of methods, and what servers may take for them. */

const KNOWN: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "QUERY", "PURGE", "LINK"],
  ...["UNLINK", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "ACL", "BIND"],
  ...["UNBIND", "REBIND", "CHECKIN", "CHECKOUT", "UNCHECKOUT", "LABEL", "MERGE", "UPDATE", "VERSION-CONTROL", "PRI"],
  ...["MKACTIVITY", "MKCALENDAR", "MKREDIRECTREF", "MKWORKSPACE", "BASELINE-CONTROL", "ORDERPATCH", "SUBSCRIBE"],
  ...["UPDATEREDIRECTREF", "UNSUBSCRIBE", "NOTIFY", "M-SEARCH", "SOURCE", "VIEW", "MKADDRBOOK"],
]);

export function isKnownMethod(method: string): boolean {
  return KNOWN.has(method);
}

/** Methods are case-sensitive, yet servers exist that fold them: these would be one method here and another there. */
export function differsInCase(method: string): boolean {
  const upper = method.toUpperCase();
  return upper !== method && KNOWN.has(upper);
}

/** A longer one is refused, in every version of HTTP and by the policy. */
export const MAX_METHOD = 32;

const READS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a method, in capitals, changes nothing where it goes, for policy and for payments: TRACE gives back what it was sent. */
export function isRead(method: string): boolean {
  return READS.has(method);
}

const OVERRIDE = /^x[-_](?:http[-_]method(?:[-_]override)?|method[-_]override)$/i;

/** A field by which some servers take the method for another one; gateways to scripts know it with underscores. */
export function isOverrideField(name: string): boolean {
  return OVERRIDE.test(name);
}

/** Values, decoded, of every parameter in a query or form that some server takes for `_method`. */
export function overridesIn(parameters: string): string[] {
  const values: string[] = [];
  for (const piece of parameters.split(/[&;]/)) {
    const equals = piece.indexOf("=");
    const name = unescaped(equals === -1 ? piece : piece.slice(0, equals));
    if (/^[\s?]*[_.]method\s*(?:[[\0]|$)/i.test(name))
      values.push(equals === -1 ? "" : unescaped(piece.slice(equals + 1)));
  }
  return values;
}

function unescaped(text: string): string {
  return text
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

const NAME = [0x6d, 0x65, 0x74, 0x68, 0x6f, 0x64] as const;

/**
 * Whether a body may name a method: `_method`, or `.method` as PHP renames it, in any case, as the whole name of a field: not `get_method`, not
 * `list[0].method`. What a form or JSON writes as an escape is read as what it stands for, zeros of UTF-16 are left out.
 */
export function namesMethod(bytes: Uint8Array): boolean {
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
