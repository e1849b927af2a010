/** How a limit says no. */
import type { BudgetClaim, Claim, Objection } from "../limits/claims.ts";
import type { Limit } from "../limits/compile.ts";
import { formatMicros } from "../limits/money.ts";
import { windowEnd } from "../limits/period.ts";
import type { BudgetPart } from "../limits/schema.ts";
import type { Level } from "../limits/store.ts";
import { block, type Decision, failClosed } from "../model/decision.ts";

const MAX_RETRY_S = 86_400;

function ruleOf(limit: { readonly id: string }): string {
  return `limit: ${limit.id}`;
}

export function objected({ limit, vector, reason }: Objection, policyVersion: string | null): Decision {
  return block(`limit "${limit.id}": ${reason}`, vector, { rule: ruleOf(limit), policyVersion });
}

/** `now`: milliseconds since the epoch. */
export function overLimit(claim: Claim, level: Level, now: number, policyVersion: string | null): Decision {
  const detail = { rule: ruleOf(claim.limit), policyVersion };
  const { id } = claim.limit;
  switch (claim.part) {
    case "rate": {
      const wait = Math.min(MAX_RETRY_S, Math.max(1, Math.ceil(level.mark / 1e6)));
      const { requests, periodUs, burst } = claim.need;
      const seconds = periodUs / 1e6;
      const pace = `${requests} requests in ${seconds} s`;
      // With a burst of its own, fewer than the quota may have come.
      const bursting = burst !== requests;
      const reason = `limit "${id}": more than ${bursting ? `a burst of ${burst} at a pace of ${pace}` : pace}`;
      const policy = `"${id}";q=${requests};w=${seconds}${bursting ? `;burst=${burst}` : ""}`;
      return block(reason, "rate_limited", { ...detail, status: 429, fields: waiting(id, policy, requests, wait) });
    }
    case "concurrency": {
      const { max } = claim.need;
      const reason = `limit "${id}": ${max} requests are under way already`;
      const policy = `"${id}";q=${max};qu="concurrent-requests"`;
      return block(reason, "rate_limited", { ...detail, status: 429, fields: waiting(id, policy, max, 1) });
    }
    default: {
      const { vector, write } = SPENT[claim.part];
      const reason = `limit "${id}": ${budgetWords(claim, level, (amount) => write(amount, claim.limit))}`;
      return block(reason, vector, { ...detail, fields: untilReset(claim, level, now) });
    }
  }
}

interface Spent {
  readonly vector: string;
  readonly write: (amount: number, limit: Limit) => string;
}

/** How a budget that is spent says so. */
const SPENT: Readonly<Record<BudgetPart, Spent>> = {
  bytes: { vector: "budget_exceeded", write: (amount) => `${amount} bytes` },
  tokens: { vector: "budget_exceeded", write: (amount) => `${amount} tokens` },
  money: { vector: "budget_exceeded", write: (amount, { money }) => inCurrency(amount, money) },
  payment: { vector: "payment_ceiling", write: (amount, { payment }) => inCurrency(amount, payment) },
};

function inCurrency(amount: number, of: { readonly currency: string } | null): string {
  if (of === null) throw new Error("a budget of no currency is spent");
  return formatMicros(amount, of.currency);
}

/** `outage`: nobody answers; else there is an answer, and it is that this cannot be counted. */
export function unavailable(limit: { readonly id: string }, policyVersion: string | null, outage: boolean): Decision {
  const reason = outage
    ? `the counters of limit "${limit.id}" cannot be asked`
    : `limit "${limit.id}": there is no room to count this`;
  return failClosed(reason, "limits_unavailable", { rule: ruleOf(limit), policyVersion });
}

/** The fields of the IETF's draft, and those that clients have read for longer. */
function waiting(id: string, policy: string, quota: number, wait: number): string[] {
  return [
    "Retry-After",
    String(wait),
    "RateLimit-Policy",
    policy,
    "RateLimit",
    `"${id}";r=0;t=${wait}`,
    "X-RateLimit-Limit",
    String(quota),
    "X-RateLimit-Remaining",
    "0",
    "X-RateLimit-Reset",
    String(wait),
  ];
}

/** No Retry-After: of a budget nobody shall wait in a loop for the end. */
function untilReset({ limit, need, period }: BudgetClaim, level: Level, now: number): string[] {
  const seconds = Math.max(0, Math.ceil((windowEnd(period, level.mark) - now) / 1000));
  const left = Math.max(0, need.max - level.value);
  return ["RateLimit", `"${limit.id}";r=${left};t=${seconds}`];
}

function budgetWords({ need, period }: BudgetClaim, level: Level, write: (amount: number) => string): string {
  const ends = new Date(windowEnd(period, level.mark)).toISOString().slice(0, 19);
  const spent = `${write(level.value)} of ${write(need.max)} in ${period.text} are spent`;
  return `${spent}, and this would be up to ${write(need.amount)}; the period ends ${ends}Z`;
}
