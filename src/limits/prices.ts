import { DEFAULT_PRICES } from "./default-prices.ts";
import { globMatches } from "./glob.ts";

/** Micro-units of `currency` for a million tokens of each kind. */
export interface Price {
  readonly model: string;
  readonly currency: string;
  readonly input: number;
  /** Tokens read from the provider's prompt cache. */
  readonly cached: number;
  readonly output: number;
}

export type Rates = Pick<Price, "input" | "cached" | "output">;

/** Tokens of one exchange, each counted once: `input` is without `cached`, and with those written into a cache. */
export interface TokenUse {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
}

/** More tokens than any exchange has; a larger count is somebody's mistake or lie and is taken for this. */
export const MAX_TOKENS = 1_000_000_000;

export function totalTokens({ input, cached, output }: TokenUse): number {
  return input + cached + output;
}

const MILLION = 1_000_000n;

/** Micro-units, rounded up once for the whole exchange: an exchange that costs anything costs at least one. */
export function costMicros(price: Rates, use: TokenUse): number {
  const parts: readonly (readonly [number, number])[] = [
    [use.input, price.input],
    [use.cached, price.cached],
    [use.output, price.output],
  ];
  let product = 0n;
  for (const [tokens, rate] of parts) product += BigInt(tokens) * BigInt(rate);
  const cost = (product + MILLION - 1n) / MILLION;
  return cost > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(cost);
}

export class PriceTable {
  readonly #own: readonly Price[];
  /** Agents ask the same few models over and over; strangers' names must not fill the memory. */
  readonly #known = new Map<string, Price | null>();

  /** `own` come first, in their order; then the shipped ones. */
  constructor(own: readonly Price[]) {
    this.#own = own;
  }

  /** Null when nobody says what the model costs in that currency. */
  find(model: string, currency: string): Price | null {
    const key = `${currency} ${model}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const name = model.toLowerCase();
    const matches = (price: Price): boolean => price.currency === currency && globMatches(price.model, name);
    const found = this.#own.find(matches) ?? DEFAULT_PRICES.find(matches) ?? null;
    if (this.#known.size >= 256) this.#known.clear();
    this.#known.set(key, found);
    return found;
  }
}
