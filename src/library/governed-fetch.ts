/**
 * A fetch that asks first. It governs the code that calls it and nothing else: code that wants around it finds another
 * fetch. What cannot be gone around is the gateway.
 */

import { redactPath } from "../dlp/redact-path.ts";
import { BLANK_DRAFT } from "../evidence/blank-draft.ts";
import { block, type Decision, failClosed, permits } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import { answered, refusal } from "./answer.ts";
import { Certifier, type Signed } from "./certify.ts";
import { contentHash, sha256 } from "./content.ts";
import { type Target, targetOf } from "./destination.ts";
import { FailClosedError } from "./fail-closed-error.ts";
import { judge, knownAddresses } from "./judge.ts";
import { tell } from "./outcome.ts";
import { type FetchInput, type Outgoing, readOutgoing, redirected } from "./outgoing.ts";
import { type CommonOptions, commonSettings } from "./settings.ts";

export type InnerFetch = (url: string, init: RequestInit) => Promise<Response>;
export type GovernedFetch = (input: FetchInput, init?: RequestInit) => Promise<Response>;

export interface GovernedFetchOptions extends CommonOptions {
  /** What carries an allowed request out; default the global fetch. It is told not to follow redirects and must not. */
  readonly fetch?: InnerFetch | undefined;
  /** Names (each with all below it), addresses or networks. */
  readonly blockedHosts?: readonly string[] | undefined;
  /** The text of a policy file. Without one every host is allowed that is not blocked. */
  readonly policy?: string | undefined;
  /** Addresses and networks that are let through although not public: `127.0.0.0/8`. Default none. */
  readonly allowAddresses?: readonly string[] | undefined;
  /** Longest request body, bytes; default 10485760. */
  readonly maxBody?: number | undefined;
  /** A refusal is a Response with status 451, 413 or 503 ("respond", the default), or a FailClosedError ("throw"). */
  readonly onVeto?: "respond" | "throw" | undefined;
  /** Default 20. */
  readonly maxRedirects?: number | undefined;
}

/**
 * Wraps a fetch. Every request, and every redirect on its way, is decided and certified before the inner fetch is called;
 * after a veto it is not called. Throws TypeError or Fault `policy_invalid` for unusable options. The returned fetch
 * rejects as fetch does, and with FailClosedError only under `onVeto: "throw"`.
 */
