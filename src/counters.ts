/** The counters of limits where several workers share a port: the parent holds them, and is asked over the control socket. */
import type { ControlLink, Message } from "./control.ts";
import { Fault } from "./errors.ts";
import type { Adjustment, LimitStore } from "./limits/store.ts";

type Counting = Extract<Message, { readonly kind: "take" | "adjust" | "renew" }>;

/** The parent's side. */
export function count(counters: LimitStore, message: Counting, link: ControlLink): void {
  if (message.kind === "adjust") counters.adjust(message.holder, message.adjustments);
  else if (message.kind === "renew") counters.renew(message.places, message.leaseMs);
  else {
    const { id, holder, needs } = message;
    const answer = (taken: Awaited<ReturnType<LimitStore["take"]>> | null): void =>
      link.send({ kind: "taken", id, taken });
    try {
      const taken = counters.take(holder, needs);
      if (taken instanceof Promise) taken.then(answer, () => answer(null));
      else answer(taken);
    } catch {
      answer(null);
    }
  }
}

/**
 * A worker's side. A parent that is gone ends its workers, so it is always there to be asked. Rejects with Fault
 * `limits_unreachable` when it does not answer in time, `limits_uncounted` when it says that it cannot count.
 */
export function parentCounters(link: ControlLink, timeoutMs: number): LimitStore {
  return {
    up: true,
    async take(holder, needs) {
      const answer = await link.take(holder, needs, timeoutMs);
      if (answer?.kind !== "taken" || answer.taken === null) {
        // It may be taken all the same, a little later: places are given back, budgets only the parent knows.
        if (answer === null) link.send({ kind: "adjust", holder, adjustments: placesOf(needs) });
        if (answer === null) throw new Fault("limits_unreachable", "the parent does not answer");
        throw new Fault("limits_uncounted", "the parent has no room for another counter");
      }
      return answer.taken;
    },
    adjust: (holder, adjustments) => {
      if (adjustments.length > 0) link.send({ kind: "adjust", holder, adjustments });
    },
    renew: (places, leaseMs) => link.send({ kind: "renew", places, leaseMs }),
    close() {},
  };
}

function placesOf(needs: Parameters<LimitStore["take"]>[1]): Adjustment[] {
  return needs.flatMap((need) => (need.kind === "slots" ? [{ kind: "slots", key: need.key } as const] : []));
}
