/** All that decides, put around each other as a configuration asks for it. */
import type { Config, GovernanceConfig } from "../config/config.ts";
import type { CacheTerms } from "../policy/cache-terms.ts";
import { pastTunnels } from "../policy/lint-tunnels.ts";
import { onlyWatched } from "../policy/watching.ts";
import type { Runtime } from "../runtime/contract.ts";
import { answerGuard } from "./answer-guard.ts";
import { cachedDecider } from "./cached.ts";
import { openCandidate } from "./candidate.ts";
import { fingerprints } from "./credential-fields.ts";
import { guarded, runningMode } from "./decider.ts";
import { type DegradedTerms, degradable } from "./degraded.ts";
import { embeddedDecider } from "./embedded.ts";
import type { PlaneDecider } from "./governance.ts";
import type { DecisionEvents, OpenedDecider } from "./open.ts";
import { leftToPlane, type Policy } from "./policy.ts";
import type { FetchedPolicy } from "./policy-bundle.ts";
import { openPolicy } from "./policy-files.ts";
import { Poll } from "./poll.ts";
import { seldom, seldomEach } from "./seldom.ts";
import { sequenced } from "./sequenced.ts";
import { spreadWatched } from "./spread.ts";

const MAX_REMEMBERED = 1_000_000;

/** Setting and policy may each ask for it; of two times the shorter counts. Writes are the setting's to say. */
function degradedTerms(
  { degraded, degradedTtlMs }: Pick<Config, "degraded" | "degradedTtlMs">,
  { allowKnownMs }: CacheTerms,
): DegradedTerms | null {
  if (degraded === "off") return allowKnownMs === null ? null : { writes: false, forMs: allowKnownMs };
  return { writes: degraded === "all", forMs: Math.min(degradedTtlMs, allowKnownMs ?? degradedTtlMs) };
}

const DEGRADED = "DEGRADED: the governance plane is down; what it allowed before passes, everything else fails closed";
const LOST_OUTCOMES =
  "the governance plane is not told how requests ended: what its limits have reserved for them stays reserved";
const BAD_CANDIDATE = "the candidate policy is no good and compares nothing new";

/** Null: the policy is one of files, or there is none. */
async function fetchedPolicy(
  runtime: Runtime,
  { policyBundle, opa, maxBody, hmacKey, signingKey }: Config,
  warn: (message: string) => void,
): Promise<FetchedPolicy | null> {
  if (policyBundle !== null) {
    const { openBundlePolicy } = await import("./policy-bundle.ts");
    return openBundlePolicy(runtime, { ...policyBundle, hmacKey, signingKey });
  }
  if (opa === null) return null;
  const { openOpaPolicy } = await import("./opa-policy.ts");
  return openOpaPolicy(runtime, opa, { maxBody, fault: seldom(runtime, warn) });
}

/** What only some configurations need is loaded for them only: a start is short. */
async function openPlane(
  runtime: Runtime,
  config: Config,
  governance: GovernanceConfig,
  policy: Policy,
  warn: (message: string) => void,
): Promise<PlaneDecider> {
  const { planeDecider } = await import("./governance.ts");
  const say = seldom(runtime, warn);
  const events = { lost: () => say(LOST_OUTCOMES), troubled: seldomEach(runtime, warn) };
  return planeDecider(runtime, { ...config, governance }, policy, events);
}

/** Rejects with Fault `policy_invalid`. Loads every room that rules on a request: see `openDecider`. */
export async function openNow(runtime: Runtime, config: Config, events: DecisionEvents): Promise<OpenedDecider> {
  const { governance, candidatePath, policyBundle } = config;
  const fetched = await fetchedPolicy(runtime, config, events.warn);
  const policy = fetched ?? (await openPolicy(runtime, config.policyPath));
  if (fetched !== null && fetched.problem !== null)
    events.warn(`the policy is one kept from before: ${fetched.problem}`);
  const fingerprint = fingerprints(runtime, config);
  const engine = embeddedDecider(runtime, config, policy, fingerprint);
  const plane = governance === null ? null : await openPlane(runtime, config, governance, policy, events.warn);
  const remark = (): void => {
    const { program } = policy.engine;
    // Beside a plane the policy's inspection is not run at all.
    const remarked = plane !== null ? leftToPlane(policy.engineOnly()) : program === null ? null : onlyWatched(program);
    if (remarked !== null) events.warn(remarked);
    // Where tunnels that nobody reads are closed, nothing goes past in one.
    const unread = config.interceptCa === null && config.connectPassthrough && plane === null;
    const missed = unread && program !== null ? pastTunnels(program) : null;
    if (missed !== null) events.warn(missed);
  };
  remark();
  const clock = runtime.monotonic;
  const org = config.orgId;
  const mode = runningMode(config);
  const lasting =
    plane === null
      ? null
      : degradable(plane, engine, {
          terms: () => degradedTerms(config, policy.cache),
          org,
          fingerprint,
          clock,
          began: () => events.warn(DEGRADED),
          used: events.degraded,
        });
  const cached = cachedDecider(lasting ?? plane ?? engine, {
    // Of what shadow lets go nothing is remembered, whoever said how long it holds.
    bounds: () => ({
      entries: config.mode === "shadow" ? 0 : Math.min(config.decisionCache, policy.cache.entries ?? MAX_REMEMBERED),
      mostMs: policy.cache.readsMs ?? Number.POSITIVE_INFINITY,
    }),
    org,
    hash: runtime.hmacSha256(new TextEncoder().encode(runtime.randomHex(32))),
    clock,
    looked: events.cacheLooked,
  });
  // Outside the cache: a step is a step, however its decision came about.
  const steps = sequenced(spreadWatched(cached, policy), { org, fingerprint, now: runtime.now, clock, policy });
  const decider = guarded(steps, config);
  const candidate =
    candidatePath === null ? null : await openCandidate(runtime, config, { path: candidatePath, fingerprint, events });
  if (candidate !== null && candidate.problem !== null) events.warn(`${BAD_CANDIDATE}: ${candidate.problem}`);
  const poll = new Poll(runtime, policyBundle?.intervalMs ?? config.opa?.intervalMs ?? 0);
  return {
    candidate,
    forget() {
      cached.forget();
      lasting?.forget();
    },
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
    get planeTrouble() {
      return plane?.trouble ?? null;
    },
    recheck(egress) {
      const judged = policy.judge(egress.destination);
      return typeof judged === "string" ? null : judged;
    },
    decide: (egress, body) => decider.decide(egress, body),
    async reload() {
      const [result] = await Promise.all([decider.reload(), candidate?.reload()]);
      if (result.ok) remark();
      if (candidate === null) return result;
      if (candidate.problem !== null) events.warn(`${BAD_CANDIDATE}: ${candidate.problem}`);
      const said = candidate.problem === null ? `the candidate is ${candidate.version}` : BAD_CANDIDATE;
      return { ok: result.ok, message: `${result.message}; ${said}` };
    },
    opaque: (host, port) => decider.opaque(host, port),
    // Beside a plane too, which decides what leaves and never sees an answer: by the policy that this relay has.
    screen: (egress, head) => answerGuard({ runtime, engine: policy.engine, mode }, egress.destination, head),
    limits: () => policy.limits(),
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
    prepare() {
      // Who intercepts means to read; who only may waits for the first body, and stays small until then.
      if (config.interceptCa !== null && plane === null) engine.prepare();
    },
    lent: (egress) => plane?.lent(egress) ?? null,
    left: (egress) => steps.left(egress),
    async close() {
      poll.stop();
      fetched?.close();
      await plane?.close();
    },
  };
}
