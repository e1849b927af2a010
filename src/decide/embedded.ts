/** The embedded engine: policy on the destination, inspectors on query, trailers and body. Synchronous unless it has to decode or slice. */
import type { Config } from "../config/config.ts";
import { allow, block, type Decision, failClosed } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import { INSPECTORS, type Inspection, inspectSlices, inspectWhole, WHOLE_BYTES } from "../policy/inspect.ts";
import { inspectAll, inspectText } from "../policy/pillar128.ts";
import type { ContentCoding, Runtime } from "../runtime/contract.ts";
import type { Decider } from "./decider.ts";
import { bodyDecoder, contentCodings, decodedCap, isVeto } from "./decode.ts";
import type { Policy } from "./policy-files.ts";

/** An event loop is handed back after this long. */
const TURN_MS = 1.5;
/** Shorter text cannot hold a phrase. */
const MIN_TEXT = 16;

export function embeddedDecider(
  runtime: Pick<Runtime, "decode" | "monotonic">,
  config: Pick<Config, "enforceTimeoutMs" | "maxBody" | "maxHeld">,
  policy: Policy,
): Decider {
  const decode = bodyDecoder(runtime, config);
  const clock = () => runtime.monotonic();
  // Slices overlap by an eighth: twice the largest body is never reached by an honest inspection.
  const work = 2 * decodedCap(config.maxBody) * INSPECTORS.length;
  const whole = { deadline: Number.POSITIVE_INFINITY, clock, work };
  let plain: Decision = allow("no policy is configured");

  function allowed(rule: string | null): Decision {
    if (rule === null) return plain;
    const policyVersion = policy.version;
    // Most requests of a deployment are let go by the same rule as the one before.
    if (plain.rule !== rule || plain.policyVersion !== policyVersion) {
      plain = allow("allowed by policy", { rule, policyVersion });
    }
    return plain;
  }

  function conclude(found: Inspection, rule: string | null): Decision {
    if (found === null) return allowed(rule);
    const policyVersion = policy.version;
    if (found === "exhausted") {
      return failClosed("the inspection ran out of its budget", "inspection_exhausted", { policyVersion });
    }
    return block(found.reason, found.vector, { pillar: found.pillar, policyVersion });
  }

  /** Slice by slice; every few milliseconds the loop is handed back. */
  async function inspectLong(bytes: Uint8Array, rule: string | null): Promise<Decision> {
    const started = clock();
    const budget = { deadline: started + config.enforceTimeoutMs, clock, work };
    const slices = inspectSlices(bytes, INSPECTORS, budget);
    for (let turn = started; ; ) {
      const step = slices.next();
      if (step.done) return conclude(step.value, rule);
      if (clock() - turn < TURN_MS) continue;
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      turn = clock();
    }
  }

  function inspect(bytes: Uint8Array, rule: string | null): Decision | Promise<Decision> {
    if (bytes.length > WHOLE_BYTES) return inspectLong(bytes, rule);
    return conclude(inspectWhole(bytes, INSPECTORS, whole), rule);
  }

  /**
   * Every layer is read, the bytes as they came too: decoders skip what a peer that does not decode may read, such as
   * the names and comments of gzip and the skippable frames of zstd.
   */
  async function inspectCoded(
    bytes: Uint8Array,
    codings: readonly ContentCoding[],
    rule: string | null,
  ): Promise<Decision> {
    const layers = [bytes];
    const decoded = await decode(bytes, codings, layers);
    if (!(decoded instanceof Uint8Array)) return { ...decoded, policyVersion: policy.version };
    let decision = await inspect(decoded, rule);
    for (const layer of layers) if (decision.verdict === "allow") decision = await inspect(layer, rule);
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
      const asked = inspectQuery(egress);
      if (asked !== null) return conclude(asked, judged);
      if (body === null) return allowed(judged);
      const trailed = body.trailers === null ? null : inspectFields(body.trailers);
      if (trailed !== null) return conclude(trailed, judged);
      if (body.bytes.length === 0) return allowed(judged);
      const codings = contentCodings(egress.headers);
      if (isVeto(codings)) return { ...codings, policyVersion: policy.version };
      if (codings.length === 0) return inspect(body.bytes, judged);
      return inspectCoded(body.bytes, codings, judged);
    },
  };
}

function inspectQuery({ path }: Egress): Inspection {
  const mark = path.indexOf("?");
  return mark === -1 || path.length - mark <= MIN_TEXT ? null : inspectText(path.slice(mark + 1));
}

/** Field by field: no phrase spans two of them. A head's size is bounded where it is parsed. */
function inspectFields(fields: HeaderList): Inspection {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1] as string;
    if (value.length <= MIN_TEXT) continue;
    const found = inspectAll(Uint8Array.from(value, byteOf));
    if (found !== null) return found;
  }
  return null;
}

/** Field values are strings of bytes. */
function byteOf(char: string): number {
  return char.charCodeAt(0);
}
