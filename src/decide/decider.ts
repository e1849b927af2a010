/** Step 3 of a decision: ask once, about the whole request, and let nothing but a well-formed answer count. */
import type { Config } from "../config/config.ts";
import { Fault, type FaultCode } from "../errors.ts";
import type { Carried } from "../limits/settlement.ts";
import { allow, type Decision, failClosed, type Mode, STATUSES } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import type { AnswerGuard, ScreenedHead } from "../model/screen.ts";
import type { UsageTap } from "./limits-tap.ts";
import { PlaneStatus } from "./plane-fault.ts";

export interface Decider {
  /** `body` is null for a tunnel. Synchronous whenever nothing has to be waited for. */
  decide(egress: Egress, body: HeldBody | null): Decision | Promise<Decision>;
  /** Of the policy that decides now; null without one. */
  readonly policyVersion: string | null;
  /** Reads the policy again. A bad one changes nothing: the old one stays, and the message says why. */
  reload(): Promise<{ ok: boolean; message: string }>;
  /** True when policy lets a tunnel to this place carry bytes that are neither TLS nor HTTP. */
  opaque(host: string, port: number): boolean;
  /** What somebody else's limits have reserved for this egress, whatever became of the decision; once. Absent: never anything. */
  lent?(egress: Egress): Lent | null;
  /** For the answer to this egress. Null, or absent: nothing in it is looked at. */
  screen?(egress: Egress, head: ScreenedHead): AnswerGuard | null;
  /**
   * True while this process itself reads for a decision that is still owed: time that runs out then is inspection that was
   * not finished, which is never a pass. Absent: it never does.
   */
  reading?(egress: Egress): boolean;
  /** This egress was permitted, by everything after the decision too, and its evidence is written: it leaves. Must not wait. */
  left?(egress: Egress): void;
}

/** A reservation of limits that are not this process's: released or settled at every end of the egress. */
export interface Lent {
  readonly tap: Pick<UsageTap, "head" | "body"> | null;
  release(): void;
  settle(carried: Carried): void;
}

/** What a layer does with an answer of the decider below it. */
type Follow = (decision: Decision, egress: Egress, held: HeldBody | null) => Decision | Promise<Decision>;

/** A decider whose answers are looked at again where `looks` says so: at once whenever the one below answers at once. */
export function layered(
  inner: Decider,
  { looks, follow }: { readonly looks: (egress: Egress, held: HeldBody | null) => boolean; readonly follow: Follow },
): Decider {
  return {
    ...passedOn(inner),
    // A getter does not survive being spread.
    get policyVersion() {
      return inner.policyVersion;
    },
    decide(egress, held) {
      const answer = inner.decide(egress, held);
      if (!looks(egress, held)) return answer;
      return answer instanceof Promise
        ? answer.then((decision) => follow(decision, egress, held))
        : follow(answer, egress, held);
    },
  };
}

/** What a layer leaves to the decider below it. */
export function passedOn(inner: Decider): Pick<Decider, "reload" | "opaque" | "reading"> {
  return {
    reload: () => inner.reload(),
    opaque: (host, port) => inner.opaque(host, port),
    reading: (egress) => inner.reading?.(egress) ?? false,
  };
}

/** What softens a decision, and the time it has. */
export type Softened = Pick<Config, "enforceTimeoutMs" | "failClosed" | "mode">;

/** What every certificate of a gateway so configured says in `mode`, unless a decision has more to say. */
export function runningMode(config: Pick<Config, "failClosed" | "mode">): Mode {
  return config.mode === "shadow" ? "shadow" : config.failClosed ? "enforce" : "fail_open";
}

/**
 * Wraps a decider so that a crash, a timeout or garbage becomes a fail_closed decision, and applies the two modes that
 * soften: shadow (verdicts and faults of the decision) and fail-open (its faults only). `decide` never throws and
 * never rejects. Its time may be over just before the inspection's own: both mean the same.
 */
