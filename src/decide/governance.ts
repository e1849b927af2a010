/** A hosted governance plane, asked once per egress. Whatever is not a well-formed answer in time is a Fault. */
import type { Config, GovernanceConfig } from "../config/config.ts";
import { type Ruling, ruling } from "../engine/ruling.ts";
import { Fault, messageOf } from "../errors.ts";
import { type Decision, failClosed } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import type { ContentCoding, HttpReply, Runtime } from "../runtime/contract.ts";
import { type Breaker, breaker } from "./breaker.ts";
import { fingerprints } from "./credential-fields.ts";
import type { Decider } from "./decider.ts";
import { bodyDecoder, contentCodings, decodedCap, isVeto } from "./decode.ts";
import { EgressQuestion } from "./egress-question.ts";
import type { DecisionAnswer } from "./governance-schema.ts";
import { HeadMemo } from "./head-memo.ts";
import { inspectHidden } from "./hidden-text.ts";
import { ANSWER_ROOM, readAnswer } from "./plane-answer.ts";
import { describe, questionBytes } from "./plane-request.ts";
import type { Policy } from "./policy.ts";
import { QuestionRoom } from "./question-room.ts";
import { decisionOf } from "./ruling.ts";

const MAX_SOCKETS = 64;
const MAX_IN_FLIGHT = 1024;
const BREAKER = { threshold: 5, coolDownMs: 5000 };
/** A question longer than this may be late for its own length. */
const LARGE_QUESTION = 256 * 1024;
/** Statuses that say something of the question and nothing of the plane: one client's requests must not close it for all. */
const ABOUT_THE_QUESTION: ReadonlySet<number> = new Set([400, 413, 414, 422, 431]);

export interface PlaneDecider extends Decider {
  readonly breaker: Pick<Breaker, "state">;
  close(): void;
}

type Settings = Pick<Config, "enforceTimeoutMs" | "maxBody" | "maxHeld" | "orgId" | "hmacKey" | "signingKey"> & {
  readonly governance: GovernanceConfig;
};

type Machine = Pick<Runtime, "httpClient" | "hmacSha256" | "randomHex" | "monotonic" | "decode" | "sha256" | "now">;

