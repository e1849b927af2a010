/** The gateway's own verdicts without a gateway: blocked hosts, addresses, policy and Pillar 128, and no name resolution. */
import { portableDigest } from "../crypto/digest.ts";
import { addressGuard } from "../decide/address.ts";
import { guarded } from "../decide/decider.ts";
import { embeddedDecider } from "../decide/embedded.ts";
import { hostGate } from "../decide/host.ts";
import { type Policy, verdictsOf } from "../decide/policy.ts";
import { sequenced } from "../decide/sequenced.ts";
import { Engine } from "../engine/engine.ts";
import { Fault } from "../errors.ts";
import type { Decision } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import { NO_TERMS } from "../policy/cache-terms.ts";
import { compilePolicy } from "../policy/program.ts";
import { type Cidr, parseCidr } from "../wire/ip.ts";
import { sha256 } from "./content.ts";

export interface JudgeOptions {
  readonly blockedHosts: readonly string[];
  readonly allowAddresses: readonly string[];
  /** YAML as in a policy file, or null. */
  readonly policy: string | null;
  readonly maxBody: number;
  readonly timeoutMs: number;
}

export type Judge = (egress: Egress, body: Uint8Array | null) => Promise<Decision>;

/** Throws TypeError for a host or network that cannot be read, Fault `policy_invalid` for such a policy. */
export function judge(options: JudgeOptions): Judge {
  const gate = hostGate(options.blockedHosts, { listeners: [], services: [], localAddresses: [] });
  const policy = policyOf(options.policy);
  const guard = addressGuard({ allow: options.allowAddresses.map(network), gate, policy });
  const { maxBody, timeoutMs } = options;
  const clock = {
    monotonic: () => performance.now(),
    now: () => Date.now(),
    decode: () =>
      Promise.reject(new Fault("decode_failed", "the body has a content coding that cannot be inspected here")),
  };
  // Equal credentials are told as equal within this judge, and to nobody else.
  const fingerprint = portableDigest.hmacSha256(crypto.getRandomValues(new Uint8Array(32)));
  const settings = {
    enforceTimeoutMs: timeoutMs,
    maxBody,
    maxHeld: maxBody,
    orgId: "default",
    failClosed: true,
    mode: "enforce",
  } as const;
  const engine = embeddedDecider(clock, settings, policy, fingerprint);
  const asking = { org: settings.orgId, fingerprint, now: clock.now, clock: clock.monotonic };
  const steps = sequenced(engine, { ...asking, policy });
  const decider = guarded(steps, settings);

  return async (egress, bytes) => {
    const { destination } = egress;
    const named = gate.check(destination);
    if (named !== null) return named;
    const body = bytes === null ? null : { bytes, sha256: await sha256(bytes), trailers: null };
    const decision = await decider.decide(egress, body);
    if (decision.verdict !== "allow") return decision;
    const addresses = knownAddresses(destination.host, destination.literal);
    const veto = addresses === null ? null : guard.check(addresses, destination.port, destination.host);
    if (veto !== null) return { ...veto, policyVersion: decision.policyVersion };
    steps.left(egress);
    return decision;
  };
}

/** What can be told without asking a resolver; null when nothing can. */
export function knownAddresses(host: string, literal: boolean): readonly string[] | null {
  if (literal) return [host];
  return host === "localhost" || host.endsWith(".localhost") ? ["127.0.0.1", "::1"] : null;
}

function network(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === null) throw new TypeError(`allowed address "${text}" is not an address or network`);
  return cidr;
}

function policyOf(text: string | null): Policy {
  const program = text === null ? null : compilePolicy([{ name: "policy", text }]);
  // Read and not obeyed, they would be a budget nobody keeps.
  if (program !== null && program.limits.limits.length > 0) {
    throw new Fault(
      "unsupported",
      "the policy has limits, which only the gateway keeps: take them out, or use the gateway",
    );
  }
  return {
    version: program?.version ?? null,
    engine: new Engine(program),
    sources: [],
    problem: null,
    sequences: program?.sequenceRules ?? [],
    cache: NO_TERMS,
    ...verdictsOf(() => program),
    reload: async () => ({ ok: true, message: "the policy is fixed" }),
  };
}
