/**
 * The governance engine: a question in, a ruling out. Pure, and linear in the question. It is the same object in the relay
 * (decide/embedded.ts) and behind the decision API (plane/), so a relay cannot tell the difference.
 */
import {
  type Budget,
  INSPECTORS,
  inspectSlices,
  inspectWhole,
  type SliceSize,
  WHOLE_BYTES,
} from "../detect/inspect.ts";
import type { Inspection } from "../detect/pillar128.ts";
import type { Question } from "../model/question.ts";
import { evaluateHost, type Program } from "../policy/program.ts";
import { headTexts, readField } from "./head.ts";
import { type Ruling, ruling } from "./ruling.ts";

/** "exhausted": the question asks for more work than any honest one. Never a pass. */
export type Ruled = Ruling | "exhausted";

export interface Asked {
  readonly question: Question;
  readonly budget: Budget;
  /** Nothing of the head is worth reading: whoever asks has just seen it read. */
  readonly quietHead: boolean;
  /** Other readings of the body's bytes, such as before its codings were undone. Inspected, never redacted. */
  readonly layers: readonly Uint8Array[];
}

const UNRULED = ruling("allow", "no policy is configured");

export class Engine {
  readonly policyVersion: string | null;
  readonly #program: Program | null;
  /** Most questions are answered with the same object as the one before. */
  #last = UNRULED;

  constructor(program: Program | null) {
    this.#program = program;
    this.policyVersion = program?.version ?? null;
  }

  /** True when `rule` does it in one go without holding an event loop. */
  static isShort({ question, layers }: Pick<Asked, "question" | "layers">, most: number): boolean {
    return layers.length === 0 && (question.body === null || question.body.length <= Math.min(most, WHOLE_BYTES));
  }

  /** In one go; for what `isShort`. */
  rule({ question, budget, quietHead }: Asked): Ruled {
    if (!quietHead) {
      for (const text of headTexts(question)) {
        const found = readField(text, INSPECTORS);
        if (found !== null) return found === "exhausted" ? found : this.vetoed(found);
      }
    }
    const { body } = question;
    if (body !== null && body.length > 0) {
      const found = inspectWhole(body, INSPECTORS, budget);
      if (found !== null) return found === "exhausted" ? found : this.vetoed(found);
    }
    return this.#conclude(question);
  }

  /** For a question of any length: yields after a millisecond or so of work. `size` is asked before every slice. */
  *ruleInSteps({ question, budget, quietHead, layers }: Asked, size: SliceSize): Generator<void, Ruled> {
    if (!quietHead) {
      for (const text of headTexts(question)) {
        const found = readField(text, INSPECTORS);
        if (found !== null) return found === "exhausted" ? found : this.vetoed(found);
        yield;
      }
    }
    const { body } = question;
    for (const bytes of body === null ? layers : [body, ...layers]) {
      if (bytes.length === 0) continue;
      const found = yield* inspectSlices(bytes, INSPECTORS, budget, size);
      if (found !== null) return found === "exhausted" ? found : this.vetoed(found);
    }
    return this.#conclude(question);
  }

  /** The ruling on what an inspection of any part of the request found. */
  vetoed(found: Exclude<Inspection, null | "exhausted">): Ruling {
    const { pillar, vector, reason } = found;
    return ruling("deny", reason, { pillar, vector, policyVersion: this.policyVersion });
  }

  #conclude({ host, port, literal }: Question): Ruling {
    const program = this.#program;
    if (program === null) return UNRULED;
    const { allowed, rule } = evaluateHost(program, { host, port, literal });
    const { version: policyVersion } = program;
    if (allowed) {
      if (this.#last.rule !== rule) this.#last = ruling("allow", "allowed by policy", { rule, policyVersion });
      return this.#last;
    }
    return ruling("deny", `policy denies host "${host}"`, {
      pillar: "CoreGuard",
      vector: "policy_deny",
      rule,
      policyVersion,
    });
  }
}
