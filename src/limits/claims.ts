/** Which limits a request falls under, and what it has to take from each before it may leave. */
import { isRead } from "../wire/methods.ts";
import { type Limit, type LimitProgram, scopeOf } from "./compile.ts";
import { formatMicros } from "./money.ts";
import { readPayment } from "./payment.ts";
import type { Period } from "./period.ts";
import { costMicros, MAX_TOKENS, type Price } from "./prices.ts";
import type { BudgetPart, Part } from "./schema.ts";
import type { Need, RateNeed, SlotNeed, WindowNeed } from "./store.ts";
import type { LimitSubject } from "./subject.ts";

/** One thing to be taken for one limit. */
export type Claim =
  | { readonly limit: Limit; readonly part: "rate"; readonly need: RateNeed }
  | { readonly limit: Limit; readonly part: "concurrency"; readonly need: SlotNeed }
  | BudgetClaim;

export interface BudgetClaim {
  readonly limit: Limit;
  readonly part: BudgetPart;
  readonly need: WindowNeed;
  readonly period: Period;
  /** Of `money`: what its tokens cost. */
  readonly price: Price | null;
}

/** What no counter need be asked about. `reason` says nothing of the request's content. */
export interface Objection {
  readonly limit: Limit;
  readonly vector: "payment_each" | "payment_unreadable" | "payment_currency" | "price_unknown";
  readonly reason: string;
}

export interface Claims {
  /** Every limit that matches. */
  readonly limits: readonly Limit[];
  readonly objections: readonly Objection[];
  /** Budgets, then places, then paces: of several refusals the lasting one is told. */
  readonly claims: readonly Claim[];
}

/** Life of a place whose holder is not heard of any more; renewed three times as often. */
export const LEASE_MS = 60_000;
const MAX_NAME = 256;
const ORDER: Readonly<Record<Need["kind"], number>> = { window: 0, slots: 1, rate: 2 };

/** Pure. The claims of limits whose mode is shadow are there too, and are not enforced. */
export function claimsOf(program: LimitProgram, subject: LimitSubject): Claims {
  const limits: Limit[] = [];
  const objections: Objection[] = [];
  const claims: Claim[] = [];
  for (const limit of program.limits) {
    if (!limit.matches(subject)) continue;
    limits.push(limit);
    claimPace(limit, subject, claims);
    if (subject.tunnel) continue;
    claimUse({ limit, subject, program }, claims, objections);
    claimPayment(limit, subject, claims, objections);
  }
  claims.sort((a, b) => ORDER[a.need.kind] - ORDER[b.need.kind]);
  return { limits, objections, claims };
}

function claimPace(limit: Limit, subject: LimitSubject, claims: Claim[]): void {
  const { rate, concurrency, bytes, enforce } = limit;
  if (rate !== null) {
    const { requests, seconds, burst } = rate;
    const key = keyOf(limit, "rate", `${seconds}s`, subject);
    const need = { kind: "rate", key, enforce, requests, periodUs: seconds * 1_000_000, burst } as const;
    claims.push({ limit, part: "rate", need });
  }
  if (concurrency !== null && !(subject.inside && limit.tunnelHolds(subject))) {
    const key = keyOf(limit, "concurrency", "", subject);
    claims.push({
      limit,
      part: "concurrency",
      need: { kind: "slots", key, enforce, max: concurrency, leaseMs: LEASE_MS },
    });
  }
  if (bytes !== null) claims.push(windowClaim(limit, "bytes", subject, { ...bytes, amount: subject.bytes }));
}

interface Using {
  readonly limit: Limit;
  readonly subject: LimitSubject;
  readonly program: LimitProgram;
}

function claimUse({ limit, subject, program }: Using, claims: Claim[], objections: Objection[]): void {
  const { tokens, money } = limit;
  const { call } = subject;
  if (call === null) return;
  const input = Math.min(call.inputTokens, MAX_TOKENS);
  const outputOf = (assumed: number): number => Math.min(call.maxOutput ?? assumed, MAX_TOKENS);
  if (tokens !== null) {
    const amount = input + outputOf(tokens.assumeOutput);
    claims.push(windowClaim(limit, "tokens", subject, { ...tokens, amount }));
  }
  if (money === null) return;
  const price = call.model === null ? null : program.prices.find(call.model, money.currency);
  if (price === null) {
    const reason =
      call.model === null
        ? "which model is asked cannot be read in one way"
        : `no price in ${money.currency} is known for the model${namedModel(call.model)}`;
    objections.push({ limit, vector: "price_unknown", reason });
    return;
  }
  const use = { input, cached: 0, output: outputOf(money.assumeOutput) };
  claims.push({ ...windowClaim(limit, "money", subject, { ...money, amount: costMicros(price, use) }), price });
}

/** What a body calls a model stands in evidence only where it looks like the name of one. */
function namedModel(model: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,63}$/.test(model) ? ` "${model}"` : "";
}

function claimPayment(limit: Limit, subject: LimitSubject, claims: Claim[], objections: Objection[]): void {
  const { payment } = limit;
  if (payment === null || (!limit.paysByReads && !subject.overridden && isRead(subject.method.toUpperCase()))) return;
  const read = readPayment(payment, subject.paying);
  if (typeof read !== "number") {
    objections.push({ limit, vector: read.vector, reason: `what the request would pay is not plain: ${read.why}` });
    return;
  }
  if (payment.maxEach !== null && read > payment.maxEach) {
    const reason = `a payment is over ${formatMicros(payment.maxEach, payment.currency)}, the most for one`;
    objections.push({ limit, vector: "payment_each", reason });
    return;
  }
  if (payment.ceiling !== null) {
    claims.push(windowClaim(limit, "payment", subject, { ...payment.ceiling, amount: read }));
  }
}

interface Budget {
  readonly max: number;
  readonly period: Period;
  readonly amount: number;
}

function windowClaim(
  limit: Limit,
  part: BudgetPart,
  subject: LimitSubject,
  { max, period, amount }: Budget,
): BudgetClaim {
  const { seconds, offset, text } = period;
  const key = keyOf(limit, part, text, subject);
  const need = { kind: "window", key, enforce: limit.enforce, seconds, offset, max, amount } as const;
  return { limit, part, need, period, price: null };
}

/** Equal for what is counted together. A limit whose maximum changes keeps its counters, one whose period changes does not. */
function keyOf(limit: Limit, part: Part, period: string, subject: LimitSubject): string {
  const scope = limit.per.map((dimension) => scopeOf(subject, dimension)?.slice(0, MAX_NAME) ?? null);
  const key = [limit.id, part, period, limit.per, scope];
  return JSON.stringify(subject.realm === undefined ? key : [subject.realm, ...key]);
}

/** The part of a key that the policy wrote, before the names that clients wrote: no id, period or dimension has a bracket. */
export function poolOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf("],")));
}
