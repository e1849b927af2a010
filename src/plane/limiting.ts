/** The limits of a tenant's policy, over what its ruling lets go. The counters are all replicas' where a Redis holds them. */
import { LIMIT_FIELDS, type LimitField } from "../decide/governance-schema.ts";
import { Limiter, type LimitResult } from "../decide/limits.ts";
import type { Counters } from "../decide/limits-open.ts";
import { subjectOfQuestion } from "../decide/limits-question.ts";
import type { Reservation } from "../decide/limits-reservation.ts";
import type { Outcome } from "../decide/outcome-schema.ts";
import { permits, type Ruling } from "../engine/ruling.ts";
import type { LimitProgram } from "../limits/compile.ts";
import type { LendingStore } from "../limits/store.ts";
import { allow, type Decision } from "../model/decision.ts";
import type { HeaderList } from "../model/headers.ts";
import type { LimitedRuling } from "./answer.ts";
import type { Asked } from "./question.ts";
import { Settling } from "./settling.ts";

export interface LimitingParts extends Counters<LendingStore> {
  readonly runtime: ConstructorParameters<typeof Limiter>[0]["runtime"];
  /** Hex HMAC under a key that only the replicas have. */
  readonly hmac: (text: string) => string;
  readonly counted: (tenant: string, limit: string, result: LimitResult) => void;
}

/** Whose they are, taken with the engine: a policy that is read again meanwhile is the next question's. */
export interface TenantLimits {
  readonly tenant: string;
  readonly program: LimitProgram | null;
}

export class Limiting {
  readonly #parts: LimitingParts;
  readonly #settling: Settling;
  /** One a tenant that has been asked for; there are never many. */
  readonly #limiters = new Map<string, Limiter>();
  /** What a ruling took, while it is not answered. */
  readonly #reserved = new WeakMap<LimitedRuling, Reservation>();

  constructor(parts: LimitingParts) {
    this.#parts = parts;
    this.#settling = new Settling(parts);
  }

  /** False while the counters cannot be asked. */
  get up(): boolean {
    return this.#parts.store.up;
  }

  close(): void {
    this.#parts.store.close();
  }

  /** The last word of a ruling: what does not permit takes nothing. */
  async apply({ tenant, program }: TenantLimits, asked: Asked, ruled: Ruling): Promise<LimitedRuling> {
    if (program === null || program.limits.length === 0 || !permits(ruled.verdict)) return ruled;
    const { question, inside, bytes } = asked;
    // Its stream was counted when it was decided.
    if (question.phase === "message") return ruled;
    const source = { tenant, question, inside, bytes, replacement: ruled.replacement };
    const subject = await subjectOfQuestion(program, source);
    // Enough of a decision for limits to have their say; what they leave as it is stays the ruling's own.
    const before = allow(ruled.reason, {
      policyVersion: ruled.policyVersion,
      would: ruled.would === null ? null : "block",
    });
    const { decision, reservation } = await this.#of(tenant).claim(program, subject, before);
    if (decision === before && reservation === null) return ruled;
    const limited = said(decision, before, ruled);
    if (reservation === null) return limited;
    const settle = this.#settling.lend(tenant, reservation);
    const told = settle === null ? limited : { ...limited, settle };
    this.#reserved.set(told, reservation);
    return told;
  }

  /** Of a ruling that nobody will hear: what it took is given back, as nobody could settle it. */
  release(ruled: LimitedRuling): void {
    this.#reserved.get(ruled)?.release();
  }

  /** How many of them were known. Rejects when the counters cannot be had. */
  async settle(tenant: string, outcomes: readonly Outcome[]): Promise<number> {
    const known = await Promise.all(outcomes.map((outcome) => this.#settling.settle(tenant, outcome)));
    return known.filter(Boolean).length;
  }

  #of(tenant: string): Limiter {
    let limiter = this.#limiters.get(tenant);
    if (limiter === undefined) {
      const { runtime, store, failed, counted } = this.#parts;
      limiter = new Limiter({
        runtime,
        store,
        failed,
        tenant,
        program: () => null,
        shadow: false,
        holds: false,
        // The relay has undone what codings there were.
        decode: async (bytes) => bytes,
        counted: (limit, result) => counted(tenant, limit, result),
      });
      this.#limiters.set(tenant, limiter);
    }
    return limiter;
  }
}

function said(decision: Decision, before: Decision, ruled: Ruling): LimitedRuling {
  const { reason, pillar, vector, rule, status, mode } = decision;
  // What is counted is asked about each time.
  const counted = { ...ruled, ttlS: 0 };
  if (status !== null) {
    const fields = pairs(decision.fields ?? []);
    const limit = { status: status === 429 || status === 503 ? status : 451, fields } as const;
    const none = { would: null, replacement: null, controls: [], findings: [] };
    return { ...counted, ...none, verdict: "deny", reason, pillar, vector, rule, limit };
  }
  if (decision.would !== before.would) return { ...counted, would: "deny", reason, pillar, vector, rule };
  return mode === "degraded" ? { ...counted, limit: { mode } } : counted;
}

const FIELDS: ReadonlySet<string> = new Set(LIMIT_FIELDS);

function pairs(fields: HeaderList): [LimitField, string][] {
  const found: [LimitField, string][] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (isLimitField(name)) found.push([name, fields[i + 1] as string]);
  }
  return found;
}

function isLimitField(name: string): name is LimitField {
  return FIELDS.has(name);
}