export function guarded(inner: Decider, config: Softened): Decider {
  const mode = runningMode(config);

  function finish(answer: unknown): Decision {
    const decision = isDecision(answer) ? answer : failClosed("the decision is malformed", "decision_malformed");
    return mode === "enforce" ? decision : soften(decision, mode);
  }

  return {
    ...passedOn(inner),
    get policyVersion() {
      return inner.policyVersion;
    },
    decide(egress, body) {
      let answer: Decision | Promise<Decision>;
      try {
        answer = inner.decide(egress, body);
      } catch (thrown) {
        return finish(faultDecision(thrown));
      }
      if (!(answer instanceof Promise)) return finish(answer);
      return race(answer, config.enforceTimeoutMs, () => timedOut(inner, egress)).then(finish);
    },
  };
}

/** Resolves with the answer, or with the fail_closed decision for its failure or its absence in time. */
function race(answer: Promise<Decision>, timeoutMs: number, late: () => Decision): Promise<unknown> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(late()), timeoutMs);
    answer.then(
      (decision) => {
        clearTimeout(timer);
        resolve(decision);
      },
      (thrown) => {
        clearTimeout(timer);
        resolve(faultDecision(thrown));
      },
    );
  });
}

function timedOut(inner: Decider, egress: Egress): Decision {
  if (inner.reading?.(egress) !== true) return failClosed("the decision timed out", "decision_timeout");
  return exhausted(inner.policyVersion);
}

/** Never a pass, with EVE_PROXY_FAIL_CLOSED=0 neither: what was asked about was not read to its end. */
export function exhausted(policyVersion: string | null): Decision {
  return failClosed("the inspection ran out of its budget", "inspection_exhausted", { policyVersion });
}

/** What a client is told of a fault of the plane: which kind it was, and a status; never where the plane is, nor what to mend. */
const PLANE_FAULTS: Partial<Record<FaultCode, readonly [vector: string, reason: string]>> = {
  governance_unreachable: ["plane_unreachable", "the governance plane cannot be reached"],
  governance_timeout: ["decision_timeout", "the decision timed out"],
  governance_malformed: ["decision_malformed", "the governance plane's answer is malformed"],
  governance_unattested: ["attestation_invalid", "the governance plane's attestation does not hold"],
  governance_breaker_open: ["breaker_open", "the governance plane is not asked while it keeps failing"],
};

/** What is not let go because the plane is down, though nothing asked of it has failed. */
export function breakerOpen(): Decision {
  return faultDecision(new Fault("governance_breaker_open", ""));
}

function faultDecision(thrown: unknown): Decision {
  const known = thrown instanceof Fault ? PLANE_FAULTS[thrown.code] : undefined;
  if (known !== undefined) {
    const status = thrown instanceof PlaneStatus ? `: status ${thrown.status}` : "";
    return failClosed(`${known[1]}${status}`, known[0]);
  }
  // The text of an unforeseen exception may hold anything, the request's secrets too.
  return failClosed("the decision crashed", "decision_crashed");
}

/** Faults of the decision itself. `inspection_exhausted` is not one: failing open there would be skipped inspection. */
const DECISION_FAULTS = new Set(["decision_crashed", ...Object.values(PLANE_FAULTS).map(([vector]) => vector)]);

function soften(decision: Decision, mode: Mode): Decision {
  // An allow that rests on less than it should says so in every mode.
  if (decision.verdict === "allow") return decision.mode === "degraded" ? decision : { ...decision, mode };
  // What the embedded engine said in the plane's stead is a verdict, whatever it is called.
  const inStead = decision.mode === "degraded";
  const fault = decision.verdict === "fail_closed" && !inStead && DECISION_FAULTS.has(decision.vector ?? "");
  if (mode !== "shadow" && !fault) return { ...decision, mode };
  const { reason, pillar, vector, rule, policyVersion, attestationHash, verdict, findings } = decision;
  return allow(reason, { mode, would: verdict, pillar, vector, rule, policyVersion, attestationHash, findings });
}

function isDecision(answer: unknown): answer is Decision {
  if (typeof answer !== "object" || answer === null) return false;
  const { verdict, status, reason, replacement, pillar, vector, mode } = answer as Partial<Decision>;
  if (typeof verdict !== "string" || !Object.hasOwn(STATUSES, verdict) || typeof reason !== "string") return false;
  const statuses: readonly unknown[] = STATUSES[verdict];
  if (!statuses.includes(status) || typeof mode !== "string") return false;
  if ((verdict === "sanitize") !== replacement instanceof Uint8Array) return false;
  return status === null || (typeof pillar === "string" && typeof vector === "string");
}
