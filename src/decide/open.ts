/** The decider a configuration asks for, and what else of the policy the gateway needs. */
import type { Config } from "../config/config.ts";
import type { LimitProgram } from "../limits/compile.ts";
import type { Decision } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { AddressPolicy } from "./address.ts";
import type { Candidate, CandidateEvents } from "./candidate.ts";
import type { Decider } from "./decider.ts";
import { lateDecider } from "./late.ts";
import { NO_POLICY, withoutPolicy } from "./no-policy.ts";

export interface OpenedDecider extends Decider, AddressPolicy {
  /** Why decisions are not what they should be (a stale policy, a plane that is down); null when all is well. */
  readonly problem: string | null;
  readonly planeDown: boolean;
  /** Why the plane gave no decision when it was last asked, and where it is; null when it gave one. Not for clients. */
  readonly planeTrouble: string | null;
  /** The policy that is only compared with the one in force; null when there is none. */
  readonly candidate: Candidate | null;
  /** Nothing that was decided before now may be used again. */
  forget(): void;
  /** What the local policy says of a destination now; null when it has nothing against it. For what already runs. */
  recheck(egress: Egress): Decision | null;
  /** Of the local policy in force; null without one. */
  limits(): LimitProgram | null;
  /**
   * Looks for a new policy where one is fetched, as often as configured. `changed` is told of every look that found
   * another one, or found it stale, or no longer.
   */
  watch(changed: (result: { readonly ok: boolean; readonly message: string }) => void): void;
  /** For after the start: loads what the first request would have to wait for, in steps of a few milliseconds. */
  prepare(): void;
  /** Lets go of connections to the plane, when it has heard the last of what left, and looks for nothing any more. */
  close(): Promise<void>;
}

/** What deciders tell besides their decisions. None of them throws. */
export interface DecisionEvents extends CandidateEvents {
  /** What an operator should know. */
  warn(message: string): void;
  cacheLooked(result: "hit" | "miss"): void;
  /** Allowed although the plane is down. */
  degraded(): void;
}

/**
 * Rejects with Fault `policy_invalid`. Without a policy there is nothing that a start could find wrong, and so nothing to
 * wait for: what decides is loaded behind it.
 */
export async function openDecider(runtime: Runtime, config: Config, events: DecisionEvents): Promise<OpenedDecider> {
  const open = async () => (await import("./opened.ts")).openNow(runtime, config, events);
  if (withoutPolicy(config) && config.governance === null) {
    events.warn(NO_POLICY);
    if (config.candidatePath === null) return lateDecider(open, config);
  }
  return open();
}
