import { type Budget, type Inspection, type Inspector, inspectSlices, type SliceSize } from "../detect/inspect.ts";

/** An event loop is handed back after this long. */
export const TURN_MS = 1.5;

/** Slices overlap by half at the most: this many times the bytes is never reached by an honest inspection. */
export const WORK_PER_BYTE = 3;

/** Bytes of any length, slice by slice; every few milliseconds the loop is handed back. `size` is told how long each took. */
export async function inspectInTurns(
  bytes: Uint8Array,
  inspectors: readonly Inspector[],
  budget: Budget,
  size: SliceSize,
): Promise<Inspection> {
  const { clock } = budget;
  const slices = inspectSlices(bytes, inspectors, budget, size);
  for (let turn = clock(), from = turn; ; ) {
    const step = slices.next();
    if (step.done) return step.value;
    const now = clock();
    size.took(now - from);
    from = now;
    if (now - turn < TURN_MS) continue;
    await nextTurn();
    turn = from = clock();
  }
}

/** Lets everything else that is ready have its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
