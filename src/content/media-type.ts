/** Content-Type and Content-Disposition values: one reading or none. */

export interface MediaType {
  /** `type/subtype`, or a disposition: lower case. */
  readonly type: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_VALUE = 2048;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const QUOTED = /"((?:[^"\\\r\n]|\\[^\r\n])*)"/y;

/** Null when the value is malformed or gives a parameter twice: readers then differ. */
export function parseMediaType(value: string): MediaType | null {
  if (value.length > MAX_VALUE) return null;
  const semicolon = value.indexOf(";");
  const type = (semicolon === -1 ? value : value.slice(0, semicolon)).trim().toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+(?:\/[!#$%&'*+.^_`|~0-9a-z-]+)?$/.test(type)) return null;
  const parameters = new Map<string, string>();
  let at = semicolon === -1 ? value.length : semicolon;
  while (at < value.length) {
    if (value[at] !== ";") return null;
    at = skipBlank(value, at + 1);
    // An empty parameter, as at the end of "a/b;", says nothing.
    if (at === value.length || value[at] === ";") continue;
    const name = match(TOKEN, value, at);
    if (name === null || value[at + name[0].length] !== "=") return null;
    at += name[0].length + 1;
    const found = match(QUOTED, value, at) ?? match(TOKEN, value, at);
    if (found === null) return null;
    const key = name[0].toLowerCase();
    if (parameters.has(key)) return null;
    parameters.set(key, found[1] === undefined ? found[0] : found[1].replace(/\\(.)/g, "$1"));
    at = skipBlank(value, at + found[0].length);
  }
  return { type, parameters };
}

function skipBlank(value: string, from: number): number {
  let at = from;
  while (value[at] === " " || value[at] === "\t") at += 1;
  return at;
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
