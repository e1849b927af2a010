/** A hosted governance plane, asked once per egress. Whatever is not a well-formed answer in time is a Fault. */

import type { Config, GovernanceConfig } from "../config/config.ts";
import { attestationProblem } from "../crypto/attestation.ts";
import { hashInTurns } from "../crypto/hash-in-turns.ts";
import { paramsHash } from "../crypto/params-hash.ts";
import { INSPECTORS, type Inspection, Share, SliceSize } from "../detect/inspect.ts";
import { prepareIssuers } from "../dlp/issuer-within.ts";
import { Fault, messageOf } from "../errors.ts";
import { mostUnfolded } from "../model/bounds.ts";
import { type Decision, permits } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import type { Question } from "../model/question.ts";
import type { ContentCoding, HttpReply, Runtime } from "../runtime/contract.ts";
import { type Breaker, breaker } from "./breaker.ts";
import { fingerprints, mayTellIssuers } from "./credential-fields.ts";
import { type Decider, exhausted } from "./decider.ts";
import { bodyCodings, bodyDecoder, decodedCap, isVeto } from "./decode.ts";
import { EgressQuestion } from "./egress-question.ts";
import { HeadMemo } from "./head-memo.ts";
import { hiddenTexts, inspectHidden, inspectHiddenInSteps } from "./hidden-text.ts";
import { inspectInTurns, inTurns, WORK_PER_BYTE } from "./inspect-in-turns.ts";
import { KeyRing } from "./key-ring.ts";
import { NOT_SENT } from "./limits-reservation.ts";
import type { Settle } from "./outcome-schema.ts";
import { Outbox, type PlaneReservation } from "./outcomes.ts";
import { ANSWER_ROOM, hashOf, type PlaneAnswer, readAnswer, readRefusal, rulingOf } from "./plane-answer.ts";
import { latePlane, Troubles, unattested } from "./plane-fault.ts";
import { describe, questionBytes } from "./plane-request.ts";
import type { Policy } from "./policy.ts";
import { QuestionRoom } from "./question-room.ts";
import { decisionOf } from "./ruling.ts";

const MAX_SOCKETS = 64;
const MAX_IN_FLIGHT = 1024;
const OUTCOMES_TIMEOUT_MS = 5_000;
const BREAKER = { threshold: 5, coolDownMs: 5000 };
/** A question longer than this may be late for its own length. */
const LARGE_QUESTION = 256 * 1024;
/** Statuses that say something of the question and nothing of the plane: one client's requests must not close it for all. */
const ABOUT_THE_QUESTION: ReadonlySet<number> = new Set([400, 413, 414, 422, 431]);

export interface PlaneDecider extends Decider {
  readonly breaker: Pick<Breaker, "state">;
  /** What was wrong when it last gave no decision, for an operator; null when it gave the last one. */
  readonly trouble: string | null;
  /** What the plane's limits have reserved for this egress; once, and null when it is nothing. */
  lent(egress: Egress): PlaneReservation | null;
  /** Tells the plane the last outcomes first. Never rejects. */
  close(): Promise<void>;
}

type Settings = Pick<Config, "enforceTimeoutMs" | "maxBody" | "maxHeld" | "orgId" | "hmacKey" | "signingKey"> & {
  readonly governance: GovernanceConfig;
  /** Absent: closed. */
  readonly failClosed?: boolean;
};

type Machine = Pick<
  Runtime,
  | "httpClient"
  | "hmacSha256"
  | "randomHex"
  | "monotonic"
  | "decode"
  | "sha256"
  | "hasher"
  | "afterTurn"
  | "now"
  | "readFile"
  | "stat"
>;

/** For an operator. */
export interface PlaneEvents {
  /** How many outcomes the plane will never hear of. */
  lost?(outcomes: number): void;
  /** Where it is and why it gave no decision; for every question that got none. */
  troubled?(cause: string): void;
}

