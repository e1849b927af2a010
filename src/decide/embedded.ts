/** The embedded engine: policy on the destination, inspectors on head, trailers and body. Synchronous unless it has to decode or slice. */
import type { Config } from "../config/config.ts";
import { INSPECTORS, type Inspection, type Inspector, inspectWhole, SliceSize } from "../detect/inspect.ts";
import { prepareLikenesses } from "../detect/look-alikes.ts";
import { allow, block, type Decision, failClosed } from "../model/decision.ts";
import { type Egress, type HeldBody, SHORT_VALUE } from "../model/egress.ts";
import type { ContentCoding, Runtime } from "../runtime/contract.ts";
import { HEAD_BYTES, headTexts, inspectField } from "./_head.ts";
import type { Decider } from "./decider.ts";
import { bodyDecoder, contentCodings, decodedCap, isVeto } from "./decode.ts";
import { inspectInTurns, nextTurn, TURN_MS, WORK_PER_BYTE } from "./inspect-in-turns.ts";
import type { Policy } from "./policy.ts";

/** What an egress is decided on besides its content. */
interface Basis {
  /** That lets it go; null without a policy. */
  readonly rule: string | null;
  readonly policyVersion: string | null;
}

export function embeddedDecider(
  runtime: Pick<Runtime, "decode" | "monotonic">,
  config: Pick<Config, "enforceTimeoutMs" | "maxBody" | "maxHeld">,
  policy: Policy,
  inspectors: readonly Inspector[] = INSPECTORS,
): Decider {
  const decode = bodyDecoder(runtime, config);
  const clock = () => runtime.monotonic();
  const work = WORK_PER_BYTE * decodedCap(config.maxBody) * inspectors.length;
  const unhurried = { deadline: Number.POSITIVE_INFINITY, clock, work };
  /** Of the last long body: those up to it are inspected in one go. */
  let size = new SliceSize();
  let plain: Decision = allow("no policy is configured");
  let lastBasis: Basis = { rule: null, policyVersion: null };
  /** The last path in which no inspector found anything. */
  let quietPath = "";

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

  /** Taken once an egress: a policy that is read again while its body is inspected is the next one's. */
  function basisOf(rule: string | null): Basis {
    const policyVersion = policy.version;
    if (lastBasis.rule !== rule || lastBasis.policyVersion !== policyVersion) lastBasis = { rule, policyVersion };
    return lastBasis;
  }

  function allowed({ rule, policyVersion }: Basis): Decision {
    // Most requests of a deployment are let go by the same rule as the one before.
    if (plain.rule === rule && plain.policyVersion === policyVersion) return plain;
    plain = allow(rule === null ? "no policy is configured" : "allowed by policy", { rule, policyVersion });
    return plain;
  }

  function conclude(found: Inspection, basis: Basis): Decision {
    if (found === null) return allowed(basis);
    const { policyVersion } = basis;
    if (found === "exhausted") {
      return failClosed("the inspection ran out of its budget", "inspection_exhausted", { policyVersion });
    }
    return block(found.reason, found.vector, { pillar: found.pillar, policyVersion });
  }

  async function inspectLong(bytes: Uint8Array, basis: Basis): Promise<Decision> {
    // Each body begins with small slices: code that is quick for text is not compiled yet for what is none.
    size = new SliceSize();
    const budget = { deadline: clock() + config.enforceTimeoutMs, clock, work };
    return conclude(await inspectInTurns(bytes, inspectors, budget, size), basis);
  }

  function inspect(bytes: Uint8Array, basis: Basis): Decision | Promise<Decision> {
    if (bytes.length > size.bytes) return inspectLong(bytes, basis);
    return conclude(inspectWhole(bytes, inspectors, unhurried), basis);
  }

  /**
   * Every layer is read, the bytes as they came too: decoders skip what a peer that does not decode may read, such as
   * the names and comments of gzip and the skippable frames of zstd.
   */
  async function inspectCoded(bytes: Uint8Array, codings: readonly ContentCoding[], basis: Basis): Promise<Decision> {
    const layers = [bytes];
    const decoded = await decode(bytes, codings, layers);
    if (!(decoded instanceof Uint8Array)) return { ...decoded, policyVersion: basis.policyVersion };
    let decision = await inspect(decoded, basis);
    for (const layer of layers) if (decision.verdict === "allow") decision = await inspect(layer, basis);
    return decision;
  }

  return {
    get policyVersion() {
      return policy.version;
    },
    reload: () => policy.reload(),
    opaque: (host, port) => policy.opaque(host, port),
    decide(egress, body) {
      const judged = policy.judge(egress.destination);
      if (judged !== null && typeof judged !== "string") return judged;
      const basis = basisOf(judged);
      const trailers = body === null ? null : body.trailers;
      // Nearly every request of an agent goes to the path of the one before.
      if (!egress.wordy && trailers === null && (egress.path === quietPath || egress.path.length <= SHORT_VALUE)) {
        return inspectBody(egress, body, basis);
      }
      const { texts, length } = headTexts(egress, trailers);
      if (length > HEAD_BYTES) return inspectLongHead(texts, egress, body, basis);
      for (const text of texts) {
        const found = inspectField(text, inspectors);
        if (found !== null) return conclude(found, basis);
      }
      quietPath = egress.path;
      return inspectBody(egress, body, basis);
    },
  };

  function inspectBody(egress: Egress, body: HeldBody | null, basis: Basis): Decision | Promise<Decision> {
    if (body === null || body.bytes.length === 0) return allowed(basis);
    if (!prepared) prepare();
    if (!egress.coded) return inspect(body.bytes, basis);
    const codings = contentCodings(egress.headers);
    if (isVeto(codings)) return { ...codings, policyVersion: basis.policyVersion };
    if (codings.length === 0) return inspect(body.bytes, basis);
    return inspectCoded(body.bytes, codings, basis);
  }

  /** A head larger than any but a few: the loop is handed back between its texts. */
  async function inspectLongHead(
    texts: readonly string[],
    egress: Egress,
    body: HeldBody | null,
    basis: Basis,
  ): Promise<Decision> {
    let turn = clock();
    for (const text of texts) {
      const found = inspectField(text, inspectors);
      if (found !== null) return conclude(found, basis);
      if (clock() - turn < TURN_MS) continue;
      await nextTurn();
      turn = clock();
    }
    return inspectBody(egress, body, basis);
  }
}
