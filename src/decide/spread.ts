/**
 * A phrase of Pillar 128 spread over consecutive requests of a session: what one begins with completes what the one before
 * ended with. The sessions are this process's: workers and replicas see their own.
 */
import { SessionTails } from "../detect/session.ts";
import { type Decision, permits } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import type { Decider } from "./decider.ts";
import type { Policy } from "./policy.ts";
import { decisionOf } from "./ruling.ts";

const SESSIONS = 1024;

/** Only what leaves is remembered. */
export function spreadWatched(inner: Decider, policy: Pick<Policy, "engine">): Decider {
  const tails = new SessionTails({ sessions: SESSIONS });
  /** Of the request before: most often the next is of the same session, and its key is the same string. */
  let last = { address: "", agent: "", host: "", key: "" };

  function keyOf({ principal, destination }: Egress): string {
    const { address } = principal;
    const agent = principal.agent ?? "";
    const { host } = destination;
    if (last.address !== address || last.agent !== agent || last.host !== host)
      last = { address, agent, host, key: `${address} ${agent} ${host}` };
    return last.key;
  }

  function follow(decision: Decision, egress: Egress, held: HeldBody): Decision {
    if (!permits(decision)) return decision;
    const found = tails.next(keyOf(egress), decision.replacement ?? held.bytes);
    const veto = found === null ? null : policy.engine.vetoed(found);
    return veto === null ? decision : decisionOf(veto, { egress, held, attestationHash: null });
  }

  return {
    get policyVersion() {
      return inner.policyVersion;
    },
    reload: () => inner.reload(),
    opaque: (host, port) => inner.opaque(host, port),
    decide(egress, held) {
      const answer = inner.decide(egress, held);
      // Coded bytes have no letters of their own.
      if (held === null || held.bytes.length === 0 || egress.coded) return answer;
      return answer instanceof Promise
        ? answer.then((decision) => follow(decision, egress, held))
        : follow(answer, egress, held);
    },
  };
}
