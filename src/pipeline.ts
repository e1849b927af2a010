/**
 * The life of one egress, top to bottom: name, body, verdict, addresses, evidence, and only then the dial. Nothing may
 * be moved up past `evidence`: until it returned, the DNS query of an allowed name is all that may have left.
 */
import type { Config } from "./config/config.ts";
import type { AddressGuard } from "./decide/address.ts";
import type { VetoDamper } from "./decide/damper.ts";
import { type Decider, runningMode } from "./decide/decider.ts";
import type { HostGate } from "./decide/host.ts";
import type { Names } from "./decide/names.ts";
import { mintPermit } from "./decide/permit.ts";
import { refuse } from "./enforce/answers.ts";
import { type Carried, type Ended, forward } from "./enforce/forward.ts";
import { type TunnelEnv, type TunnelVeto, tunnel } from "./enforce/tunnel.ts";
import { Fault, messageOf } from "./errors.ts";
import type { Committed, Evidence } from "./evidence/evidence.ts";
import type { CertificateDraft } from "./model/certificate.ts";
import { block, type Decision, failClosed, type Mode, permits } from "./model/decision.ts";
import type { Egress, HeldBody } from "./model/egress.ts";
import type { Exchange, Held } from "./model/exchange.ts";
import { headerValues, withoutBodyFields } from "./model/headers.ts";
import type { KillOrder } from "./model/kill-order.ts";
import type { Observer } from "./observe/observer.ts";
import { redactPath } from "./policy/redact-path.ts";
import type { Runtime } from "./runtime/contract.ts";

export interface PipelineParts {
  readonly runtime: Runtime;
  readonly config: Config;
  readonly gate: HostGate;
  readonly decider: Decider;
  readonly names: Names;
  readonly guard: AddressGuard;
  readonly evidence: Evidence;
  readonly enforce: TunnelEnv;
  readonly damper: VetoDamper;
  readonly observer: Observer;
  /** This gateway as a Via element; null when requests never pass another proxy and so cannot come back that way. */
  readonly via: string | null;
}

/** What the vetted way out is; `fault` when there is none although it was allowed. */
interface Way {
  readonly addresses: readonly string[];
  readonly fault: Fault | null;
}

/** A request target as a certificate shows it. */
interface CertifiedTarget {
  readonly target: string;
  /** The same target means another path for OPTIONS. */
  readonly sent: string;
  readonly hash: string;
  readonly path: string;
}

const VIA_PROXY: Way = { addresses: [], fault: null };

