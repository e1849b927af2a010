/**
 * A policy beside the one in force: asked the same behind every answer, so that what it would change is known before it is
 * put in force. It decides nothing, and nothing waits for it.
 */
import type { Config } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import type { Decision } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import type { Fingerprint } from "./credential-fields.ts";
import { type Decider, guarded } from "./decider.ts";
import { embeddedDecider } from "./embedded.ts";
import type { Policy } from "./policy.ts";
import { openPolicy } from "./policy-files.ts";

/** What waits to be compared; more is passed over. */
const MAX_WAITING = 256;
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** A turn of comparing lasts so long, and then so many times as long nothing is compared: a tenth of one core at the most. */
const TURN_MS = 1;
const REST = 9;

export interface Compared {
  readonly egress: Egress;
  readonly held: HeldBody | null;
  /** What the decider in force said, as it said it. */
  readonly decision: Decision;
  readonly certificateId: string;
}

/** Told of what the comparison comes to. None of them throws. */
export interface CandidateEvents {
  same(): void;
  /** `line`: JSON for the candidate file. */
  differs(from: string, to: string, line: string): void;
  /** Nobody had the time. */
  skipped(): void;
}

export interface Candidate {
  readonly version: string | null;
  /** Why the candidate is not the file's, or null. Never a problem of the policy in force. */
  readonly problem: string | null;
  reload(): Promise<void>;
  compare(about: Compared): void;
}

type Machine = Parameters<typeof embeddedDecider>[0] & Parameters<typeof openPolicy>[0];
type Settings = Parameters<typeof embeddedDecider>[1] & Pick<Config, "failClosed" | "mode">;

export interface CandidateOptions {
  readonly path: string;
  readonly fingerprint: Fingerprint;
  readonly events: CandidateEvents;
}

/** Never rejects: a candidate that is no good is a problem to be told, and compares nothing. */
export async function openCandidate(runtime: Machine, config: Settings, options: CandidateOptions): Promise<Candidate> {
  const { path, fingerprint, events } = options;
  let policy: Policy | null = null;
  let decider: Decider | null = null;
  let problem: string | null = null;
  const waiting: Compared[] = [];
  let bytes = 0;
  let running = false;

  async function open(): Promise<void> {
    try {
      policy = await openPolicy(runtime, path);
      // The same softening as in force, or every line would say what shadow says anyway.
      decider = guarded(embeddedDecider(runtime, config, policy, fingerprint), config);
      problem = null;
    } catch (thrown) {
      problem = messageOf(thrown);
    }
  }

  async function turn(asking: Decider): Promise<void> {
    const from = runtime.monotonic();
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      bytes -= next.held?.bytes.length ?? 0;
      report(next, await asking.decide(next.egress, next.held));
      if (runtime.monotonic() - from >= TURN_MS) break;
    }
    const took = runtime.monotonic() - from;
    if (waiting.length > 0) setTimeout(() => run(asking), REST * took);
    else running = false;
  }

  function run(asking: Decider): void {
    turn(asking).catch(() => {
      // It is about nothing but the comparison.
      running = false;
      events.skipped();
    });
  }

  function report({ decision: was, certificateId }: Compared, is: Decision): void {
    // It had no time, or crashed: that says nothing of the policy.
    if (is.verdict === "fail_closed") {
      events.skipped();
      return;
    }
    const from = named(was);
    const to = named(is);
    if (from === to) events.same();
    else {
      const at = new Date(runtime.now()).toISOString();
      events.differs(from, to, JSON.stringify({ certificate_id: certificateId, at, from: told(was), to: told(is) }));
    }
  }

  await open();
  return {
    get version() {
      return policy?.version ?? null;
    },
    get problem() {
      return problem ?? policy?.problem ?? null;
    },
    async reload() {
      if (policy === null) await open();
      else await policy.reload();
    },
    compare(about) {
      // What could not be decided cannot be compared.
      if (decider === null || about.decision.verdict === "fail_closed") return;
      const length = about.held?.bytes.length ?? 0;
      if (waiting.length >= MAX_WAITING || bytes + length > MAX_WAITING_BYTES) {
        events.skipped();
        return;
      }
      waiting.push(about);
      bytes += length;
      if (running) return;
      running = true;
      const asking = decider;
      // Behind the answer, which is on its way when this turn of the loop ends.
      setTimeout(() => run(asking), 0);
    },
  };
}

/** The verdict as a label: with what it would have been, where that is another. */
function named({ verdict, would }: Decision): string {
  return would === null ? verdict : `${verdict}_would_${would}`;
}

function told({ verdict, would, pillar, vector, rule, policyVersion }: Decision): object {
  return { verdict, would, pillar, vector, rule, policy_version: policyVersion };
}
