import type { FieldBlock } from "../../src/model/headers.ts";
import { OutBuffer } from "../../src/wire/out-buffer.ts";
import { latin1 } from "./random.ts";

/** The lines of a block as they would leave. */
export function sent(block: FieldBlock): string {
  return latin1(copied(new OutBuffer().block(block)));
}

/** What was put together, in memory of its own. */
export function copied(out: OutBuffer): Uint8Array {
  return out.bytes.slice(0, out.length);
}
