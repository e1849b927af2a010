/** The known fields of a JSON object, looked at once. */
import { type Name, nameAt } from "./_names.ts";
import type { JsonTape } from "./json.ts";
import { first, sibling } from "./json-look.ts";

export type Fields = ReadonlyMap<Name, number>;

/** Values by their keys' names. Null when a known name is given twice, be it in other letters: readers differ then. */
export function fieldsOf(tape: JsonTape, object: number): Fields | null {
  const fields = new Map<Name, number>();
  for (let key = first(tape, object); key !== -1; key = sibling(tape, key + 1)) {
    const name = nameAt(tape, key);
    if (name === "") continue;
    if (fields.has(name)) return null;
    fields.set(name, key + 1);
  }
  return fields;
}
