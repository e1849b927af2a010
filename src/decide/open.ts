/** The decider a configuration asks for, and what else of the policy the gateway needs. */
import type { Config } from "../config/config.ts";
import type { LimitProgram } from "../limits/compile.ts";
import type { Decision } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { AddressPolicy } from "./address.ts";
import { fingerprints } from "./credential-fields.ts";
import { type Decider, guarded } from "./decider.ts";
import { embeddedDecider } from "./embedded.ts";
import { openPolicy } from "./policy-files.ts";

export interface OpenedDecider extends Decider, AddressPolicy {
  /** Why decisions are not what they should be (a stale policy, a plane that is down); null when all is well. */
  readonly problem: string | null;
  readonly planeDown: boolean;
  /** What the local policy says of a destination now; null when it has nothing against it. For what already runs. */
  recheck(egress: Egress): Decision | null;
  /** Of the local policy in force; null without one. */
  limits(): LimitProgram | null;
  /** Lets go of connections to the plane. */
  close(): void;
}

const NO_POLICY =
  'no policy is configured: every host is allowed that EVE_PROXY_BLOCKED_HOSTS does not name; to tighten, set EVE_PROXY_POLICY to a file with "version: 1", "default: deny" and the hosts to allow';

/** `warn` is told once, at start, what an operator should know. Rejects with Fault `policy_invalid`. */
export async function openDecider(
  runtime: Runtime,
  config: Config,
  warn: (message: string) => void,
): Promise<OpenedDecider> {
  const policy = await openPolicy(runtime, config.policyPath);
  const { governance } = config;
  if (policy.version === null && governance === null) warn(NO_POLICY);
  const plane =
    governance === null
      ? null
      : (await import("./governance.ts")).planeDecider(runtime, { ...config, governance }, policy);
  const decider = guarded(plane ?? embeddedDecider(runtime, config, policy, fingerprints(runtime, config)), config);
  return {
    get policyVersion() {
      return decider.policyVersion;
    },
    get problem() {
      if (policy.problem !== null) return `the policy is stale: ${policy.problem}`;
      return plane === null || plane.breaker.state === "closed" ? null : "the governance plane is down";
    },
    get planeDown() {
      return plane !== null && plane.breaker.state !== "closed";
    },
    recheck(egress) {
      const judged = policy.judge(egress.destination);
      return typeof judged === "string" ? null : judged;
    },
    decide: (egress, body) => decider.decide(egress, body),
    reload: () => decider.reload(),
    opaque: (host, port) => decider.opaque(host, port),
    limits: () => policy.limits(),
    deniedAddress: (address, port) => policy.deniedAddress(address, port),
    close: () => plane?.close(),
  };
}
