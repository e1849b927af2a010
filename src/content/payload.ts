/** Texts that are something else, encoded: told by their looks, decoded elsewhere. */

export interface Payload {
  readonly kind: "data-url" | "base64";
  /** Of a data URL as it says, lower case; "" otherwise. */
  readonly type: string;
  /** Bytes of the encoded part: behind the comma of a data URL. */
  readonly start: number;
  readonly end: number;
  /** False: percent-encoded, as a data URL may be. */
  readonly base64: boolean;
}

const MAX_HEAD = 256;
/** Shorter runs of such letters are words, names and digests. */
const LEAST_BASE64 = 128;

/**
 * What a text of a body is, or null. Looks at the head and, of base64 without a name, at all of it: letters of either
 * alphabet, line ends, padding at the end only.
 */
export function payloadOf(bytes: Uint8Array, start: number, end: number): Payload | null {
  if (startsWith(bytes, start, end, "data:")) {
    const comma = bytes.subarray(start, Math.min(end, start + MAX_HEAD)).indexOf(0x2c);
    if (comma === -1) return null;
    let head = "";
    for (let i = start + 5; i < start + comma; i++) head += String.fromCharCode(bytes[i] as number);
    const [type = "", ...parameters] = head.toLowerCase().split(";");
    const base64 = parameters.some((each) => each.trim() === "base64");
    return { kind: "data-url", type: type.trim(), start: start + comma + 1, end, base64 };
  }
  if (end - start < LEAST_BASE64) return null;
  let upper = false;
  let lower = false;
  let digit = false;
  let at = start;
  for (; at < end; at++) {
    const code = bytes[at] as number;
    if (code >= 0x61 && code <= 0x7a) lower = true;
    else if (code >= 0x41 && code <= 0x5a) upper = true;
    else if (code >= 0x30 && code <= 0x39) digit = true;
    else if (!(code === 0x2b || code === 0x2f || code === 0x2d || code === 0x5f || code === 0x0a || code === 0x0d))
      break;
  }
  const padding = end - at;
  for (let i = at; i < end; i++) if (bytes[i] !== 0x3d) return null;
  if (padding > 2 || !upper || !lower || !digit) return null;
  return { kind: "base64", type: "", start, end, base64: true };
}

function startsWith(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start < word.length) return false;
  for (let i = 0; i < word.length; i++)
    if (((bytes[start + i] as number) | 0x20) !== (word.charCodeAt(i) | 0x20)) return false;
  return true;
}
