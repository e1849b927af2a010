/** What each byte may be in an HTTP/1 head (RFC 9110 section 5, RFC 9112 section 3), as one table lookup. */

/** A letter, digit or mark of a token: methods, field names, list members. */
export const TOKEN = 1;
/** A byte of a field value or start line: visible ASCII, space, tab, obs-text. */
export const TEXT = 2;
/** A byte of a request target: visible ASCII, and no `#` because fragments are never sent. */
export const TARGET = 4;

export const CLASS: Uint8Array = classes();

function classes(): Uint8Array {
  const table = new Uint8Array(256);
  for (let code = 0x21; code <= 0x7e; code++) table[code] = TEXT | (code === 0x23 ? 0 : TARGET);
  for (let code = 0x80; code <= 0xff; code++) table[code] = TEXT;
  table[0x20] = TEXT;
  table[0x09] = TEXT;
  const token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (let i = 0; i < token.length; i++) table[token.charCodeAt(i)] = (table[token.charCodeAt(i)] as number) | TOKEN;
  return table;
}

export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7e || ((CLASS[code] as number) & TOKEN) === 0) return false;
  }
  return text.length > 0;
}

/** ASCII case-insensitive equality with a name that is lower case already. */
export function sameName(name: string, lower: string): boolean {
  return name.length === lower.length && (name === lower || name.toLowerCase() === lower);
}

/** Optional whitespace of RFC 9110 is space and tab only; String.trim also takes U+00A0, which is obs-text here. */
export function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && (text[start] === " " || text[start] === "\t")) start++;
  while (end > start && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  return text.slice(start, end);
}

const ascii = new TextDecoder();

/** Bytes as one char each. `plain` says that all of them are ASCII, which is the fast way. */
export function decodeBytes(bytes: Uint8Array, plain: boolean): string {
  if (plain) return ascii.decode(bytes);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return text;
}