export function governedFetch(options: GovernedFetchOptions): GovernedFetch {
  const { caller, orgId, timeoutMs, hook } = commonSettings(options);
  const { fetch: inner = (url, init) => fetch(url, init), onVeto = "respond" } = options;
  if (typeof inner !== "function") throw new TypeError("fetch must be a function");
  if (onVeto !== "respond" && onVeto !== "throw") throw new TypeError('onVeto must be "respond" or "throw"');
  const maxBody = count("maxBody", options.maxBody ?? 10 * 1024 * 1024);
  const maxRedirects = count("maxRedirects", options.maxRedirects ?? 20);
  const { blockedHosts = [], allowAddresses = [], policy = null } = options;
  const decide = judge({ blockedHosts, allowAddresses, policy, maxBody, timeoutMs });
  const certifier = new Certifier({ orgId, key: options.signer, timeoutMs });

  /** Step by step as in the gateway: name, whole request, evidence, and only then out. */
  async function decided(request: Outgoing, parent: string | null): Promise<Decided> {
    const started = performance.now();
    const target = targetOf(request.url);
    let decision: Decision;
    if (typeof target === "string") decision = block(target, "target_unsupported");
    else if (request.tooLarge) decision = block("body too large for inspection", "body_too_large", { status: 413 });
    else decision = await decide(egressOf(request, target, { caller, parent }), request.body);
    if (decision.verdict === "sanitize") decision = failClosed("sanitizing is not done here", "sanitize_unsupported");
    const latency = performance.now() - started;
    try {
      const signed = await certifier.certify({
        ...BLANK_DRAFT,
        verdict: decision.verdict,
        mode: decision.mode,
        reason: decision.reason,
        matched_pillar: decision.pillar,
        matched_vector: decision.vector,
        rule: decision.rule,
        policy_version: decision.policyVersion,
        caller,
        parent,
        latency_ms: latency,
        content_hash: request.body === null ? null : await contentHash(request.body),
        content_bytes: request.body?.length ?? null,
        ...(await placeOf(request, target, permits(decision))),
      });
      return { decision, signed, target, started };
    } catch {
      // A veto stands without its proof; an allow does not.
      if (permits(decision)) decision = failClosed("the certificate cannot be signed", "signer_failed");
      return { decision, signed: null, target, started };
    }
  }

  function settle({ decision, signed, started }: Decided): void {
    const { verdict, reason, pillar, vector } = decision;
    const duration_ms = performance.now() - started;
    const certificate = signed?.certificate ?? null;
    tell(hook, { verdict, reason, matched_pillar: pillar, matched_vector: vector, certificate, duration_ms });
  }

  function refuse(refused: Decided): Response {
    settle(refused);
    const { decision, signed } = refused;
    if (onVeto === "respond") return refusal(decision, signed);
    const { pillar, vector } = decision;
    const certificate = signed?.certificate ?? null;
    throw new FailClosedError(decision.reason, { pillar: pillar ?? "114", vector: vector ?? "", certificate });
  }

  return async (input, init = {}) => {
    let request = await readOutgoing(input, init, maxBody);
    let parent: string | null = null;
    for (let hops = 0; ; hops++) {
      const made = await decided(request, parent);
      const { decision, signed, target } = made;
      if (!permits(decision) || signed === null || typeof target === "string") return refuse(made);
      request.signal?.throwIfAborted();
      let response: Response;
      try {
        response = await inner(target.href, initOf(request));
      } finally {
        settle(made);
      }
      if (response.redirected || response.type === "opaqueredirect") {
        drop(response);
        throw new TypeError("the wrapped fetch does not hand redirects over: they cannot be decided");
      }
      const next = request.redirect === "manual" ? null : redirectOf(request, response);
      if (next === null) {
        return answered(response, { url: target.href, redirected: hops > 0, certificate: signed.header });
      }
      drop(response);
      if (request.redirect === "error") throw new TypeError('a redirect was answered, and redirect is "error"');
      if (hops >= maxRedirects) throw new TypeError(`more than ${maxRedirects} redirects`);
      parent = signed.certificate.certificate_id;
      request = next;
    }
  };
}

interface Decided {
  readonly decision: Decision;
  readonly signed: Signed | null;
  readonly target: Target | string;
  readonly started: number;
}

function egressOf(request: Outgoing, target: Target, who: { caller: string; parent: string | null }): Egress {
  return {
    door: "library",
    phase: "request",
    caller: who.caller,
    method: request.method,
    destination: target.destination,
    target: target.href,
    path: target.path,
    headers: request.headers,
    block: null,
    coded: true,
    wordy: true,
    upgrade: null,
    conflict: null,
    principal: { address: "", port: 0, agent: null, parentAgent: null },
    parent: who.parent,
  };
}

/** Where it goes, as evidence names it. Addresses only when they are known without a resolver. */
async function placeOf(request: Outgoing, target: Target | string, permitted: boolean) {
  const { method, url } = request;
  const scheme = url.protocol.slice(0, -1);
  if (typeof target === "string") {
    const named = { door: "library", method, scheme, host: url.hostname, port: Number(url.port), path: "" };
    return { request: { ...named, target_hash: await sha256(new TextEncoder().encode(url.href)) } };
  }
  const { host, port, literal } = target.destination;
  const target_hash = await sha256(new TextEncoder().encode(target.href));
  return {
    addresses: permitted ? knownAddresses(host, literal) : null,
    request: { door: "library", method, scheme, host, port, path: redactPath(target.path), target_hash },
  };
}

function initOf({ method, headers, body, signal, passed }: Outgoing): RequestInit {
  const fields = new Headers();
  for (let i = 0; i + 1 < headers.length; i += 2) fields.append(headers[i] as string, headers[i + 1] as string);
  return {
    ...passed,
    method,
    headers: fields,
    redirect: "manual",
    ...(body === null ? {} : { body: body as Uint8Array<ArrayBuffer> }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function redirectOf(request: Outgoing, response: Response): Outgoing | null {
  try {
    return redirected(request, response.status, response.headers.get("location"));
  } catch (thrown) {
    drop(response);
    throw new TypeError("the redirect leads to no URL that can be fetched", { cause: thrown });
  }
}

/** Lets go of a body nobody will read. */
function drop(response: Response): void {
  response.body?.cancel().catch(() => {});
}

function count(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${name} must be a whole number, 0 or more`);
  return value;
}
