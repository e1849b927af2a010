/** Runs inspectors over a decoded body in slices, under a deadline and a work budget checked between them. */
import { OVERLAP } from "../model/bounds.ts";
import type { Finding } from "../model/finding.ts";
import type { Budget } from "./effort.ts";
import { MAX_INSPECTED, MIN_LETTERS } from "./letters.ts";
import { type Inspection, inspectBytes, inspectInSteps, isJson, type Turn } from "./pillar128.ts";
import { Lease } from "./rooms.ts";

export { Share } from "./effort.ts";
export type { Budget, Inspection, Turn };

/**
 * Looks at one slice of a decoded body, or at one text of a head: a path, a query, the value of a field or trailer. Pure,
 * and linear in the slice. `cutJson`: it is from the middle of a JSON text.
 */
export interface Inspector {
  readonly name: string;
  /** Bytes: in less it finds nothing. Above `SHORT_VALUE`, or what is passed over as short would be hidden from it. */
  readonly shortest: number;
  inspect(slice: Uint8Array, cutJson: boolean, budget?: Budget): Inspection;
  /** The same in steps of a millisecond or two. Absent: a slice takes no longer. */
  inSteps?(slice: Uint8Array, cutJson: boolean, budget: Budget): Generator<Turn, Inspection>;
}

export const INSPECTORS: readonly Inspector[] = [
  { name: "pillar128", shortest: MIN_LETTERS, inspect: inspectBytes, inSteps: inspectInSteps },
];

const SLICE = MAX_INSPECTED;
/** No text above this is inspected in one go. */
export const WHOLE_BYTES = SLICE;

const LEAST_SLICE = 2 * OVERLAP;
/**
 * Longer bodies are ruled on in steps, by whoever has an event loop to hand back; shorter ones are begun in one go, and
 * begun again in steps when they cost more than their `Share`.
 */
export const AT_ONCE = LEAST_SLICE;
/** Of twice as much it would still not be slow. What a slice repeats is half of the smallest, so it matters that they grow. */
const QUICK_MS = 1.4;
const SLOW_MS = 3;

/** How much to inspect at a time: little while the code is not compiled yet or the machine is slow, or a pass over a slice would hold the loop. */
export class SliceSize {
  bytes = LEAST_SLICE;

  /** A step, which is a pass over a slice of this size or some such, took so long. */
  took(ms: number): void {
    if (ms < QUICK_MS) this.bytes = Math.min(2 * this.bytes, SLICE);
    else if (ms > SLOW_MS) this.bytes = Math.max(this.bytes / 2, LEAST_SLICE);
  }
}

/** For a body of at most `WHOLE_BYTES`. */
export function inspectWhole(bytes: Uint8Array, inspectors: readonly Inspector[], budget: Budget): Inspection {
  if (bytes.length * inspectors.length > budget.work) return "exhausted";
  for (const inspector of inspectors) {
    const found = inspector.inspect(bytes, false, budget);
    if (found !== null) return found;
  }
  return null;
}

/**
 * Yields within every slice and behind it, so that whoever drives it can let others run, and what is to be awaited where it
 * waits for a room. `size` is asked before each slice.
 */
export function* inspectSlices(
  bytes: Uint8Array,
  inspectors: readonly Inspector[],
  budget: Budget,
  size: { readonly bytes: number } = { bytes: SLICE },
): Generator<Turn, Inspection> {
  const lease = new Lease();
  try {
    return yield* slicesOf(bytes, inspectors, { ...budget, lease }, size);
  } finally {
    lease.end();
  }
}

function* slicesOf(
  bytes: Uint8Array,
  inspectors: readonly Inspector[],
  budget: Budget,
  size: { readonly bytes: number },
): Generator<Turn, Inspection> {
  const json = isJson(bytes);
  let left = budget.work;
  for (let at = 0; ; ) {
    const end = at + size.bytes;
    const slice = bytes.subarray(at, end);
    for (const inspector of inspectors) {
      left -= slice.length;
      if (left < 0 || budget.clock() > budget.deadline) return "exhausted";
      const cut = json && at > 0;
      const found =
        inspector.inSteps === undefined
          ? inspector.inspect(slice, cut, budget)
          : yield* inspector.inSteps(slice, cut, budget);
      if (found !== null) return moved(found, at);
    }
    if (end >= bytes.length) return null;
    at = end - OVERLAP;
    yield;
  }
}

/** A finding of a slice as one of the whole. */
function moved(found: Finding | "exhausted", by: number): Inspection {
  if (found === "exhausted" || by === 0) return found;
  return { ...found, start: found.start + by, end: found.end + by };
}
