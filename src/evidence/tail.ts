import type { Runtime } from "../runtime/contract.ts";
import { concat } from "../wire/concat.ts";

/** What an append-only log of lines ends with. */
export interface Tail<T> {
  /** The last line that `read` accepted, or null when there is none. */
  readonly last: { readonly text: string; readonly value: T } | null;
  /** Lines after `last` that `read` called loose: complete, but no link of the chain. */
  readonly loose: readonly string[];
  /** Bytes after the last accepted or loose line (a final newline counts), and their sha256; 0 when all is well. */
  readonly tornBytes: number;
  readonly tornHash: string;
  /** True when the last byte is not a newline, so that one must be written before the next line. */
  readonly open: boolean;
}

/** A line's meaning: a link of the chain, `"loose"`, or null for damage. */
export type ReadLine<T> = (text: string) => T | "loose" | null;

const WINDOW = 64 * 1024;
const MAX_LINE = 64 * 1024;
const MAX_LOOSE = 4096;
const NEWLINE = 10;

/** Reads the end of a log; the whole of it, as a stream, only when the end holds no good line. */
export async function readLogTail<T>(
  runtime: Runtime,
  path: string,
  size: number,
  read: ReadLine<T>,
): Promise<Tail<T>> {
  const window = size === 0 ? new Uint8Array(0) : await runtime.readTail(path, WINDOW);
  // A window that is not the whole file begins inside a line, or at least cannot tell.
  const begin = window.length < size ? window.indexOf(NEWLINE) + 1 : 0;
  const scan = new TailScan(runtime, read);
  scan.push(window.subarray(begin));
  const tail = scan.end();
  if (window.length >= size || (begin > 0 && tail.last !== null)) return tail;
  const whole = new TailScan(runtime, read);
  for await (const chunk of runtime.readChunks(path)) whole.push(chunk);
  return whole.end();
}

/** One pass over a log from any line's start, keeping its last good line and the hash of what follows. */
class TailScan<T> {
  readonly #runtime: Runtime;
  readonly #read: ReadLine<T>;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #last: { text: string; value: T } | null = null;
  #loose: string[] = [];
  #torn: ReturnType<Runtime["hasher"]> | null = null;
  #tornBytes = 0;
  /** The line under way; once it is over MAX_LINE only its hash goes on. */
  #line: Uint8Array[] = [];
  #lineBytes = 0;

  constructor(runtime: Runtime, read: ReadLine<T>) {
    this.#runtime = runtime;
    this.#read = read;
  }

  push(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, from);
      const to = newline < 0 ? bytes.length : newline;
      this.#hold(bytes.subarray(from, to));
      if (newline < 0) return;
      this.#finish(true);
      from = newline + 1;
    }
  }

  end(): Tail<T> {
    const open = this.#lineBytes > 0;
    if (open) this.#finish(false);
    return {
      last: this.#last,
      loose: this.#loose,
      tornBytes: this.#tornBytes,
      tornHash: (this.#torn ?? this.#runtime.hasher()).hex(),
      open,
    };
  }

  #hold(part: Uint8Array): void {
    this.#lineBytes += part.length;
    if (this.#lineBytes > MAX_LINE) {
      for (const held of this.#line) this.#tear(held);
      this.#line = [];
      this.#tear(part);
    } else if (part.length > 0) this.#line.push(part);
  }

  #finish(newline: boolean): void {
    const tooLong = this.#lineBytes > MAX_LINE;
    const bytes = concat(this.#line);
    this.#line = [];
    this.#lineBytes = 0;
    // Behind damage only a link counts: a loose line there would leave a hole in what the next recovery has to cover.
    const meaning = tooLong ? null : this.#meaning(bytes);
    if (meaning !== null && meaning !== "loose") {
      this.#last = { text: this.#decoder.decode(bytes), value: meaning };
      this.#loose = [];
      this.#torn = null;
      this.#tornBytes = 0;
    } else if (meaning === "loose" && this.#tornBytes === 0 && this.#loose.length < MAX_LOOSE) {
      this.#loose.push(this.#decoder.decode(bytes));
    } else {
      this.#tear(bytes);
      if (newline) this.#tear(new Uint8Array([NEWLINE]));
    }
  }

  #meaning(bytes: Uint8Array): T | "loose" | null {
    try {
      return this.#read(this.#decoder.decode(bytes));
    } catch {
      return null;
    }
  }

  #tear(bytes: Uint8Array): void {
    this.#torn ??= this.#runtime.hasher();
    this.#torn.update(bytes);
    this.#tornBytes += bytes.length;
  }
}
