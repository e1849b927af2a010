/** How a limit says no. */
import type { Claim, Objection } from "../limits/claims.ts";
import { formatMicros } from "../limits/money.ts";
import { windowEnd } from "../limits/period.ts";
import type { Level } from "../limits/store.ts";
import { block, type Decision, failClosed } from "../model/decision.ts";

const MAX_RETRY_S = 86_400;

export function ruleOf(limit: { readonly id: string }): string {
  return `limit: ${limit.id}`;
}

export function objected({ limit, vector, reason }: Objection, policyVersion: string | null): Decision {
  return block(`limit "${limit.id}": ${reason}`, vector, { rule: ruleOf(limit), policyVersion });
}

/** `now`: milliseconds since the epoch. */
export function overLimit(claim: Claim, level: Level, now: number, policyVersion: string | null): Decision {
  const detail = { rule: ruleOf(claim.limit), policyVersion };
  const { id, rate, concurrency } = claim.limit;
  if (claim.part === "rate" && rate !== null) {
    const wait = Math.min(MAX_RETRY_S, Math.max(1, Math.ceil(level.mark / 1e6)));
    const { requests, seconds, burst } = rate;
    const pace = `${requests} requests in ${seconds} s`;
    // With a burst of its own, fewer than the quota may have come.
    const bursting = burst !== requests;
    const reason = `limit "${id}": more than ${bursting ? `a burst of ${burst} at a pace of ${pace}` : pace}`;
    const policy = `"${id}";q=${requests};w=${seconds}${bursting ? `;burst=${burst}` : ""}`;
    return block(reason, "rate_limited", { ...detail, status: 429, fields: waiting(id, policy, requests, wait) });
  }
  if (claim.part === "concurrency" && concurrency !== null) {
    const reason = `limit "${id}": ${concurrency} requests are under way already`;
    const policy = `"${id}";q=${concurrency};qu="concurrent-requests"`;
    return block(reason, "rate_limited", { ...detail, status: 429, fields: waiting(id, policy, concurrency, 1) });
  }
  const reason = `limit "${id}": ${budgetWords(claim, level)}`;
  return block(reason, claim.part === "payment" ? "payment_ceiling" : "budget_exceeded", {
    ...detail,
    fields: untilReset(claim, level, now),
  });
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
function untilReset({ limit, need, period }: Claim, level: Level, now: number): string[] {
  if (need.kind !== "window" || period === null) return [];
  const seconds = Math.max(0, Math.ceil((windowEnd(period, level.mark) - now) / 1000));
  const left = Math.max(0, need.max - level.value);
  return ["RateLimit", `"${limit.id}";r=${left};t=${seconds}`];
}

function budgetWords({ part, limit, need, period }: Claim, level: Level): string {
  if (need.kind !== "window" || period === null) return "its budget is spent";
  const currency = part === "money" ? limit.money?.currency : part === "payment" ? limit.payment?.currency : undefined;
  const unit = part === "tokens" ? "tokens" : "bytes";
  const write = (amount: number): string =>
    currency === undefined ? `${amount} ${unit}` : formatMicros(amount, currency);
  const ends = new Date(windowEnd(period, level.mark)).toISOString().slice(0, 19);
  const spent = `${write(level.value)} of ${write(need.max)} in ${period.text} are spent`;
  return `${spent}, and this would be up to ${write(need.amount)}; the period ends ${ends}Z`;
}
