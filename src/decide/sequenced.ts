/** Sequences of the policy over what a decider lets go. The sessions are this process's: workers and replicas see their own. */
import { block, type Decision, permits } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import type { Sequence } from "../policy/sequences.ts";
import { SequenceState } from "../policy/sequences.ts";
import type { Decider } from "./decider.ts";
import { type Asking, EgressQuestion } from "./egress-question.ts";

export interface SequencedOptions extends Asking {
  /** Of the policy in force, asked every time. */
  readonly policy: { readonly version: string | null; readonly sequences: readonly Sequence[] };
}

export function sequenced(inner: Decider, options: SequencedOptions): Decider {
  const { policy } = options;
  const state = new SequenceState();

  function follow(decision: Decision, egress: Egress, held: HeldBody | null): Decision {
    // What does not leave is no step, and a veto is not made milder.
    if (!permits(decision)) return decision;
    const { sequences, version: policyVersion } = policy;
    if (sequences.length === 0) return decision;
    const question = new EgressQuestion(options, egress, held, null);
    const about = { findings: decision.findings, client: egress.principal.address };
    const { hits, record } = state.look(sequences, question, about);
    const enforced = hits.filter(({ shadow }) => !shadow);
    const first = enforced.find(({ verdict }) => verdict === "deny") ?? enforced[0];
    const { findings } = decision;
    if (first !== undefined) {
      const veto = block(first.reason, "sequence", { rule: first.rule, policyVersion, findings });
      return first.verdict === "deny" ? veto : { ...veto, verdict: "hold" };
    }
    record();
    const watched = hits.find(({ verdict }) => verdict === "deny") ?? hits[0];
    if (watched === undefined || decision.would !== null) return decision;
    const would = watched.verdict === "deny" ? "block" : "hold";
    // Where it is said already that this allow is a lesser one, that stays.
    const mode = decision.mode === "enforce" ? "shadow" : decision.mode;
    return { ...decision, would, mode, pillar: "CoreGuard", vector: "sequence", rule: watched.rule };
  }

  return {
    get policyVersion() {
      return inner.policyVersion;
    },
    reload: () => inner.reload(),
    opaque: (host, port) => inner.opaque(host, port),
    decide(egress, held) {
      const answer = inner.decide(egress, held);
      if (policy.sequences.length === 0) return answer;
      return answer instanceof Promise
        ? answer.then((decision) => follow(decision, egress, held))
        : follow(answer, egress, held);
    },
  };
}
