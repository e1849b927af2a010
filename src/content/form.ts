/** application/x-www-form-urlencoded: names and values where they stand. */
import { decodeText } from "./coding.ts";
import type { Leaves } from "./leaves.ts";

const MAX_FIELDS = 100_000;
const MAX_NAME = 1024;
/** Short fields cost more than their bytes. */
const SLICE = 8 * 1024;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export interface FormField {
  readonly name: string;
  /** Bytes of the value, encoded. */
  readonly start: number;
  readonly end: number;
}

/** Fields in their order, and a leaf for each value and for each name that is not a plain word. Null: too many. */
export function* readForm(bytes: Uint8Array, leaves: Leaves): Generator<void, FormField[] | null> {
  const fields: FormField[] = [];
  let turn = 0;
  // The next one, remembered: a body of fields without any would be searched to its end for each of them.
  let equals = -1;
  for (let at = 0; at <= bytes.length; ) {
    const end = placeOrEnd(bytes, 0x26, at);
    if (end > at) {
      if (fields.length === MAX_FIELDS) return null;
      if (equals < at) equals = placeOrEnd(bytes, 0x3d, at);
      const cut = Math.min(equals, end);
      const start = Math.min(cut + 1, end);
      const shown = decodeText("form", bytes, at, Math.min(cut, at + MAX_NAME));
      const name = decoder.decode(shown);
      const label = leaves.named(name);
      if (!/^[\w.[\]-]*$/.test(name) || cut - at > MAX_NAME) leaves.add(at, cut, "form", label);
      leaves.add(start, end, "form", label);
      fields.push({ name, start, end });
    }
    at = end + 1;
    if (at - turn > SLICE) {
      turn = at;
      yield;
    }
  }
  return fields;
}

function placeOrEnd(bytes: Uint8Array, byte: number, from: number): number {
  const found = bytes.indexOf(byte, from);
  return found === -1 ? bytes.length : found;
}
