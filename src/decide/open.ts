/** The decider a configuration asks for, and what else of the policy the gateway needs. */
import type { Config } from "../config/config.ts";
import type { Decision } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { AddressPolicy } from "./address.ts";
import { fingerprints } from "./credential-fields.ts";
import { type Decider, guarded } from "./decider.ts";
import { embeddedDecider } from "./embedded.ts";
import { planeDecider } from "./governance.ts";
import { type FetchedPolicy, openBundlePolicy } from "./policy-bundle.ts";
import { openPolicy } from "./policy-files.ts";
import { Poll } from "./poll.ts";

export interface OpenedDecider extends Decider, AddressPolicy {
  /** Why decisions are not what they should be (a stale policy, a plane that is down); null when all is well. */
  readonly problem: string | null;
  readonly planeDown: boolean;
  /** What the local policy says of a destination now; null when it has nothing against it. For what already runs. */
  recheck(egress: Egress): Decision | null;
  /**
   * Looks for a new policy where one is fetched, as often as configured. `changed` is told of every look that found
   * another one, or found it stale, or no longer.
   */
  watch(changed: (result: { readonly ok: boolean; readonly message: string }) => void): void;
  /** Lets go of connections to the plane, and looks for nothing any more. */
  close(): void;
}

const NO_POLICY =
  'no policy is configured: every host is allowed that EVE_PROXY_BLOCKED_HOSTS does not name; to tighten, set EVE_PROXY_POLICY to a file with "version: 1", "default: deny" and the hosts to allow';

/** Null: the policy is one of files, or there is none. */
async function fetchedPolicy(
  runtime: Runtime,
  { policyBundle, opa, maxBody }: Config,
  warn: (message: string) => void,
): Promise<FetchedPolicy | null> {
  if (policyBundle !== null) return openBundlePolicy(runtime, policyBundle);
  if (opa === null) return null;
  const { openOpaPolicy } = await import("./opa-policy.ts");
  return openOpaPolicy(runtime, opa, { maxBody, fault: seldom(runtime, warn) });
}

const SELDOM_MS = 10_000;

/** A policy that is broken is so for every request: the log hears of it now and then. */
export function seldom(clock: Pick<Runtime, "monotonic">, say: (message: string) => void): (message: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (message) => {
    const now = clock.monotonic();
    if (now - last < SELDOM_MS) return;
    last = now;
    say(message);
  };
}

/** `warn` is told what an operator should know, at start and when a policy proves broken. Rejects with Fault `policy_invalid`. */
export async function openDecider(
  runtime: Runtime,
  config: Config,
  warn: (message: string) => void,
): Promise<OpenedDecider> {
  const { governance, policyBundle } = config;
  const fetched = await fetchedPolicy(runtime, config, warn);
  const policy = fetched ?? (await openPolicy(runtime, config.policyPath));
  if (fetched !== null && fetched.problem !== null) warn(`the policy is one kept from before: ${fetched.problem}`);
  if (policy.version === null && governance === null) warn(NO_POLICY);
  const plane = governance === null ? null : planeDecider(runtime, { ...config, governance }, policy);
  const poll = new Poll(runtime, policyBundle?.intervalMs ?? config.opa?.intervalMs ?? 0);
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
    deniedAddress: (address, port) => policy.deniedAddress(address, port),
    watch(changed) {
      // A file is read when somebody says so.
      if (fetched === null || (policyBundle === null && !/^https?:/.test(config.opa?.bundle ?? ""))) return;
      let known = `${policy.version} ${policy.problem}`;
      poll.start(async () => {
        const result = await policy.reload();
        const now = `${policy.version} ${policy.problem}`;
        if (now !== known) changed(result);
        known = now;
      });
    },
    close() {
      poll.stop();
      plane?.close();
      fetched?.close();
    },
  };
}
