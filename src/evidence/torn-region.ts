import type { Runtime } from "../runtime/contract.ts";
import type { Damaged } from "./lines.ts";

const encoder = new TextEncoder();
const NEWLINE = new Uint8Array([10]);

/** A run of bytes in a log that are no good lines, until a recovery accounts for them or nothing does. */
export class TornRegion {
  readonly file: string;
  readonly line: number;
  readonly detail: string;
  lines = 0;
  #bytes = 0;
  /** A recovery counts the last newline when it found one, and not when it had to write it: both are kept. */
  readonly #without: ReturnType<Runtime["hasher"]>;
  readonly #with: ReturnType<Runtime["hasher"]>;
  #owesNewline = false;

  constructor(runtime: Pick<Runtime, "hasher">, at: { file: string; line: number; detail: string }) {
    this.file = at.file;
    this.line = at.line;
    this.detail = at.detail;
    this.#without = runtime.hasher();
    this.#with = runtime.hasher();
  }

  add(part: string | Damaged, open: boolean): void {
    if (this.#owesNewline) this.#without.update(NEWLINE);
    this.#owesNewline = false;
    const bytes = typeof part === "string" ? encoder.encode(part) : part.bytes;
    this.#without.update(bytes);
    this.#with.update(bytes);
    this.#bytes += bytes.length;
    if (typeof part !== "string" && !part.ends) return;
    this.lines++;
    if (open) return;
    this.#with.update(NEWLINE);
    this.#bytes++;
    this.#owesNewline = true;
  }

  /** True when a recovery names exactly these bytes. May be asked once. */
  explainedBy(recovered: { readonly torn_hash: string; readonly torn_bytes: number }): boolean {
    const [without, whole] = [this.#without.hex(), this.#with.hex()];
    if (recovered.torn_bytes === this.#bytes) return recovered.torn_hash === whole;
    return this.#owesNewline && recovered.torn_bytes === this.#bytes - 1 && recovered.torn_hash === without;
  }
}
