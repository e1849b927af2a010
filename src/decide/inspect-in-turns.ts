import {
  type Budget,
  type Inspection,
  type Inspector,
  inspectSlices,
  type SliceSize,
  type Turn,
} from "../detect/inspect.ts";

/** An event loop is handed back after this long. */
export const TURN_MS = 1.5;

/** Slices overlap by half at the most: this many times the bytes is never reached by an honest inspection. */
export const WORK_PER_BYTE = 3;

/** Bytes of any length, slice by slice; every few milliseconds the loop is handed back. `size` is told how long each took. */
export function inspectInTurns(
  bytes: Uint8Array,
  inspectors: readonly Inspector[],
  budget: Budget,
  size: SliceSize,
): Promise<Inspection> {
  return inTurns(inspectSlices(bytes, inspectors, budget, size), size, budget.clock);
}

/** Drives steps to their end and hands the loop back in between, until what they wait for is there. `clock`: monotonic ms. */
export async function inTurns<T>(steps: Generator<Turn, T>, size: SliceSize, clock: () => number): Promise<T> {
  try {
    for (let turn = clock(), from = turn; ; ) {
      const step = steps.next();
      if (step.done) return step.value;
      if (step.value instanceof Promise) {
        await step.value;
        turn = from = clock();
        continue;
      }
      const now = clock();
      size.took(now - from);
      from = now;
      if (now - turn < TURN_MS) continue;
      await nextTurn();
      turn = from = clock();
    }
  } catch (thrown) {
    // Whatever they hold is given back.
    steps.throw(thrown);
    throw thrown;
  }
}

/** Lets everything else that is ready have its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
