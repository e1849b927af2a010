/** Sequences of the policy over what a decider lets go. The sessions are this process's: workers and replicas see their own. */
import { type Facts, factsOf } from "../content/facts.ts";
import { block, type Decision, permits } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import { Asked } from "../policy/asked.ts";
import { type Sequence, SequenceState } from "../policy/sequence-state.ts";
import { type Decider, layered } from "./decider.ts";
import { type Asking, EgressQuestion } from "./egress-question.ts";
import { HeadMemo } from "./head-memo.ts";
import { nextTurn, TURN_MS } from "./inspect-in-turns.ts";

export interface SequencedOptions extends Asking {
  /** Of the policy in force, asked every time. */
  readonly policy: { readonly version: string | null; readonly sequences: readonly Sequence[] };
  /** Monotonic ms. */
  readonly clock: () => number;
}

/** A longer body is read in turns where a step asks for what stands in it. */
const SHORT_BYTES = 32 * 1024;

/** A step is what left, which limits, addresses and evidence have their say in: it counts when `left` is told of it. */
export function sequenced(inner: Decider, options: SequencedOptions): Decider & Required<Pick<Decider, "left">> {
  const { policy, clock } = options;
  const state = new SequenceState();
  /** What is to be remembered of an egress if it leaves. */
  const steps = new WeakMap<Egress, () => void>();
  const reading = new WeakSet<Egress>();

  function follow(decision: Decision, egress: Egress, held: HeldBody | null): Decision | Promise<Decision> {
    // What does not leave is no step, and a veto is not made milder.
    if (!permits(decision)) return decision;
    const { sequences, version } = policy;
    if (sequences.length === 0) return decision;
    // Its codings are not undone here: of such a body nothing can be told, and what cannot be told counts as looked for.
    const question = new EgressQuestion(
      options,
      egress,
      held,
      held === null ? null : held.bytes,
      new HeadMemo(options.fingerprint),
    );
    const facts = factsOf(question);
    const conclude = (): Decision => {
      const asked = new Asked(question, facts, decision.findings);
      const { hits, record } = state.look(sequences, asked, egress.principal.address);
      const concluded = carryOut(decision, hits, version);
      if (permits(concluded)) steps.set(egress, record);
      facts.release();
      return concluded;
    };
    const long = held !== null && held.bytes.length > SHORT_BYTES && sequences.some(({ readsBody }) => readsBody);
    if (!long) return conclude();
    reading.add(egress);
    return prepared(facts, clock)
      .then(conclude)
      .finally(() => reading.delete(egress));
  }

  const layer = layered(inner, { looks: () => policy.sequences.length > 0, follow });
  return {
    ...layer,
    // A getter does not survive being spread.
    get policyVersion() {
      return layer.policyVersion;
    },
    reading: (egress) => reading.has(egress) || (layer.reading?.(egress) ?? false),
    left(egress) {
      inner.left?.(egress);
      steps.get(egress)?.();
    },
  };
}

function carryOut(decision: Decision, hits: readonly Sequence[], policyVersion: string | null): Decision {
  const enforced = hits.filter(({ shadow }) => !shadow);
  const first = enforced.find(({ verdict }) => verdict === "deny") ?? enforced[0];
  if (first !== undefined) {
    const { findings } = decision;
    const veto = block(first.reason, "sequence", { rule: first.rule, policyVersion, findings });
    return first.verdict === "deny" ? veto : { ...veto, verdict: "hold" };
  }
  const watched = hits.find(({ verdict }) => verdict === "deny") ?? hits[0];
  if (watched === undefined || decision.would !== null) return decision;
  const would = watched.verdict === "deny" ? "block" : "hold";
  // Where it is said already that this allow is a lesser one, that stays.
  const mode = decision.mode === "enforce" ? "shadow" : decision.mode;
  return { ...decision, would, mode, pillar: "CoreGuard", vector: "sequence", rule: watched.rule };
}

async function prepared(facts: Facts, clock: () => number): Promise<void> {
  const steps = facts.prepare();
  for (let turn = clock(); !steps.next().done; ) {
    if (clock() - turn < TURN_MS) continue;
    await nextTurn();
    turn = clock();
  }
}
