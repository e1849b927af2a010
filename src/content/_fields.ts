/** The fields of a JSON object by their names, looked at once. */
import type { JsonTape } from "./json.ts";
import { first, sibling, textOf } from "./json-look.ts";

/** Longer keys are no field of any protocol. */
const MAX_NAME = 48;
const MAX_FIELDS = 512;

/**
 * Values by key, letters in lower case: readers in Go take `Model` for `model`. Null when two keys are the same but for
 * case, for then readers differ; keys of which there are too many or that are too long are left out.
 */
export function fieldsOf(tape: JsonTape, object: number): Map<string, number> | null {
  const fields = new Map<string, number>();
  let clash = false;
  for (let key = first(tape, object); key !== -1; key = sibling(tape, key + 1)) {
    if ((tape.end[key] as number) - (tape.start[key] as number) > MAX_NAME) continue;
    const name = textOf(tape, key).toLowerCase();
    if (fields.has(name)) clash = true;
    else if (fields.size < MAX_FIELDS) fields.set(name, key + 1);
  }
  return clash ? null : fields;
}