export class Pipeline {
  readonly #parts: PipelineParts;
  /** What every certificate of this gateway says in `mode` unless its decision has more to say. */
  readonly #mode: Mode;
  #lastTarget: CertifiedTarget | null = null;
  /** The answer to everything while the kill switch is on. */
  #killed: Decision | null = null;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.#mode = runningMode(parts.config);
  }

  kill({ on, reason }: KillOrder): void {
    const why = reason === "" ? "the kill switch is on" : `the kill switch is on: ${reason}`;
    this.#killed = on ? block(why, "kill_switch") : null;
  }

  /** Decides one request or CONNECT and sees it to its end. Never throws and never rejects. */
  async handle(exchange: Exchange): Promise<void> {
    try {
      await this.#run(exchange);
    } catch (thrown) {
      await this.#crashed(exchange, thrown);
    }
  }

  async #run(exchange: Exchange): Promise<void> {
    const { egress } = exchange;
    const { config } = this.#parts;
    let body: HeldBody | null = null;
    let way: Way | null = null;

    let decision = this.#byName(egress);
    if (decision === null && exchange.declaredLength > config.maxBody) decision = tooLarge();
    if (decision === null) {
      const holding = exchange.hold(config.maxBody);
      const held = holding instanceof Promise ? await holding : holding;
      if (held.kind === "gone") return;
      if (held.kind === "body") body = held.body;
      decision = refusalOf(held);
    }
    if (decision === null) {
      const deciding = this.#parts.decider.decide(egress, body);
      decision = deciding instanceof Promise ? await deciding : deciding;
      if (permits(decision)) {
        const resolving = this.#resolve(egress);
        way = resolving instanceof Promise ? await resolving : resolving;
        const veto = way === VIA_PROXY || way.fault !== null ? null : this.#guard(way, egress);
        if (veto !== null) {
          decision = { ...veto, policyVersion: decision.policyVersion };
          way = null;
        }
      }
    }

    // It may have been thrown while the body, the verdict or the name was waited for.
    if (this.#killed !== null && permits(decision)) {
      decision = this.#killed;
      way = null;
    }

    const draft = this.#draft(exchange, decision, body, way);
    let committed: Committed;
    try {
      const committing = this.#parts.evidence.commit(draft);
      committed = committing instanceof Promise ? await committing : committing;
    } catch (thrown) {
      await this.#unproven(exchange, draft, body, thrown);
      return;
    }

    this.#parts.observer.decided(draft);
    if (way === null || !permits(decision)) await this.#refuse(exchange, decision, draft, committed);
    else if (this.#killed !== null) this.#revoked(exchange, draft, committed);
    else if (way.fault !== null) this.#unreachable(exchange, draft, committed, way.fault);
    else this.#carryOut(exchange, decision, body, way, draft, committed);
  }

  // ── the steps ──

  /** What needs no body and no policy: the name, loops, and two names in one request. */
  #byName(egress: Egress): Decision | null {
    if (this.#killed !== null) return this.#killed;
    const { gate, via, config } = this.#parts;
    const { destination, headers, conflict } = egress;
    if (via !== null && headerValues(headers, "via").some((value) => value.includes(via))) {
      return block("the request has come back through the upstream proxy", "loop", { status: 508 });
    }
    const veto = gate.check(destination);
    if (veto !== null) return veto;
    if (conflict !== null) {
      return block(`the request names "${conflict}" inside a tunnel to "${destination.host}"`, "host_mismatch");
    }
    if (egress.phase === "tunnel" && !config.connectPassthrough) {
      return block("tunnels are not allowed here (EVE_PROXY_CONNECT_PASSTHROUGH=0)", "connect_blocked");
    }
    return null;
  }

  #resolve(egress: Egress): Way | Promise<Way> {
    const { destination } = egress;
    if (this.#parts.config.upstreamProxy !== null && !destination.literal) return VIA_PROXY;
    if (destination.literal) return { addresses: [destination.host], fault: null };
    const resolving = this.#parts.names.resolve(destination.host);
    if (!(resolving instanceof Promise)) return { addresses: resolving, fault: null };
    return resolving.then(
      (addresses) => ({ addresses, fault: null }),
      (thrown) => ({
        addresses: [],
        fault: thrown instanceof Fault ? thrown : new Fault("resolve_failed", messageOf(thrown)),
      }),
    );
  }

  #guard(way: Way, egress: Egress): Decision | null {
    const { host, port } = egress.destination;
    return this.#parts.guard.check(way.addresses, port, host);
  }

  #draft(exchange: Exchange, decision: Decision, body: HeldBody | null, way: Way | null): CertificateDraft {
    const { runtime, config } = this.#parts;
    const { egress } = exchange;
    const { destination } = egress;
    const { replacement } = decision;
    const target = this.#targetOf(egress);
    return {
      verdict: decision.verdict,
      would: decision.would,
      mode: decision.mode === "enforce" ? this.#mode : decision.mode,
      reason: decision.reason,
      matched_pillar: decision.pillar,
      matched_vector: decision.vector,
      caller: egress.caller,
      latency_ms: runtime.monotonic() - exchange.startedAt - exchange.waitedMs,
      content_hash: body === null ? null : `sha256-${body.sha256}`,
      content_bytes: body === null ? null : body.bytes.length,
      forwarded_hash: replacement === null ? null : `sha256-${runtime.sha256(replacement)}`,
      phase: egress.phase,
      parent: egress.parent,
      rule: decision.rule,
      policy_version: decision.policyVersion,
      attestation_hash: decision.attestationHash,
      agent: egress.principal.agent,
      addresses: way === null || way.fault !== null ? null : viaProxy(config) ? ["via_proxy"] : way.addresses,
      request: {
        door: egress.door,
        method: egress.method,
        scheme: destination.scheme,
        host: destination.host,
        port: destination.port,
        path: target.path,
        target_hash: target.hash,
      },
    };
  }

  /** Agents ask the same few targets over and over: the last one's hash and redacted path are kept. */
  #targetOf(egress: Egress): CertifiedTarget {
    const last = this.#lastTarget;
    if (last !== null && last.target === egress.target && last.sent === egress.path) return last;
    const { target } = egress;
    this.#lastTarget = {
      target,
      sent: egress.path,
      hash: this.#parts.runtime.sha256(target),
      path: redactPath(egress.path),
    };
    return this.#lastTarget;
  }

  // ── the ends ──

  async #refuse(exchange: Exchange, decision: Decision, draft: CertificateDraft, committed: Committed): Promise<void> {
    const { egress } = exchange;
    const wait = this.#parts.damper.delay(egress.principal.address, decision, egress.destination.host);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    exchange.release();
    this.#answer(exchange, decision, draft, committed);
  }

  #answer(exchange: Exchange, decision: Decision, draft: CertificateDraft, committed: Committed): void {
    refuse(exchange.responder, decision, committed);
    const end = { answered: decision.status, bytesUp: draft.content_bytes ?? 0, bytesDown: 0, error: null };
    const peer = exchange.egress.principal.address;
    const duration = this.#parts.runtime.monotonic() - exchange.startedAt;
    this.#parts.observer.concluded(draft, committed.id, peer, end, duration);
  }

  /** Allowed and proven, but stopped while the proof was written. */
  #revoked(exchange: Exchange, draft: CertificateDraft, committed: Committed): void {
    exchange.release();
    const cut = { ...NOT_STARTED, answered: null, severed: true, error: "killed" };
    this.settle({ exchange, draft, certificateId: committed.id }, cut);
    exchange.responder.sever();
  }

  /** Allowed and proven, but the name leads nowhere. */
  #unreachable(exchange: Exchange, draft: CertificateDraft, committed: Committed, fault: Fault): void {
    exchange.release();
    this.settle({ exchange, draft, certificateId: committed.id }, { ...NOT_STARTED, error: fault.code });
    exchange.responder.answer(
      502,
      "Bad Gateway",
      ["Content-Type", "text/plain; charset=utf-8", "X-EVE-Decision-Cert", committed.header],
      `upstream error: ${fault.message}\n`,
      exchange.egress.phase === "tunnel",
    );
  }

  #carryOut(
    exchange: Exchange,
    decision: Decision,
    body: HeldBody | null,
    way: Way,
    draft: CertificateDraft,
    committed: Committed,
  ): void {
    const permit = mintPermit(decision, exchange.egress.destination, way.addresses, viaProxy(this.#parts.config));
    const { egress } = exchange;
    if (egress.phase === "request") {
      const payload = decision.replacement ?? (body === null ? null : body.bytes);
      forward(this.#parts.enforce, {
        exchange,
        permit,
        payload,
        fields: decision.replacement === null ? (egress.block ?? egress.headers) : withoutBodyFields(egress.headers),
        certificate: committed.header,
        certificateId: committed.id,
        draft,
      });
      return;
    }
    const { host, port } = permit.destination;
    void tunnel(this.#parts.enforce, {
      exchange,
      permit,
      certificateId: committed.id,
      certificate: committed.header,
      draft,
      opaque: this.#parts.decider.opaque(host, port),
      veto: (veto) => this.#vetoInside(exchange, veto, committed.id),
    });
  }

  /** A tunnel that was allowed by name is vetoed for what it carries: a certificate of its own, under the tunnel's. */
  async #vetoInside(exchange: Exchange, veto: TunnelVeto, parent: string): Promise<void> {
    const from = this.#parts.runtime.monotonic();
    const drafted = this.#draft(exchange, block(veto.reason, veto.vector), null, null);
    // The tunnel's own clock also counts the wait for its first bytes, which is the client's time.
    const draft = { ...drafted, parent, latency_ms: this.#parts.runtime.monotonic() - from };
    try {
      const committed = await this.#parts.evidence.commit(draft);
      this.#parts.observer.decided(draft);
      const end = { answered: null, bytesUp: 0, bytesDown: 0, error: null };
      const peer = exchange.egress.principal.address;
      this.#parts.observer.concluded(draft, committed.id, peer, end, draft.latency_ms);
    } catch {
      // The veto stands without its line: the tunnel is severed either way, and the certificate is kept for recovery.
      await this.#parts.evidence.unwritten(draft);
    }
  }

  /** No evidence, no egress. */
  async #unproven(exchange: Exchange, draft: CertificateDraft, body: HeldBody | null, thrown: unknown): Promise<void> {
    const vector = thrown instanceof Fault ? thrown.code : "evidence_failed";
    const decision = failClosed("the decision's evidence could not be written", vector, { mode: draft.mode });
    const refusal = { ...this.#draft(exchange, decision, body, null), policy_version: draft.policy_version };
    const committed = await this.#parts.evidence.unwritten(refusal);
    this.#parts.observer.decided(refusal);
    exchange.release();
    this.#answer(exchange, decision, refusal, committed);
  }

  /** A defect of ours in the middle of an egress takes the same road as every other fault. */
  async #crashed(exchange: Exchange, thrown: unknown): Promise<void> {
    this.#parts.observer.fault("pipeline_crashed", thrown);
    if (exchange.responder.started) {
      exchange.responder.sever();
      return;
    }
    try {
      const decision = failClosed("the gateway failed while deciding", "pipeline_crashed");
      const draft = this.#draft(exchange, decision, null, null);
      try {
        const committed = await this.#parts.evidence.commit(draft);
        this.#parts.observer.decided(draft);
        this.#answer(exchange, decision, draft, committed);
      } catch (again) {
        await this.#unproven(exchange, draft, null, again);
      }
    } catch (last) {
      this.#parts.observer.fault("pipeline_crashed", last);
      exchange.responder.sever();
    }
  }

  /** How an allowed egress ended; what enforce tells. */
  settle({ exchange, certificateId, draft }: Pick<Carried, "exchange" | "certificateId" | "draft">, end: Ended): void {
    exchange.release();
    const duration = this.#parts.runtime.monotonic() - exchange.startedAt;
    this.#parts.evidence.settle({
      certificate_id: certificateId,
      status: end.status,
      bytes_up: end.bytesUp,
      bytes_down: end.bytesDown,
      address: end.address,
      duration_ms: duration,
      severed: end.severed,
      protocol: end.protocol,
      error: end.error,
    });
    this.#parts.observer.concluded(draft, certificateId, exchange.egress.principal.address, end, duration);
  }
}

const NOT_STARTED: Ended = {
  status: null,
  answered: 502,
  bytesUp: 0,
  bytesDown: 0,
  address: null,
  severed: false,
  protocol: null,
  error: null,
};

function viaProxy(config: Config): boolean {
  return config.upstreamProxy !== null;
}

function tooLarge(): Decision {
  return block("body too large for inspection", "body_too_large", { status: 413 });
}

/** The refusal a failed hold is; null when there is something (or nothing) to decide on. */
function refusalOf(held: Held): Decision | null {
  if (held.kind === "too_large") return tooLarge();
  if (held.kind === "exhausted") return failClosed("no room to hold the body for inspection", "held_exhausted");
  return null;
}