/** A local policy's veto on the destination needs no plane; all the rest is the plane's to say. */
export function planeDecider(runtime: Machine, config: Settings, policy: Policy): PlaneDecider {
  const { governance } = config;
  const url = `${governance.url.replace(/\/+$/, "")}/v1/decisions`;
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
  let inFlight = 0;
  let policyVersion: string | null = null;

  async function ask(question: Uint8Array, signal: AbortSignal): Promise<HttpReply> {
    try {
      return await client.send(url, "POST", headers, question, maxAnswer, signal);
    } catch (thrown) {
      if (signal.aborted) throw late();
      const tooLarge = thrown instanceof Fault && thrown.code === "upstream_malformed";
      const code = tooLarge ? "governance_malformed" : "governance_unreachable";
      throw new Fault(code, `the governance plane failed: ${messageOf(thrown)}`, { cause: thrown });
    }
  }

  /** One question: admitted, timed, counted. The timer runs from before the body is decoded. */
  async function consult(egress: Egress, held: HeldBody | null, codings: readonly ContentCoding[]): Promise<Decision> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), config.enforceTimeoutMs);
    inFlight += 1;
    let taken = 0;
    /** What goes wrong now is the plane's fault. Before, and for what only this question brings about, it is not. */
    let blamed = false;
    try {
      const length = held?.bytes.length ?? 0;
      const most = codings.length === 0 ? length : Math.min(decodedCap(config.maxBody), expanded(length));
      const found = await room.take(most, abort.signal);
      if (found === null) throw late();
      taken = found;
      const decoded = held === null || codings.length === 0 ? held?.bytes : await decode(held.bytes, codings);
      if (decoded !== undefined && !(decoded instanceof Uint8Array)) {
        circuit.release();
        return decoded;
      }
      const unused = taken - Math.min(taken, decoded?.length ?? 0);
      taken -= unused;
      room.give(unused);
      const about = describe(
        egress,
        new EgressQuestion(asking, egress, held, null, new HeadMemo(asking.fingerprint)),
        `req_${runtime.randomHex(8)}`,
      );
      const body = held === null || decoded === undefined ? null : { held, decoded, codings };
      const question = await questionBytes(about, body);
      if (abort.signal.aborted) throw late();
      blamed = question.length <= LARGE_QUESTION;
      const reply = await ask(question, abort.signal).catch((thrown: unknown) => {
        blamed ||= !abort.signal.aborted;
        throw thrown;
      });
      blamed = !ABOUT_THE_QUESTION.has(reply.status);
      const { answer, redacted } = await readAnswer(reply, { maxBody: config.maxBody, clock });
      circuit.success();
      policyVersion = answer.policy_version ?? policyVersion;
      const { attestation } = answer;
      const attestationHash = typeof attestation === "string" ? runtime.sha256(attestation) : null;
      return decisionOf(rulingOf(answer, redacted), { egress, held, attestationHash });
    } catch (thrown) {
      if (blamed && thrown instanceof Fault && thrown.code.startsWith("governance_")) circuit.failure();
      else circuit.release();
      throw thrown;
    } finally {
      inFlight -= 1;
      room.give(taken);
      clearTimeout(timer);
    }
  }

  return {
    get policyVersion() {
      return policyVersion ?? policy.version;
    },
    breaker: circuit,
    reload: () => policy.reload(),
    opaque: (host, port) => policy.opaque(host, port),
    close: () => client.close(),
    decide(egress, body) {
      const judged = policy.judge(egress.destination);
      if (judged !== null && typeof judged !== "string") return judged;
      const found = inspectHidden(egress.headers, egress.path, body === null ? null : body.trailers);
      if (found === "exhausted") return failClosed("the inspection ran out of its budget", "inspection_exhausted");
      const veto = found === null ? null : policy.engine.vetoed(found);
      if (veto !== null) return decisionOf(veto, { egress, held: body, attestationHash: null });
      const codings = body === null ? [] : contentCodings(egress.headers);
      if (isVeto(codings)) return codings;
      if (inFlight >= MAX_IN_FLIGHT) {
        throw new Fault("governance_unreachable", "too many decisions wait for the governance plane");
      }
      if (!circuit.admit()) throw new Fault("governance_breaker_open", "the governance plane is down");
      return consult(egress, body, codings);
    },
  };
}

/** What a coded body may become, as decode.ts bounds it. */
function expanded(length: number): number {
  return Math.max(1024 * 1024, 100 * length);
}

function late(): Fault {
  return new Fault("governance_timeout", "the governance plane did not answer in time");
}

/** As the embedded engine would have put it. */
function rulingOf(answer: DecisionAnswer, redacted: Uint8Array | null): Ruling {
  const { rule, policy_version, ttl_s } = answer;
  const plain = { rule: rule ?? null, policyVersion: policy_version ?? null, ttlS: ttl_s ?? 0 };
  const said = answer.reason ?? answer.message ?? null;
  const detail = { ...plain, pillar: answer.pillar ?? "CoreGuard" };
  switch (answer.decision) {
    case "allow":
      return ruling("allow", said ?? "allowed by the governance plane", plain);
    case "deny":
      return ruling("deny", said ?? "denied by the governance plane", {
        ...detail,
        vector: answer.vector ?? "plane_deny",
      });
    case "approval_needed":
      return ruling("approval_needed", said ?? "approval is needed", {
        ...detail,
        vector: answer.vector ?? "approval_needed",
      });
    case "sanitize":
      return ruling("sanitize", said ?? "sanitized by the governance plane", {
        ...detail,
        vector: answer.vector ?? "plane_sanitize",
        replacement: redacted,
      });
  }
}
