/** Fail-closed execution: work that is inspected first, bounded in time, and gives a result only with its proof. */
import { Fault } from "../errors.ts";
import { BLANK_DRAFT } from "../evidence/blank-draft.ts";
import type { Certificate, CertificateDraft } from "../model/certificate.ts";
import { Certifier, type Signed } from "./certify.ts";
import { contentBytes, contentHash, inspectContent } from "./content.ts";
import { FailClosedError } from "./fail-closed-error.ts";
import { tell } from "./outcome.ts";
import { type CommonOptions, commonSettings } from "./settings.ts";

export interface EnforceOptions<Args extends readonly unknown[]> extends CommonOptions {
  /** Bounds inspection and work together; a signer has as long again. Milliseconds; default 2000. */
  readonly timeoutMs?: number | undefined;
  /** Inspect before the work runs. Default: when there is an `fmiInput`. */
  readonly runFmi?: boolean | undefined;
  /** What Pillar 128 reads: text, bytes or JSON, or a function of the arguments that gives it. Default: the arguments, a single one as it is. */
  readonly fmiInput?: string | number | boolean | object | null | ((...args: Args) => unknown) | undefined;
}

export interface Enforced<Result> {
  readonly result: Result;
  readonly certificate: Certificate;
}

/** Longest input that is inspected; above it the call fails closed. */
export const MAX_INPUT_BYTES = 10 * 1024 * 1024;

type Judged = Pick<CertificateDraft, "verdict" | "reason" | "matched_pillar" | "matched_vector">;

interface Ending<Result> extends Judged {
  readonly result?: Result;
  readonly cause?: unknown;
}

/**
 * Wraps `fn`, which gets an AbortSignal (aborted when the call fails) and the arguments. The promise resolves with the
 * result and its certificate, or rejects with FailClosedError and nothing else. Throws TypeError for unusable options.
 */
export function enforce<Args extends readonly unknown[], Result>(
  options: EnforceOptions<Args>,
  fn: (signal: AbortSignal, ...args: Args) => Result,
): (...args: Args) => Promise<Enforced<Awaited<Result>>> {
  const { caller, orgId, timeoutMs, hook } = commonSettings(options);
  const { fmiInput, runFmi = fmiInput !== undefined, signer } = options;
  if (typeof fn !== "function") throw new TypeError("the work must be a function");
  if (typeof runFmi !== "boolean") throw new TypeError("runFmi must be true or false");
  const certifier = new Certifier({ orgId, key: signer, timeoutMs });

  return async (...args) => {
    const started = performance.now();
    const abort = new AbortController();
    const content: Content = { hash: null, length: null };

    const work = async (): Promise<Ending<Awaited<Result>>> => {
      if (runFmi) {
        const veto = await inspect(inputOf(fmiInput, args), started + timeoutMs, content);
        if (veto !== null) return veto;
      }
      // Before the work: what cannot be proven must not happen.
      await certifier.ready().catch((thrown) => {
        throw new Stop("signer_failed", "the signer cannot be used", thrown);
      });
      if (abort.signal.aborted || performance.now() - started > timeoutMs) throw overran(timeoutMs);
      const result = await fn(abort.signal, ...args);
      return { verdict: "allow", reason: "completed", matched_pillar: null, matched_vector: null, result };
    };

    let ending = await bounded(work, timeoutMs);
    const latency = performance.now() - started;
    // Work that held the event loop came back before any timer could say so.
    if (latency > timeoutMs && ending.verdict === "allow") ending = stopped(overran(timeoutMs));
    if (ending.verdict !== "allow") abort.abort(new Error(ending.reason));

    let signed: Signed | null = null;
    try {
      signed = await certifier.certify({
        ...BLANK_DRAFT,
        verdict: ending.verdict,
        reason: ending.reason,
        matched_pillar: ending.matched_pillar,
        matched_vector: ending.matched_vector,
        caller,
        latency_ms: latency,
        content_hash: content.hash,
        content_bytes: content.length,
      });
    } catch (thrown) {
      if (ending.verdict === "allow") {
        ending = stopped(new Stop("signer_failed", "the certificate cannot be signed", thrown));
        abort.abort(new Error(ending.reason));
      }
    }
    const certificate = signed?.certificate ?? null;
    const { verdict, reason, matched_pillar, matched_vector } = ending;
    const duration_ms = performance.now() - started;
    tell(hook, { verdict, reason, matched_pillar, matched_vector, certificate, duration_ms });
    if (verdict === "allow" && certificate !== null) return { result: ending.result as Awaited<Result>, certificate };
    const { cause } = ending;
    const [pillar, vector] = [matched_pillar ?? "114", matched_vector ?? "call_failed"];
    throw new FailClosedError(reason, { pillar, vector, certificate, cause });
  };
}

interface Content {
  hash: string | null;
  length: number | null;
}

/** An end that is nobody's verdict. `reason` is for the certificate and quotes nothing of the caller's. */
class Stop extends Error {
  readonly vector: string;

  constructor(vector: string, reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.vector = vector;
  }
}

function overran(timeoutMs: number): Stop {
  return new Stop("call_timeout", `the call took more than ${timeoutMs} ms`);
}

function stopped(thrown: unknown): Ending<never> {
  const known = thrown instanceof Stop;
  return {
    verdict: "fail_closed",
    reason: known ? thrown.message : "the call threw",
    matched_pillar: "114",
    matched_vector: known ? thrown.vector : "call_failed",
    cause: known ? thrown.cause : thrown,
  };
}

/** Resolves with how the work ended, or with the fail_closed ending for its failure or its absence in time. */
function bounded<Result>(work: () => Promise<Ending<Result>>, timeoutMs: number): Promise<Ending<Result>> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(stopped(overran(timeoutMs))), timeoutMs);
    work()
      .then(resolve, (thrown) => resolve(stopped(thrown)))
      .finally(() => clearTimeout(timer));
  });
}

function inputOf(fmiInput: unknown, args: readonly unknown[]): unknown {
  try {
    if (typeof fmiInput === "function") return fmiInput(...args);
  } catch (thrown) {
    throw new Stop("input_unreadable", "the input to inspect cannot be had", thrown);
  }
  if (fmiInput !== undefined) return fmiInput;
  return args.length > 1 ? args : args[0];
}

/** Null: inspected whole, nothing found. */
async function inspect(input: unknown, deadline: number, content: Content): Promise<Ending<never> | null> {
  let bytes: Uint8Array;
  try {
    const value = await input;
    if (value === undefined) throw new Fault("unsupported", "inspect the input: there is none");
    bytes = contentBytes(value);
  } catch (thrown) {
    throw new Stop("input_unreadable", "the input cannot be inspected", thrown);
  }
  if (bytes.length > MAX_INPUT_BYTES) throw new Stop("input_too_large", "the input is too large for inspection");
  content.length = bytes.length;
  content.hash = await contentHash(bytes);
  const found = await inspectContent(bytes, deadline).catch((thrown) => {
    throw new Stop("inspection_failed", "the inspection failed", thrown);
  });
  if (found === null) return null;
  if (found === "exhausted") throw new Stop("inspection_exhausted", "the inspection ran out of its budget");
  return { verdict: "block", reason: found.reason, matched_pillar: found.pillar, matched_vector: found.vector };
}