/** A local policy's veto on the destination needs no plane; all the rest is the plane's to say. */
export function planeDecider(
  runtime: Machine,
  config: Settings,
  policy: Policy,
  events: PlaneEvents = {},
): PlaneDecider {
  const { governance } = config;
  const base = governance.url.replace(/\/+$/, "");
  const url = `${base}/v1/decisions`;
  const client = runtime.httpClient({
    maxSockets: MAX_SOCKETS,
    ...(governance.ca === null ? {} : { ca: governance.ca }),
    ...(governance.cert === null ? {} : { cert: governance.cert }),
    ...(governance.key === null ? {} : { key: governance.key }),
  });
  const headers: Record<string, string> = { "content-type": "application/json", accept: "application/json" };
  if (governance.token !== null) headers.authorization = `Bearer ${governance.token}`;
  const asking = { org: config.orgId, fingerprint: fingerprints(runtime, config), now: runtime.now };
  const decode = bodyDecoder(runtime, config);
  const clock = () => runtime.monotonic();
  const circuit = breaker({ ...BREAKER, clock });
  const room = new QuestionRoom(Math.max(decodedCap(config.maxBody), Math.floor(config.maxHeld / 2)));
  const maxAnswer = config.maxBody * 2 + ANSWER_ROOM;
  const ring = governance.jwks === null ? null : new KeyRing(runtime, governance.jwks, client);
  const settles = new WeakMap<Egress, Settle>();
  const outbox = new Outbox({
    send: (outcomes) => {
      const signal = AbortSignal.timeout(OUTCOMES_TIMEOUT_MS);
      return client.send(`${base}/v1/outcomes`, "POST", headers, outcomes, ANSWER_ROOM, signal);
    },
    decode: runtime.decode,
    lost: (outcomes) => events.lost?.(outcomes),
  });
  /** Of what is read of a head in one go. */
  const share = new Share();
  /** What this side reads itself, and has not read to its end. */
  const reading = new WeakSet<Egress>();
  let inFlight = 0;
  let policyVersion: string | null = null;
  const troubles = new Troubles({
    url: base,
    token: governance.token !== null,
    timeoutMs: config.enforceTimeoutMs,
    keys: () => ring?.problem ?? null,
    told: (cause) => events.troubled?.(cause),
  });

  async function ask(question: Uint8Array, signal: AbortSignal): Promise<HttpReply> {
    try {
      return await client.send(url, "POST", headers, question, maxAnswer, signal);
    } catch (thrown) {
      if (signal.aborted) throw latePlane();
      const tooLarge = thrown instanceof Fault && thrown.code === "upstream_malformed";
      const code = tooLarge ? "governance_malformed" : "governance_unreachable";
      throw new Fault(code, `the governance plane failed: ${messageOf(thrown)}`, { cause: thrown });
    }
  }

  function vetoHidden(found: Inspection, egress: Egress, held: HeldBody | null): Decision | null {
    if (found === "exhausted") return exhausted(policyVersion);
    const veto = found === null ? null : policy.engine.vetoed(found);
    return veto === null ? null : unasked(decisionOf(veto, { egress, held, attestationHash: null }));
  }

  /** Throws Fault `governance_breaker_open` without waiting, unless what the head hides had to be waited for. */
  function asked(egress: Egress, body: HeldBody | null): Decision | Promise<Decision> {
    const codings = body === null ? [] : bodyCodings(egress.headers);
    if (isVeto(codings)) return unasked(codings);
    const unheard =
      inFlight >= MAX_IN_FLIGHT
        ? new Fault("governance_unreachable", "too many decisions wait for the governance plane")
        : circuit.admit()
          ? null
          : new Fault("governance_breaker_open", "the governance plane is down");
    if (unheard === null) return consult(egress, body, codings);
    // Where a fault of the plane lets pass, what is this side's to read is read all the same.
    if (config.failClosed === false && body !== null && codings.length > 0) return own(egress, body, codings, unheard);
    throw unheard;
  }

  async function own(
    egress: Egress,
    held: HeldBody,
    codings: readonly ContentCoding[],
    unheard: Fault,
  ): Promise<Decision> {
    reading.add(egress);
    try {
      const layers = [held.bytes];
      const decoded = await decode(held.bytes, codings, layers);
      if (!(decoded instanceof Uint8Array)) return unasked(decoded);
      const veto = await vetoLayers(layers, egress, held);
      if (veto !== null) return veto;
    } finally {
      reading.delete(egress);
    }
    throw unheard;
  }

  /** A veto that needed no plane, said to be of the policy that was last heard of. */
  function unasked(decision: Decision): Decision {
    return { ...decision, policyVersion: policyVersion ?? decision.policyVersion };
  }

  /** Decoders skip what a peer that does not decode may read, and the plane is told what they leave. Null: there is nothing in it. */
  async function vetoLayers(layers: readonly Uint8Array[], egress: Egress, held: HeldBody): Promise<Decision | null> {
    for (const layer of layers) {
      const deadline = clock() + config.enforceTimeoutMs;
      const budget = { deadline, clock, work: WORK_PER_BYTE * decodedCap(config.maxBody) };
      const found = await inspectInTurns(layer, INSPECTORS, budget, new SliceSize());
      if (found === "exhausted") return exhausted(policyVersion);
      const veto = found === null ? null : policy.engine.vetoed(found);
      if (veto !== null) return unasked(decisionOf(veto, { egress, held, attestationHash: null }));
    }
    return null;
  }

  /** Throws Fault `governance_unattested` unless the plane vouches for this answer to this question. */
  async function attested(
    id: string,
    question: Question,
    { answer, redacted }: PlaneAnswer,
    body: Told,
  ): Promise<void> {
    if (ring === null) return;
    const { attestation, decision, pillar, vector, rule, reason, policy_version, metadata } = answer;
    if (typeof attestation !== "string") throw unattested("is missing");
    const plain = body === null ? null : body.codings.length === 0 ? body.held.sha256 : body.decoded;
    const bodySha256 = plain instanceof Uint8Array ? await hashInTurns(runtime, plain) : plain;
    const wanted = {
      request: id,
      decision,
      pillar: pillar ?? null,
      vector: vector ?? null,
      rule: rule ?? null,
      reason: reason ?? null,
      would: typeof metadata?.would === "string" ? metadata.would : null,
      policyVersion: policy_version ?? null,
      paramsHash: paramsHash(question, bodySha256, runtime),
      redactedHash: redacted === null ? null : `sha256-${await hashInTurns(runtime, redacted)}`,
      answerHash: hashOf(answer, runtime),
    };
    const keys = { find: (kid: string) => ring.find(kid), now: runtime.now() / 1000 };
    const problem = await attestationProblem(attestation, wanted, keys);
    if (problem !== null) throw unattested(problem);
  }

  /**
   * Its time was over before the plane was asked. Where a fault of the plane lets pass, what this side has not read is none.
   * Throws Fault `governance_timeout` otherwise.
   */
  function late(unread: boolean): Decision {
    if (!unread || config.failClosed !== false) throw latePlane();
    circuit.release();
    return exhausted(policyVersion);
  }

  /** One question: admitted, timed, counted. The timer runs from before the body is decoded. */
  async function consult(egress: Egress, held: HeldBody | null, codings: readonly ContentCoding[]): Promise<Decision> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), config.enforceTimeoutMs);
    inFlight += 1;
    const unread = held !== null && codings.length > 0;
    if (unread) reading.add(egress);
    let taken = 0;
    /** What goes wrong now is the plane's fault. Before, and for what only this question brings about, it is not. */
    let blamed = false;
    try {
      const length = held?.bytes.length ?? 0;
      const most = codings.length === 0 ? length : Math.min(decodedCap(config.maxBody), mostUnfolded(length));
      const found = await room.take(most, abort.signal);
      if (found === null) return late(unread);
      taken = found;
      const layers = held === null || codings.length === 0 ? [] : [held.bytes];
      const decoded = held === null || codings.length === 0 ? held?.bytes : await decode(held.bytes, codings, layers);
      if (decoded !== undefined && !(decoded instanceof Uint8Array)) {
        circuit.release();
        return unasked(decoded);
      }
      if (abort.signal.aborted) return late(unread);
      const veto = held === null ? null : await vetoLayers(layers, egress, held);
      reading.delete(egress);
      if (veto !== null) {
        circuit.release();
        return veto;
      }
      const unused = taken - Math.min(taken, decoded?.length ?? 0);
      taken -= unused;
      room.give(unused);
      const id = `req_${runtime.randomHex(8)}`;
      // What tells of a credential whose it is needs tables: the first to need them makes them, and lets others run meanwhile.
      if (mayTellIssuers(egress)) await inTurns(prepareIssuers(), new SliceSize(), clock);
      const asked = new EgressQuestion(asking, egress, held, null, new HeadMemo(asking.fingerprint));
      const about = describe(egress, asked, id);
      const body = held === null || decoded === undefined ? null : { held, decoded, codings };
      const question = await questionBytes(about, body);
      if (abort.signal.aborted) throw latePlane();
      blamed = question.length <= LARGE_QUESTION;
      const reply = await ask(question, abort.signal).catch((thrown: unknown) => {
        blamed ||= !abort.signal.aborted;
        throw thrown;
      });
      blamed = !ABOUT_THE_QUESTION.has(reply.status);
      const refused = readRefusal(reply);
      if (refused?.error === "inspection_exhausted") {
        circuit.success();
        return exhausted(refused.policy_version ?? null);
      }
      if (refused?.error === "decision_crashed") {
        const crashed = new Error("the decision crashed there: its log says where");
        troubles.tell(crashed);
        throw crashed;
      }
      const read = await readAnswer(reply, { maxBody: config.maxBody, clock });
      const { answer, redacted } = read;
      const { ruling, limit, settle } = rulingOf(answer, redacted);
      await attested(id, asked, read, body);
      circuit.success();
      troubles.last = null;
      policyVersion = answer.policy_version ?? policyVersion;
      const { attestation } = answer;
      const attestationHash = typeof attestation === "string" ? runtime.sha256(attestation) : null;
      const decision = decisionOf(ruling, { egress, held, attestationHash, limit });
      if (settle !== null && permits(decision)) settles.set(egress, settle);
      else if (settle !== null) outbox.end(settle.token, NOT_SENT, null);
      return decision;
    } catch (thrown) {
      const planes = thrown instanceof Fault && thrown.code.startsWith("governance_");
      if (planes) troubles.tell(thrown);
      if (blamed && planes) circuit.failure();
      else circuit.release();
      throw thrown;
    } finally {
      inFlight -= 1;
      reading.delete(egress);
      room.give(taken);
      clearTimeout(timer);
    }
  }

  return {
    get policyVersion() {
      return policyVersion ?? policy.version;
    },
    breaker: circuit,
    get trouble() {
      return troubles.last;
    },
    reload: () => policy.reload(),
    opaque: (host, port) => policy.opaque(host, port),
    reading: (egress) => reading.has(egress),
    lent(egress) {
      const settle = settles.get(egress);
      settles.delete(egress);
      return settle === undefined ? null : outbox.open(settle);
    },
    async close() {
      await outbox.close();
      client.close();
    },
    decide(egress, body) {
      const judged = policy.judge(egress.destination);
      if (judged !== null && typeof judged !== "string") return judged;
      const hidden = hiddenTexts(egress.headers, egress.path, body === null ? null : body.trailers);
      if (hidden.length === 0) return asked(egress, body);
      share.renew();
      const work = WORK_PER_BYTE * decodedCap(config.maxBody);
      const found = inspectHidden(hidden, { deadline: Number.POSITIVE_INFINITY, clock, work, share });
      if (!share.spent) return vetoHidden(found, egress, body) ?? asked(egress, body);
      const budget = { deadline: clock() + config.enforceTimeoutMs, clock, work };
      reading.add(egress);
      return inTurns(inspectHiddenInSteps(hidden, budget), new SliceSize(), clock)
        .finally(() => reading.delete(egress))
        .then((inSteps) => vetoHidden(inSteps, egress, body) ?? asked(egress, body));
    },
  };
}

/** The body of a question, as it was told. */
type Told = {
  readonly held: HeldBody;
  readonly decoded: Uint8Array;
  readonly codings: readonly ContentCoding[];
} | null;
