/** RFC 8785 (JSON Canonicalization Scheme): the one text of a JSON value that signatures and hashes are taken over. */

const MAX_DEPTH = 256;

/**
 * The canonical JSON text of a value as JSON.parse gives it. Throws TypeError for what JSON or RFC 8785 cannot say:
 * non-finite numbers, lone surrogates, functions, `undefined` outside an object member, more than 256 levels.
 * A member that is `undefined` is left out, as JSON.stringify does.
 */
export function canonicalize(value: unknown): string {
  return write(value, 0);
}

/**
 * True when the members of every object in `value` are in canonical order, so that JSON.stringify of it is already
 * `canonicalize` of it (given well-formed strings and finite numbers, which everything JSON.parse returned has, but for
 * escaped lone surrogates).
 */
export function membersSorted(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth > MAX_DEPTH) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === "object" && !membersSorted(item, depth + 1)) return false;
    return true;
  }
  let previous: string | null = null;
  const record = value as Record<string, unknown>;
  for (const key of Object.keys(record)) {
    // `<` on strings compares UTF-16 code units, which is the order RFC 8785 asks for.
    if (previous !== null && !(previous < key)) return false;
    previous = key;
    const member = record[key];
    if (typeof member === "object" && member !== null && !membersSorted(member, depth + 1)) return false;
  }
  return true;
}

/** The canonical JSON of a text or null; a lone surrogate becomes U+FFFD. */
export function textJson(value: string | null): string {
  return value === null ? "null" : JSON.stringify(value.toWellFormed());
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return text(value);
    case "number":
      if (!Number.isFinite(value)) throw new TypeError("canonicalize a number that is not finite");
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      break;
    default:
      throw new TypeError(`canonicalize a ${typeof value}`);
  }
  if (value === null) return "null";
  if (depth >= MAX_DEPTH) throw new TypeError(`canonicalize more than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join(",")}]`;
  const record = value as Record<string, unknown>;
  const members: string[] = [];
  for (const key of Object.keys(record).sort(byCodeUnit)) {
    const member = record[key];
    if (member !== undefined) members.push(`${text(key)}:${write(member, depth + 1)}`);
  }
  return `{${members.join(",")}}`;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function text(value: string): string {
  if (!value.isWellFormed()) throw new TypeError("canonicalize a string with a lone surrogate");
  return JSON.stringify(value);
}
