/** What a certificate says of an egress before evidence gives it its place: one draft a decision. */
import type { Config } from "./config/config.ts";
import { runningMode } from "./decide/decider.ts";
import { redactPath } from "./dlp/redact-path.ts";
import type { CertificateDraft, CertifiedRequest } from "./model/certificate.ts";
import type { Decision, Mode } from "./model/decision.ts";
import type { Destination, Egress } from "./model/egress.ts";
import type { Exchange } from "./model/exchange.ts";
import { diallable } from "./model/permit.ts";
import type { Passage } from "./passage.ts";
import type { Runtime } from "./runtime/contract.ts";

/** What the steps found out about an egress before it was certified. */
export type Found = Pick<Passage, "body" | "way" | "forwarded">;

export const NOTHING_FOUND: Found = { body: null, way: null, forwarded: null };

/** A request target as certificates name it. */
interface Named {
  readonly egress: Pick<Egress, "target" | "path" | "method" | "door">;
  readonly request: CertifiedRequest;
}

/** What a certificate says in the place of addresses. */
const BY_PROXY: readonly string[] = ["via_proxy"];

export class Drafts {
  readonly #runtime: Pick<Runtime, "sha256" | "monotonic">;
  /** What every certificate of this gateway says in `mode` unless its decision has more to say. */
  readonly #mode: Mode;
  /** Agents ask the same few targets over and over, and equal requests share their destination. */
  readonly #named = new WeakMap<Destination, Named>();
  #last: Named | null = null;

  constructor(runtime: Pick<Runtime, "sha256" | "monotonic">, config: Config) {
    this.#runtime = runtime;
    this.#mode = runningMode(config);
  }

  draft(exchange: Exchange, decision: Decision, { body, way, forwarded }: Found): CertificateDraft {
    const { egress } = exchange;
    return {
      verdict: decision.verdict,
      would: decision.would,
      mode: decision.mode === "enforce" ? this.#mode : decision.mode,
      reason: decision.reason,
      matched_pillar: decision.pillar,
      matched_vector: decision.vector,
      caller: egress.caller,
      latency_ms: this.#runtime.monotonic() - exchange.startedAt - exchange.waitedMs,
      content_hash: body === null ? null : `sha256-${body.sha256}`,
      content_bytes: body === null ? null : body.bytes.length,
      forwarded_hash: forwarded === null || decision.replacement === null ? null : `sha256-${forwarded}`,
      phase: egress.phase,
      parent: egress.parent,
      rule: decision.rule,
      policy_version: decision.policyVersion,
      attestation_hash: decision.attestationHash,
      agent: egress.principal.agent,
      addresses: way === null || way.fault !== null ? null : way.viaProxy ? BY_PROXY : diallable(way.addresses),
      request: this.#name(egress),
    };
  }

  #name(egress: Egress): CertifiedRequest {
    const { door, method, target, path, destination } = egress;
    const known = this.#named.get(destination);
    if (known !== undefined && isNamed(known, egress)) return known.request;
    // Each tunnel has a destination of its own; what is asked inside it is most often what was asked inside the one before.
    let named = this.#last;
    if (named === null || !isNamed(named, egress)) {
      const { scheme, host, port } = destination;
      const target_hash = this.#runtime.sha256(target);
      const request = { door, method, scheme, host, port, path: redactPath(path), target_hash };
      named = { egress: { door, method, target, path }, request };
      this.#last = named;
    }
    this.#named.set(destination, named);
    return named.request;
  }
}

/** The same target means another path for OPTIONS. */
function isNamed({ egress, request }: Named, { door, method, target, path, destination }: Egress): boolean {
  return (
    egress.target === target &&
    egress.path === path &&
    egress.method === method &&
    egress.door === door &&
    request.host === destination.host &&
    request.port === destination.port &&
    request.scheme === destination.scheme
  );
}
