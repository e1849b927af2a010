/**
 * Header fields in the order and case they arrived: `[name, value, name, value, …]`.
 *
 * A flat array, not `Headers`: end-to-end fields keep their order and case, duplicates stay apart, and values are
 * byte strings (one char per byte, U+0000–U+00FF) so that obs-text survives unchanged.
 */
export type HeaderList = readonly string[];

/** Fields as whole lines (`Name: value\r\n`), ready to be put into a head without having been strings. */
export interface FieldBlock {
  /** Bytes. */
  readonly size: number;
  /** `target` has room for `size` bytes from `at`. */
  copyTo(target: Uint8Array, at: number): void;
}

/** Fields on their way into a head. */
export type Fields = HeaderList | FieldBlock;

/** First value of a field, or null. `lowerName` must be lower case. */
export function headerValue(headers: HeaderList, lowerName: string): string | null {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return headers[i + 1] as string;
  }
  return null;
}

/** Every value of a field, in order. `lowerName` must be lower case. */
export function headerValues(headers: HeaderList, lowerName: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) values.push(headers[i + 1] as string);
  }
  return values;
}

/** Fields that say how a body is coded or what its digest is. */
const BODY_FIELDS = new Set([
  "content-encoding",
  "content-md5",
  "digest",
  "content-digest",
  "repr-digest",
  "unencoded-digest",
]);

/** The fields that are still true when the body is replaced by another one. */
export function withoutBodyFields(headers: HeaderList): string[] {
  return without(headers, BODY_FIELDS);
}

/** `names` in lower case. */
export function without(headers: HeaderList, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!names.has(name.toLowerCase())) kept.push(name, headers[i + 1] as string);
  }
  return kept;
}
