/** What becomes of what an egress has taken, when it is known what it came to. */
import { costMicros, type Rates, type TokenUse, totalTokens } from "./prices.ts";
import type { BudgetPart, Part } from "./schema.ts";
import type { Adjustment } from "./store.ts";

/** One thing taken that may be given back, all of it or a part. A pace that was set is not. */
export type Holding =
  | { readonly kind: "slots"; readonly key: string }
  | {
      readonly kind: "window";
      readonly key: string;
      readonly part: BudgetPart;
      /** The number of the period it was taken in. */
      readonly window: number;
      readonly amount: number;
      /** Of `money`: what its tokens cost. */
      readonly price: Rates | null;
    };

/** How an egress ended, as far as limits care. */
export interface Carried {
  /** A byte of it may have left. */
  readonly sent: boolean;
  /** The upstream's; null when it did not answer. */
  readonly status: number | null;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Why the answer is not whole, or null: what it says it used is then not all of it. */
  readonly error: string | null;
}

/** What says how much it came to; a payment that has left counts, whatever is answered. */
const TOLD_BY: Readonly<Record<BudgetPart, "bytes" | "usage" | "nobody">> = {
  bytes: "bytes",
  tokens: "usage",
  money: "usage",
  payment: "nobody",
};

/** Whether the tokens that an answer names are of interest. */
export function readsUsage(part: Part): boolean {
  return part !== "rate" && part !== "concurrency" && TOLD_BY[part] === "usage";
}

/** `use`: of tokens, null when nobody knows. What is not known to have been less stays as it was reserved. */
export function settlementOf(holdings: readonly Holding[], carried: Carried, use: TokenUse | null): Adjustment[] {
  const adjustments: Adjustment[] = [];
  for (const holding of holdings) {
    const { kind, key } = holding;
    if (kind === "slots") {
      adjustments.push({ kind, key });
      continue;
    }
    const { amount, window } = holding;
    const actual = carried.sent ? actualOf(holding, carried, use) : 0;
    if (actual !== null && actual !== amount) adjustments.push({ kind, key, window, delta: actual - amount });
  }
  return adjustments;
}

/** Null: nobody knows. */
function actualOf(
  { part, price, amount }: Extract<Holding, { kind: "window" }>,
  carried: Carried,
  use: TokenUse | null,
) {
  const teller = TOLD_BY[part];
  if (teller === "bytes") return carried.bytesUp + carried.bytesDown;
  if (teller === "nobody") return null;
  if (use === null) {
    // A provider that refuses a request has not worked on it.
    return carried.status !== null && carried.status >= 400 && carried.status < 500 ? 0 : null;
  }
  const told = price === null ? totalTokens(use) : costMicros(price, use);
  // Whoever hangs up before the last count would pay for the first only.
  return carried.error === null ? told : Math.max(told, amount);
}
