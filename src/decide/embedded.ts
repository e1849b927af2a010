/** The embedded engine: the whole request as a question, ruled on in this process. Synchronous unless it has to decode or slice. */
import type { Config } from "../config/config.ts";
import { SliceSize, WHOLE_BYTES } from "../detect/inspect.ts";
import { prepareJudge } from "../detect/judge.ts";
import { prepareLikenesses } from "../detect/look-alikes.ts";
import { type Asked, Engine, type Ruled } from "../engine/engine.ts";
import type { Ruling } from "../engine/ruling.ts";
import { type Decision, failClosed } from "../model/decision.ts";
import type { Destination, Egress, HeldBody } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import type { ContentCoding, Runtime } from "../runtime/contract.ts";
import type { Fingerprint } from "./credential-fields.ts";
import type { Decider } from "./decider.ts";
import { bodyDecoder, decodedCap, isVeto, requestCodings } from "./decode.ts";
import { EgressQuestion } from "./egress-question.ts";
import { HeadMemo } from "./head-memo.ts";
import { inspectHidden } from "./hidden-text.ts";
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
  // No time is ever over it, so none is asked for.
  const unhurried = { deadline: Number.POSITIVE_INFINITY, clock: () => 0, work };
  const asking = { org: config.orgId, fingerprint, now: () => runtime.now() };
  const memos = new WeakMap<Destination, HeadMemo>();
  /** Of the last long body: those up to it are ruled on in one go. */
  let size = new SliceSize();
  /** Most requests of a deployment are let go by the same rule as the one before. */
  let lastRuling: Ruling | null = null;
  let lastDecision: Decision | null = null;
  let prepared = false;

  /** From the first body on: a gateway that only idles needs no tables, and starts without waiting for them. */
  function prepare(): void {
    prepared = true;
    const works = [policy.engine.prepare(), prepareLikenesses(), prepareJudge()];
    const step = (): void => {
      while (works[0]?.next().done === true) works.shift();
      if (works.length > 0) setTimeout(step, 0);
    };
    setTimeout(step, 0);
  }

  function conclude(ruled: Ruled, { engine, memo, egress, held }: Case): Decision {
    if (ruled === "exhausted") {
      const { policyVersion } = engine;
      return failClosed("the inspection ran out of its budget", "inspection_exhausted", { policyVersion });
    }
    if (ruled.verdict === "allow" && ruled.findings.length === 0) {
      if (egress.wordy || engine.readsShort || !memo.knowsPath(egress.path, engine)) memo.quiet(egress, engine);
      if (ruled === lastRuling && lastDecision !== null) return lastDecision;
      lastRuling = ruled;
      lastDecision = decisionOf(ruled, { egress, held, attestationHash: null });
      return lastDecision;
    }
    return decisionOf(ruled, { egress, held, attestationHash: null });
  }

  function memoOf(destination: Destination): HeadMemo {
    let memo = memos.get(destination);
    if (memo === undefined) {
      memo = new HeadMemo(fingerprint);
      memos.set(destination, memo);
    }
    return memo;
  }

  /** `body`: of `held`, with its codings undone. */
  function rule(body: Uint8Array | null, layers: readonly Uint8Array[], about: Case): Decision | Promise<Decision> {
    const { engine, memo, egress, held } = about;
    const { path } = egress;
    const wordy = egress.wordy || engine.readsShort;
    const trailers = held === null ? null : held.trailers;
    const fresh = wordy ? memo.unread(egress, engine) : NO_FIELDS;
    const url = !memo.knowsPath(path, engine);
    if (url || fresh.raw.length > 0 || trailers !== null) {
      const found = inspectHidden(fresh.raw, url ? path : "", trailers);
      const veto = found === null || found === "exhausted" ? found : engine.vetoed(found);
      if (veto !== null) return conclude(veto, about);
    }
    const question = new EgressQuestion(asking, egress, held, body, memo);
    const asked = { question, unread: { url, headers: fresh.fields }, layers };
    const long = wordy && fresh.raw.length > 0 && isLong(egress.headers, path);
    if (!long && Engine.isShort(asked, size.bytes))
      return conclude(engine.rule({ ...asked, budget: unhurried }), about);
    return inSteps(asked, engine).then((ruled) => conclude(ruled, about));
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
  async function ruleCoded(bytes: Uint8Array, codings: readonly ContentCoding[], about: Case): Promise<Decision> {
    const layers = [bytes];
    const decoded = await decode(bytes, codings, layers);
    if (!(decoded instanceof Uint8Array)) return { ...decoded, policyVersion: about.engine.policyVersion };
    return rule(decoded, layers, about);
  }

  return {
    get policyVersion() {
      return policy.version;
    },
    reload: () => policy.reload(),
    opaque: (host, port) => policy.opaque(host, port),
    decide(egress, held) {
      const { engine } = policy;
      const about = { engine, memo: memoOf(egress.destination), egress, held };
      if (held === null) return rule(null, NO_LAYERS, about);
      const { bytes } = held;
      if (bytes.length > 0) {
        if (!prepared) prepare();
        if (egress.coded) {
          const codings = requestCodings(egress.headers);
          if (isVeto(codings)) return { ...codings, policyVersion: engine.policyVersion };
          if (codings.length > 0) return ruleCoded(bytes, codings, about);
        }
      }
      return rule(bytes, NO_LAYERS, about);
    },
  };
}

/** One egress, with what rules on it. */
interface Case {
  /** Taken once: a policy that is read again while the body is inspected is the next egress's. */
  readonly engine: Engine;
  readonly memo: HeadMemo;
  readonly egress: Egress;
  readonly held: HeldBody | null;
}

const NO_FIELDS = { fields: [], raw: [] } as const;

/** A head larger than any but a few. */
function isLong(headers: HeaderList, path: string): boolean {
  let length = path.length;
  for (let i = 1; i < headers.length; i += 2) length += (headers[i] as string).length;
  return length > WHOLE_BYTES;
}
