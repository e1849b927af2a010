import type { Runtime } from "../runtime/contract.ts";
import type { Sink } from "./journal.ts";
import type { Tail } from "./tail.ts";

/** Standard output as a log: it cannot be read back, so every start begins a chain of its own. */
export function stdoutSink<T>(runtime: Runtime): Sink<T> {
  const empty: Tail<T> = { last: null, loose: [], tornBytes: 0, tornHash: runtime.sha256(""), open: false };
  return {
    open: async () => empty,
    append: (lines) => runtime.stdout(lines),
    mend: (text) => runtime.stdout(text),
    sync: async () => undefined,
    inPlace: async () => true,
    close: () => undefined,
  };
}
