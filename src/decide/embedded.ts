/** The embedded engine: the whole request as a question, ruled on in this process. Synchronous unless it has to decode or slice. */
import type { Config } from "../config/config.ts";
import { AT_ONCE, type Budget, type Inspection, Share, SliceSize, type Turn } from "../detect/inspect.ts";
import { prepareJudge } from "../detect/judge.ts";
import { prepareLikenesses } from "../detect/look-alikes.ts";
import { type Asked, Engine, type Ruled } from "../engine/engine.ts";
import type { Ruling } from "../engine/ruling.ts";
import type { Decision } from "../model/decision.ts";
import type { Destination, Egress, HeldBody } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import type { ContentCoding, Runtime } from "../runtime/contract.ts";
import type { Fingerprint } from "./credential-fields.ts";
import { type Decider, exhausted } from "./decider.ts";
import { bodyCodings, bodyDecoder, decodedCap, isVeto } from "./decode.ts";
import { EgressQuestion } from "./egress-question.ts";
import { HeadMemo } from "./head-memo.ts";
import { hiddenTexts, inspectHidden, inspectHiddenInSteps } from "./hidden-text.ts";
import { inTurns, WORK_PER_BYTE } from "./inspect-in-turns.ts";
import type { Policy } from "./policy.ts";
import { decisionOf } from "./ruling.ts";

type Settings = Pick<Config, "enforceTimeoutMs" | "maxBody" | "maxHeld" | "orgId">;

/** Of a turn, while tables are made. */
const PREPARING_MS = 1;
const NO_LAYERS: readonly Uint8Array[] = [];

export interface EmbeddedDecider extends Decider {
  /** Makes the tables that the first body would have to wait for, behind what else is done: some tens of milliseconds, and 13 MB. */
  prepare(): void;
}

export function embeddedDecider(
  runtime: Pick<Runtime, "decode" | "monotonic" | "now">,
  config: Settings,
  policy: Policy,
  fingerprint: Fingerprint,
): EmbeddedDecider {
  const decode = bodyDecoder(runtime, config);
  const clock = () => runtime.monotonic();
  const work = WORK_PER_BYTE * decodedCap(config.maxBody);
  /** Of what is ruled on in one go: work is bounded, so no time is asked for. */
  const share = new Share();
  const atOnce: Budget = { deadline: Number.POSITIVE_INFINITY, clock: () => 0, work, share };
  const asking = { org: config.orgId, fingerprint, now: () => runtime.now() };
  const memos = new WeakMap<Destination, HeadMemo>();
  /** Most requests of a deployment are let go by the same rule as the one before. */
  let lastRuling: Ruling | null = null;
  let lastDecision: Decision | null = null;
  const reading = new WeakSet<Egress>();
  let prepared = false;

  /** From the first body on, or when it is asked for: a gateway that only idles needs no tables, and starts without them. */
  function prepare(): void {
    if (prepared) return;
    prepared = true;
    const works = [policy.engine.prepare(), prepareLikenesses(), prepareJudge()];
    const step = (): void => {
      const until = clock() + PREPARING_MS;
      while (works.length > 0 && clock() < until) if (works[0]?.next().done === true) works.shift();
      if (works.length > 0) setTimeout(step, 0);
    };
    setTimeout(step, 0);
  }

  function conclude(ruled: Ruled, { engine, memo, egress, held }: Case): Decision {
    if (ruled === "exhausted") return exhausted(engine.policyVersion);
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
    const unread = url || fresh.raw.length > 0 || trailers !== null;
    const hidden = unread ? hiddenTexts(fresh.raw, url ? path : "", trailers) : NO_TEXTS;
    const question = new EgressQuestion(asking, egress, held, body, memo);
    const asked = { question, unread: { url, headers: fresh.fields }, layers };
    const long = wordy && fresh.raw.length > 0 && isLong(egress.headers, path);
    if (!long && Engine.isShort(asked, AT_ONCE)) {
      share.renew();
      const veto = hidden.length === 0 ? null : vetoOf(inspectHidden(hidden, atOnce), engine);
      const ruled = veto ?? engine.rule({ ...asked, budget: atOnce });
      if (!share.spent) return conclude(ruled, about);
    }
    return inSteps(asked, hidden, engine).then((ruled) => conclude(ruled, about));
  }

  async function inSteps(asked: Omit<Asked, "budget">, hidden: readonly string[], engine: Engine): Promise<Ruled> {
    // Each body begins with small slices: code that is quick for text is not compiled yet for what is none.
    const size = new SliceSize();
    const budget = { deadline: clock() + config.enforceTimeoutMs, clock, work };
    return inTurns(steps({ ...asked, budget }, hidden, { engine, size }), size, clock);
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
    prepare,
    reload: () => policy.reload(),
    opaque: (host, port) => policy.opaque(host, port),
    reading: (egress) => reading.has(egress),
    decide(egress, held) {
      const answer = decide(egress, held);
      if (!(answer instanceof Promise)) return answer;
      reading.add(egress);
      return answer.finally(() => reading.delete(egress));
    },
  };

  function decide(egress: Egress, held: HeldBody | null): Decision | Promise<Decision> {
    const { engine } = policy;
    const about = { engine, memo: memoOf(egress.destination), egress, held };
    if (held === null) return rule(null, NO_LAYERS, about);
    const { bytes } = held;
    if (bytes.length > 0) {
      prepare();
      if (egress.coded) {
        const codings = bodyCodings(egress.headers);
        if (isVeto(codings)) return { ...codings, policyVersion: engine.policyVersion };
        if (codings.length > 0) return ruleCoded(bytes, codings, about);
      }
    }
    return rule(bytes, NO_LAYERS, about);
  }
}

function* steps(
  asked: Asked,
  hidden: readonly string[],
  { engine, size }: { readonly engine: Engine; readonly size: SliceSize },
): Generator<Turn, Ruled> {
  const found = yield* inspectHiddenInSteps(hidden, asked.budget);
  return vetoOf(found, engine) ?? (yield* engine.ruleInSteps(asked, size));
}

function vetoOf(found: Inspection, engine: Engine): Ruled | null {
  return found === null || found === "exhausted" ? found : engine.vetoed(found);
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
const NO_TEXTS: readonly string[] = [];

/** A head larger than any but a few. */
function isLong(headers: HeaderList, path: string): boolean {
  let length = path.length;
  for (let i = 1; i < headers.length; i += 2) length += (headers[i] as string).length;
  return length > AT_ONCE;
}
