/** Rules on questions as the embedded decider does: in one go what costs little, the rest in turns, under a deadline and a budget. */
import { decodedCap } from "../decide/decode.ts";
import { inTurns, WORK_PER_BYTE } from "../decide/inspect-in-turns.ts";
import { AT_ONCE, Share, SliceSize } from "../detect/inspect.ts";
import { type Asked, Engine, type Ruled } from "../engine/engine.ts";
import type { Field, Question } from "../model/question.ts";

export interface RulerSettings {
  readonly enforceTimeoutMs: number;
  readonly maxBody: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

const NO_LAYERS: readonly Uint8Array[] = [];

export class Ruler {
  readonly #settings: RulerSettings;
  readonly #work: number;
  readonly #share = new Share();

  constructor(settings: RulerSettings) {
    this.#settings = settings;
    this.#work = WORK_PER_BYTE * decodedCap(settings.maxBody);
  }

  rule(engine: Engine, question: Question): Ruled | Promise<Ruled> {
    const { clock, enforceTimeoutMs } = this.#settings;
    const asked: Omit<Asked, "budget"> = {
      question,
      unread: { url: true, headers: question.headers },
      layers: NO_LAYERS,
    };
    const work = this.#work;
    if (Engine.isShort(asked, AT_ONCE) && headLength(question) <= AT_ONCE) {
      const share = this.#share;
      share.renew();
      const ruled = engine.rule({ ...asked, budget: { deadline: Number.POSITIVE_INFINITY, clock, work, share } });
      if (!share.spent) return ruled;
    }
    const size = new SliceSize();
    const budget = { deadline: clock() + enforceTimeoutMs, clock, work };
    return inTurns(engine.ruleInSteps({ ...asked, budget }, size), size, clock);
  }
}

function headLength({ path, query, headers, trailers }: Question): number {
  return path.length + fieldsLength(query) + fieldsLength(headers) + fieldsLength(trailers);
}

function fieldsLength(fields: readonly Field[]): number {
  let length = 0;
  for (const [name, value] of fields) length += name.length + (typeof value === "string" ? value.length : 0);
  return length;
}
