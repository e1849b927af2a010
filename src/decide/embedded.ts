/** The embedded engine: the whole request as a question, ruled on in this process. Synchronous unless it has to decode or slice. */
import type { Config } from "../config/config.ts";
import { SliceSize, WHOLE_BYTES } from "../detect/inspect.ts";
import { prepareLikenesses } from "../detect/look-alikes.ts";
import { type Asked, Engine, type Ruled } from "../engine/engine.ts";
import type { Ruling } from "../engine/ruling.ts";
import { type Decision, failClosed } from "../model/decision.ts";
import { type Egress, type HeldBody, SHORT_VALUE } from "../model/egress.ts";
import type { ContentCoding, Runtime } from "../runtime/contract.ts";
import type { Fingerprint } from "./credential-fields.ts";
import type { Decider } from "./decider.ts";
import { bodyDecoder, contentCodings, decodedCap, isVeto } from "./decode.ts";
import { EgressQuestion } from "./egress-question.ts";
import { HiddenText } from "./hidden-text.ts";
import { inTurns, WORK_PER_BYTE } from "./inspect-in-turns.ts";
import type { Policy } from "./policy.ts";
import { decisionOf } from "./ruling.ts";

type Settings = Pick<Config, "enforceTimeoutMs" | "maxBody" | "maxHeld" | "orgId">;

const NO_LAYERS: readonly Uint8Array[] = [];

export function embeddedDecider(
  runtime: Pick<Runtime, "decode" | "monotonic" | "now">,
  config: Settings,
  policy: Policy,
  fingerprint: Fingerprint,
): Decider {
  const decode = bodyDecoder(runtime, config);
  const clock = () => runtime.monotonic();
  const work = WORK_PER_BYTE * decodedCap(config.maxBody);
  const unhurried = { deadline: Number.POSITIVE_INFINITY, clock, work };
  const asking = { org: config.orgId, fingerprint, now: () => runtime.now() };
  /** Of the last long body: those up to it are ruled on in one go. */
  let size = new SliceSize();
  /** Most requests of a deployment are let go by the same rule as the one before. */
  let lastRuling: Ruling | null = null;
  let lastDecision: Decision | null = null;
  /** The last path in which nothing was found, and the engine that read it. */
  let quietPath = "";
  let quietEngine: Engine | null = null;
  const hidden = new HiddenText();
  let prepared = false;

  /** From the first body on: a gateway that only idles needs no tables, and starts without waiting for them. */
  function prepare(): void {
    prepared = true;
    const steps = prepareLikenesses();
    const step = (): void => {
      if (!steps.next().done) setTimeout(step, 0);
    };
    setTimeout(step, 0);
  }

  function conclude(ruled: Ruled, engine: Engine, egress: Egress, held: HeldBody | null): Decision {
    if (ruled === "exhausted") {
      const { policyVersion } = engine;
      return failClosed("the inspection ran out of its budget", "inspection_exhausted", { policyVersion });
    }
    if (ruled === lastRuling && lastDecision !== null) return lastDecision;
    const decision = decisionOf(ruled, { egress, held, attestationHash: null });
    if (ruled.verdict === "allow") {
      quietPath = egress.path;
      quietEngine = engine;
      lastRuling = ruled;
      lastDecision = decision;
    }
    return decision;
  }

  /** What the engine is not told; null when there is nothing in it. */
  function vetoHidden(egress: Egress, held: HeldBody | null, engine: Engine): Decision | null {
    const trailers = held === null ? null : held.trailers;
    const found = hidden.inspect(egress, trailers);
    return found === null ? null : conclude(found === "exhausted" ? found : engine.vetoed(found), engine, egress, held);
  }

  /** Nearly every request of an agent goes to the path of the one before. */
  function isQuiet({ wordy, path }: Egress, held: HeldBody | null, engine: Engine): boolean {
    if (wordy || (held !== null && held.trailers !== null)) return false;
    return path.length <= SHORT_VALUE || (path === quietPath && engine === quietEngine);
  }

  function isLongHead({ headers, path }: Egress): boolean {
    let length = path.length;
    for (let i = 1; i < headers.length; i += 2) length += (headers[i] as string).length;
    return length > WHOLE_BYTES;
  }

  async function inSteps(asked: Omit<Asked, "budget">, engine: Engine): Promise<Ruled> {
    // Each body begins with small slices: code that is quick for text is not compiled yet for what is none.
    size = new SliceSize();
    const budget = { deadline: clock() + config.enforceTimeoutMs, clock, work };
    return inTurns(engine.ruleInSteps({ ...asked, budget }, size), size, clock);
  }

  /**
   * Every layer is read, the bytes as they came too: decoders skip what a peer that does not decode may read, such as
   * the names and comments of gzip and the skippable frames of zstd.
   */
  async function decideCoded(
    egress: Egress,
    held: HeldBody,
    codings: readonly ContentCoding[],
    engine: Engine,
  ): Promise<Decision> {
    const layers = [held.bytes];
    const decoded = await decode(held.bytes, codings, layers);
    if (!(decoded instanceof Uint8Array)) return { ...decoded, policyVersion: engine.policyVersion };
    const question = new EgressQuestion(asking, egress, held, decoded);
    const quietHead = isQuiet(egress, held, engine);
    const veto = quietHead ? null : vetoHidden(egress, held, engine);
    if (veto !== null) return veto;
    return conclude(await inSteps({ question, quietHead, layers }, engine), engine, egress, held);
  }

  return {
    get policyVersion() {
      return policy.version;
    },
    reload: () => policy.reload(),
    opaque: (host, port) => policy.opaque(host, port),
    decide(egress, held) {
      // Taken once an egress: a policy that is read again while its body is inspected is the next one's.
      const { engine } = policy;
      if (held !== null && held.bytes.length > 0) {
        if (!prepared) prepare();
        if (egress.coded) {
          const codings = contentCodings(egress.headers);
          if (isVeto(codings)) return { ...codings, policyVersion: engine.policyVersion };
          if (codings.length > 0) return decideCoded(egress, held, codings, engine);
        }
      }
      const quietHead = isQuiet(egress, held, engine);
      const veto = quietHead ? null : vetoHidden(egress, held, engine);
      if (veto !== null) return veto;
      const question = new EgressQuestion(asking, egress, held, held === null ? null : held.bytes);
      const asked = { question, quietHead, layers: NO_LAYERS };
      if (Engine.isShort(asked, size.bytes) && (asked.quietHead || !isLongHead(egress))) {
        return conclude(engine.rule({ ...asked, budget: unhurried }), engine, egress, held);
      }
      return inSteps(asked, engine).then((ruled) => conclude(ruled, engine, egress, held));
    },
  };
}
