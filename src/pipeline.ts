/**
 * The life of one egress, top to bottom: name, body, verdict, addresses, evidence, and only then the dial. Nothing may
 * be moved up past `evidence`: until it returned, the DNS query of an allowed name is all that may have left towards the
 * upstream. Who decides or counts elsewhere (a plane, Redis) was asked before.
 */
import type { Config } from "./config/config.ts";
import { hashInTurns } from "./crypto/hash-in-turns.ts";
import type { AddressGuard } from "./decide/address.ts";
import type { VetoDamper } from "./decide/damper.ts";
import type { Decider } from "./decide/decider.ts";
import type { HostGate } from "./decide/host.ts";
import type { Limited } from "./decide/limits.ts";
import type { Limiter } from "./decide/limits-open.ts";
import type { Names } from "./decide/names.ts";
import { mintPermit } from "./decide/permit.ts";
import { Drafts, NOTHING_FOUND } from "./drafts.ts";
import { Ends } from "./ends.ts";
import { type Ended, NOTHING } from "./enforce/ended.ts";
import { forward } from "./enforce/forward.ts";
import { relayGrpc } from "./enforce/grpc.ts";
import type { TunnelEnv } from "./enforce/opening.ts";
import { tunnel } from "./enforce/tunnel.ts";
import { Fault, messageOf } from "./errors.ts";
import type { Committed, Evidence } from "./evidence/evidence.ts";
import { InnerCertificates } from "./inner-certificates.ts";
import type { CertificateDraft } from "./model/certificate.ts";
import { block, type Decision, failClosed, permits } from "./model/decision.ts";
import type { Destination, Egress } from "./model/egress.ts";
import type { Exchange, Held } from "./model/exchange.ts";
import type { Finding } from "./model/finding.ts";
import { headerValues, withoutBodyFields } from "./model/headers.ts";
import type { KillOrder } from "./model/kill-order.ts";
import type { Observer } from "./observe/observer.ts";
import { Both, Passage, type Way } from "./passage.ts";
import type { Runtime } from "./runtime/contract.ts";
import { WithinExchange, type WithinParts } from "./within.ts";

export interface PipelineParts {
  readonly runtime: Runtime;
  readonly config: Config;
  readonly gate: HostGate;
  readonly decider: Decider;
  readonly limiter: Limiter;
  readonly names: Names;
  readonly guard: AddressGuard;
  readonly evidence: Evidence;
  readonly enforce: TunnelEnv;
  readonly damper: VetoDamper;
  /** Told of each egress whose certificate is written, before it is carried out. Must not wait. */
  readonly certified: (passage: Passage, certificateId: string) => void;
  /** And of what was found within an exchange: in its answer, in a message. */
  readonly found: (certificateId: string, findings: readonly Finding[]) => void;
  readonly observer: Observer;
  /** This gateway as a Via element; null when requests never pass another proxy and so cannot come back that way. */
  readonly via: string | null;
}

/** What is streamed is decided by its head, and message by message from there on. */
const NOT_HELD: Held = { kind: "none" };

