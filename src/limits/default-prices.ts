/**
 * List prices of well-known models, US dollars for a million tokens, as far as they were known at `AS_OF`. A convenience,
 * not a source: providers change prices, and discounts, batch, long-context and regional prices are not in it. Operators check it
 * and put their own `prices:` before it. Where a provider has tiers the dearer one stands here. First match wins.
 */
import type { Price } from "./prices.ts";

export const AS_OF = "2025-11-01";

/** model, input, cached input, output */
type Row = readonly [model: string, input: number, cached: number, output: number];

const ROWS: readonly Row[] = [
  ["gpt-5-pro*", 15, 15, 120],
  ["gpt-5-mini*", 0.25, 0.025, 2],
  ["gpt-5-nano*", 0.05, 0.005, 0.4],
  ["gpt-5", 1.25, 0.125, 10],
  ["gpt-5-2025*", 1.25, 0.125, 10],
  ["gpt-5-chat*", 1.25, 0.125, 10],
  ["gpt-5-codex*", 1.25, 0.125, 10],
  ["gpt-4.1-mini*", 0.4, 0.1, 1.6],
  ["gpt-4.1-nano*", 0.1, 0.025, 0.4],
  ["gpt-4.1*", 2, 0.5, 8],
  ["gpt-4o-mini", 0.15, 0.075, 0.6],
  ["gpt-4o-mini-2024*", 0.15, 0.075, 0.6],
  ["gpt-4o", 2.5, 1.25, 10],
  ["gpt-4o-2024-05-13", 5, 5, 15],
  ["gpt-4o-2024*", 2.5, 1.25, 10],
  ["gpt-4-turbo*", 10, 10, 30],
  ["gpt-4", 30, 30, 60],
  ["gpt-3.5-turbo*", 1.5, 1.5, 2],
  ["o1-pro*", 150, 150, 600],
  ["o1-mini*", 1.1, 0.55, 4.4],
  ["o1", 15, 7.5, 60],
  ["o1-2024*", 15, 7.5, 60],
  ["o3-pro*", 20, 20, 80],
  ["o3-mini*", 1.1, 0.55, 4.4],
  ["o3", 2, 0.5, 8],
  ["o3-2025*", 2, 0.5, 8],
  ["o4-mini*", 1.1, 0.275, 4.4],
  ["text-embedding-3-small", 0.02, 0.02, 0],
  ["text-embedding-3-large", 0.13, 0.13, 0],
  ["claude-opus-4-5*", 5, 0.5, 25],
  ["claude-opus-4*", 15, 1.5, 75],
  ["claude-sonnet-4*", 6, 0.6, 22.5],
  ["claude-haiku-4-5*", 1, 0.1, 5],
  ["claude-3-7-sonnet*", 3, 0.3, 15],
  ["claude-3-5-sonnet*", 3, 0.3, 15],
  ["claude-3-5-haiku*", 0.8, 0.08, 4],
  ["claude-3-opus*", 15, 1.5, 75],
  ["claude-3-haiku*", 0.25, 0.03, 1.25],
  ["gemini-2.5-pro*", 2.5, 0.625, 15],
  ["gemini-2.5-flash-lite*", 0.1, 0.1, 0.4],
  ["gemini-2.5-flash*", 0.3, 0.3, 2.5],
  ["gemini-2.0-flash-lite*", 0.075, 0.075, 0.3],
  ["gemini-2.0-flash*", 0.1, 0.1, 0.4],
  ["mistral-large*", 2, 2, 6],
  ["mistral-small*", 0.2, 0.2, 0.6],
  ["deepseek-chat", 0.56, 0.56, 1.68],
  ["deepseek-reasoner", 0.56, 0.56, 2.19],
];

const micros = (dollars: number): number => Math.round(dollars * 1_000_000);

export const DEFAULT_PRICES: readonly Price[] = ROWS.map(([model, input, cached, output]) => ({
  model,
  currency: "USD",
  input: micros(input),
  cached: micros(cached),
  output: micros(output),
}));