export class Pipeline {
  readonly #parts: PipelineParts;
  readonly #drafts: Drafts;
  readonly #within: WithinParts;
  readonly ends: Ends;
  /** The answer to everything while the kill switch is on. */
  #killed: Decision | null = null;
  /** Where a literal leads needs no resolver; equal requests share their destination. */
  readonly #literals = new WeakMap<Destination, Way>();
  /** As the configuration is: every way of this gateway goes through its upstream proxy, or none. */
  readonly #viaProxy: boolean;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.#viaProxy = parts.config.upstreamProxy !== null;
    this.#drafts = new Drafts(parts.runtime, parts.config);
    const { runtime, decider, observer } = parts;
    this.#within = { runtime, decider, observer, certificates: new InnerCertificates(parts, this.#drafts) };
    this.ends = new Ends(parts);
  }

  kill({ on, reason }: KillOrder): void {
    const why = reason === "" ? "the kill switch is on" : `the kill switch is on: ${reason}`;
    this.#killed = on ? block(why, "kill_switch") : null;
  }

  // ── the steps, each of which calls the next ──

  /** Decides one request or CONNECT and sees it to its end. Never throws. */
  handle(exchange: Exchange): void {
    const passage = new Passage(exchange, this);
    try {
      this.#enter(passage);
    } catch (thrown) {
      this.#crashed(passage, thrown);
    }
  }

  #enter(passage: Passage): void {
    const { exchange } = passage;
    const { maxBody } = this.#parts.config;
    const veto = this.#byName(exchange);
    if (veto !== null) this.#prove(passage, veto);
    else if (exchange.declaredLength > maxBody) this.#prove(passage, tooLarge());
    else if (exchange.stream !== null) this.#held(passage, NOT_HELD);
    else this.#then(passage, exchange.hold(maxBody), this.#held);
  }

  #held(passage: Passage, held: Held): void {
    if (held.kind === "gone") return;
    if (held.kind === "body") passage.body = held.body;
    const refusal = refusalOf(held);
    if (refusal !== null) {
      this.#prove(passage, refusal);
      return;
    }
    const { decider, limiter } = this.#parts;
    const { egress } = passage.exchange;
    // Of the policy that decides, as what the tunnel may carry: another one may be in force when there is a decision.
    passage.limits = limiter.program;
    if (egress.phase === "tunnel") {
      // Where nothing may pass unread, what a tunnel carries is looked at, whatever policy calls the place.
      const { host, port } = egress.destination;
      passage.opaque = this.#parts.config.connectPassthrough && decider.opaque(host, port);
      const objection = passage.exchange.objection ?? null;
      if (objection !== null && !passage.opaque) {
        this.#prove(passage, block(objection.reason, objection.vector));
        return;
      }
    }
    this.#then(passage, decider.decide(egress, passage.body), this.#decided);
  }

  #decided(passage: Passage, decision: Decision): void {
    passage.ruled = decision;
    passage.reservation = this.#parts.decider.lent?.(passage.exchange.egress) ?? null;
    const { exchange, body, limits: program } = passage;
    if (!permits(decision)) this.#prove(passage, decision);
    else this.#then(passage, this.#parts.limiter.reserve(exchange.egress, { body, decision, program }), this.#limited);
  }

  #limited(passage: Passage, { decision, reservation }: Limited): void {
    const { egress } = passage.exchange;
    passage.decision = this.#withException(decision, egress);
    const lent = passage.reservation;
    passage.reservation = lent === null ? reservation : reservation === null ? lent : new Both(lent, reservation);
    const { replacement } = decision;
    if (!permits(decision)) this.#prove(passage, decision);
    else if (replacement !== null && !replaceable(passage)) this.#prove(passage, unplaced(decision));
    else if (replacement === null) this.#then(passage, this.#resolve(egress), this.#resolved);
    else this.#then(passage, hashInTurns(this.#parts.runtime, replacement), this.#replaced);
  }

  #replaced(passage: Passage, hash: string): void {
    passage.forwarded = hash;
    this.#then(passage, this.#resolve(passage.exchange.egress), this.#resolved);
  }

  #resolved(passage: Passage, way: Way): void {
    const decision = passage.decision as Decision;
    const veto = way.fault !== null ? null : this.#guard(way, passage.exchange.egress);
    if (veto === null) {
      passage.way = way;
      this.#prove(passage, decision);
    } else this.#prove(passage, { ...veto, policyVersion: veto.policyVersion ?? decision.policyVersion });
  }

  #prove(passage: Passage, decided: Decision): void {
    // It may have been thrown while the body, the verdict or the name was waited for.
    const killed = this.#killed !== null && permits(decided);
    const decision = killed ? (this.#killed as Decision) : decided;
    if (killed) passage.way = null;
    if (!permits(decision)) passage.reservation?.release();
    passage.decision = decision;
    passage.draft = this.#drafts.draft(passage.exchange, decision, passage);
    this.#parts.evidence.submit(passage.draft, passage);
  }

  /** Called by evidence: the line is written, so from here on something may leave. Never throws. */
  proven(passage: Passage, committed: Committed): void {
    const { exchange, way } = passage;
    const decision = passage.decision as Decision;
    const draft = passage.draft as CertificateDraft;
    try {
      this.#parts.observer.decided(draft);
      this.#parts.certified(passage, committed.id);
      if (way === null || !permits(decision)) this.ends.refuse(exchange, decision, draft, committed);
      else if (this.#killed !== null) this.ends.revoked(passage, draft, committed);
      else {
        this.#parts.decider.left?.(exchange.egress);
        if (way.fault !== null) this.ends.unreachable(passage, draft, committed, way.fault);
        else this.#carryOut(passage, decision, way, draft, committed);
      }
    } catch (thrown) {
      // What is certified stays so: there is no second certificate, only an end.
      this.#parts.observer.fault("pipeline_crashed", thrown);
      if (way !== null && permits(decision)) {
        const cut: Ended = { ...NOTHING, severed: true, error: "pipeline_crashed" };
        this.ends.settle({ exchange, draft, certificateId: committed.id, reservation: passage.reservation }, cut);
      }
      exchange.responder.sever();
    }
  }

  /** Called by evidence: no evidence, no egress. Never throws. */
  unproven({ exchange, body, draft, reservation }: Passage, fault: Fault): void {
    reservation?.release();
    const { mode, policy_version } = draft as CertificateDraft;
    const refusing = async () => {
      const decision = failClosed("the decision's evidence could not be written", fault.code, { mode });
      const made = this.#drafts.draft(exchange, decision, { ...NOTHING_FOUND, body });
      const refusal = { ...made, policy_version };
      // Kept, and appended when the log can be written again.
      const committed = await this.#parts.evidence.unwritten(refusal);
      this.#parts.observer.decided(refusal);
      this.ends.answer(exchange, decision, refusal, committed);
    };
    refusing().catch((thrown) => {
      this.#parts.observer.fault("pipeline_crashed", thrown);
      exchange.responder.sever();
    });
  }

  /** Most often nothing has to be waited for: then the next step follows at once, without a promise. */
  #then<T>(passage: Passage, value: T | Promise<T>, next: (passage: Passage, value: T) => void): void {
    if (!(value instanceof Promise)) next.call(this, passage, value);
    else value.then((come) => next.call(this, passage, come)).catch((thrown) => this.#crashed(passage, thrown));
  }

  // ── what the steps ask ──

  /** What needs no body and no policy: the name, loops, and two names in one request. */
  #byName({ egress, objection }: Exchange): Decision | null {
    if (this.#killed !== null) return this.#killed;
    const { gate, via, config } = this.#parts;
    const { destination, conflict } = egress;
    if (objection?.vector === "loop") return block(objection.reason, "loop", { status: 508 });
    if (via !== null && headerValues(egress.headers, "via").some((value) => value.includes(via))) {
      return block("the request has come back through the upstream proxy", "loop", { status: 508 });
    }
    const veto = gate.check(destination);
    if (veto !== null) return veto;
    if (conflict !== null) {
      const where =
        egress.parent === null
          ? `on a connection to port ${destination.port}`
          : `inside a tunnel to "${destination.host}"`;
      return block(`the request names "${conflict}" ${where}`, "host_mismatch");
    }
    if (egress.phase === "tunnel" && !config.connectPassthrough && !this.#reads(destination.host)) {
      return block(
        "tunnels that are not read are not allowed here (EVE_PROXY_CONNECT_PASSTHROUGH=0)",
        "connect_blocked",
      );
    }
    return null;
  }

  /** TLS to this host is intercepted. */
  #reads(host: string): boolean {
    const { interceptor } = this.#parts.enforce;
    return interceptor !== null && interceptor.excepted(host) === null;
  }

  /** A tunnel whose TLS is passed through although others are read says so, and why, in its certificate. */
  #withException(decision: Decision, { phase, destination }: Egress): Decision {
    const why = phase === "tunnel" ? (this.#parts.enforce.interceptor?.excepted(destination.host) ?? null) : null;
    return why === null ? decision : { ...decision, reason: `${decision.reason}; TLS is not read: ${why}` };
  }

  #resolve(egress: Egress): Way | Promise<Way> {
    const { destination } = egress;
    const viaProxy = this.#viaProxy;
    if (destination.literal) {
      let way = this.#literals.get(destination);
      if (way === undefined) {
        way = { addresses: [destination.host], viaProxy, fault: null };
        this.#literals.set(destination, way);
      }
      return way;
    }
    if (viaProxy) return { addresses: [], viaProxy, fault: null };
    const resolving = this.#parts.names.resolve(destination.host, egress.principal.address);
    if (!(resolving instanceof Promise)) return { addresses: resolving, viaProxy, fault: null };
    return resolving.then(
      (addresses) => ({ addresses, viaProxy, fault: null }),
      (thrown) => ({
        addresses: [],
        viaProxy,
        fault: thrown instanceof Fault ? thrown : new Fault("resolve_failed", messageOf(thrown)),
      }),
    );
  }

  #guard(way: Way, egress: Egress): Decision | null {
    const { host, port, literal } = egress.destination;
    if (way.viaProxy && !literal) return this.#parts.guard.checkName(host);
    return this.#parts.guard.check(way.addresses, port, host);
  }

  // ── carrying out ──

  #carryOut(passage: Passage, decision: Decision, way: Way, draft: CertificateDraft, committed: Committed): void {
    const { exchange, body, reservation } = passage;
    const permit = mintPermit(decision, exchange.egress.destination, way.addresses, way.viaProxy);
    const { egress, stream } = exchange;
    const { replacement } = decision;
    const certificateId = committed.id;
    if (egress.phase === "request" && stream !== null) {
      const within = new WithinExchange(this.#within, exchange, certificateId);
      relayGrpc(
        this.#parts.enforce,
        { exchange, permit, certificate: committed, certificateId, draft, reservation, within },
        stream,
      );
      return;
    }
    if (egress.phase === "request") {
      forward(this.#parts.enforce, {
        exchange,
        permit,
        payload: replacement ?? (body === null ? null : body.bytes),
        fields: replacement === null ? (egress.block ?? egress.headers) : withoutBodyFields(egress.headers),
        certificate: committed,
        certificateId,
        draft,
        reservation,
        within: new WithinExchange(this.#within, exchange, certificateId),
      });
      return;
    }
    void tunnel(this.#parts.enforce, {
      exchange,
      permit,
      certificateId,
      certificate: committed,
      draft,
      reservation,
      opaque: passage.opaque,
      veto: ({ reason, vector }) => {
        // From now: the tunnel's own clock also counts the wait for its first bytes, which is the client's time.
        const from = this.#parts.runtime.monotonic();
        const decided = { decision: block(reason, vector), phase: exchange.egress.phase, body: null, from };
        return this.#within.certificates.certify({ exchange, parent: certificateId }, decided);
      },
    });
  }

  /** A defect of ours before anything was certified: fail closed, on the road of every other decision. Never throws. */
  #crashed(passage: Passage, thrown: unknown): void {
    const { exchange } = passage;
    this.#parts.observer.fault("pipeline_crashed", thrown);
    // Whatever the passage still waits for must not carry it on.
    const first = passage.end();
    passage.reservation?.release();
    if (!first || exchange.responder.started) {
      exchange.responder.sever();
      return;
    }
    try {
      this.#prove(new Passage(exchange, this), failClosed("the gateway failed while deciding", "pipeline_crashed"));
    } catch (again) {
      this.#parts.observer.fault("pipeline_crashed", again);
      exchange.responder.sever();
    }
  }
}

/** There is a body, and it leaves whole and at once: bytes that replace it are what is sent. Of a stream, or a tunnel, they are not. */
function replaceable({ exchange, body }: Passage): boolean {
  return body !== null && exchange.stream === null && exchange.egress.phase === "request";
}

/** What was to be removed must not leave because there is no place for what stands for it. */
function unplaced({ mode, policyVersion }: Decision): Decision {
  return failClosed("the decision replaces a body that is not held", "decision_malformed", { mode, policyVersion });
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
