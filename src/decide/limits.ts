/** The last word of a decision: what an allowed egress takes from the limits it falls under, and gives back. */
import { Fault } from "../errors.ts";
import { type Claim, type Claims, claimsOf, LEASE_MS } from "../limits/claims.ts";
import type { Limit, LimitProgram } from "../limits/compile.ts";
import type { LimitStore, Need, Taken } from "../limits/store.ts";
import type { LimitSubject } from "../limits/subject.ts";
import type { Decision } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { BodyDecoder } from "./decode.ts";
import { objected, overLimit, unavailable } from "./limits-refusal.ts";
import { Places, Reservation } from "./limits-reservation.ts";
import { subjectOf } from "./limits-subject.ts";

/** What came of a limit for one egress. */
export type LimitResult = "allowed" | "refused" | "shadow" | "unavailable";

export interface LimiterParts {
  readonly runtime: Pick<Runtime, "decode" | "randomHex">;
  /** Asked for every egress: the program in force may be replaced. Null: no limits. */
  readonly program: () => LimitProgram | null;
  readonly store: LimitStore;
  readonly tenant: string;
  /** Nothing is refused; what would have been is said in `would`. */
  readonly shadow: boolean;
  readonly decode: BodyDecoder;
  readonly counted: (limit: string, result: LimitResult) => void;
  /** A store that cannot be asked, once for each egress. */
  readonly failed: (thrown: unknown) => void;
  /** False: who asked holds what was taken, so this process renews no place of theirs. */
  readonly holds?: boolean;
}

/** The decision with the limits' word in it. `reservation` is null unless something was taken, which is only ever for one that permits. */
export interface Limited {
  readonly decision: Decision;
  readonly reservation: Reservation | null;
}

export interface Reserving {
  readonly body: HeldBody | null;
  readonly decision: Decision;
  /** Taken when the decision was asked for: of the policy that the certificate names, which may have been replaced since. */
  readonly program: LimitProgram | null;
}

export class Limiter {
  readonly #parts: LimiterParts;
  readonly #places: Places;
  readonly #holds: boolean;
  readonly #holder: string;
  #next = 0;

  constructor(parts: LimiterParts) {
    this.#parts = parts;
    this.#places = new Places(parts.store, LEASE_MS);
    this.#holds = parts.holds ?? true;
    this.#holder = parts.runtime.randomHex(8);
  }

  /** The limits in force now. */
  get program(): LimitProgram | null {
    return this.#parts.program();
  }

  /** `decision` permits. At once unless the counters are somebody else's, or a coded body has to be read. */
  reserve(egress: Egress, { body, decision, program }: Reserving): Limited | Promise<Limited> {
    if (program === null || program.limits.length === 0) return { decision, reservation: null };
    const subject = subjectOf(this.#parts, program, egress, { body, decision });
    if (subject instanceof Promise) return subject.then((come) => this.claim(program, come, decision));
    return this.claim(program, subject, decision);
  }

  /** False while the store of the counters cannot be asked. */
  get up(): boolean {
    return this.#parts.store.up;
  }

  close(): void {
    this.#places.close();
    this.#parts.store.close();
  }

  /** The same, for who has the subject already. */
  claim(program: LimitProgram, subject: LimitSubject, decision: Decision): Limited | Promise<Limited> {
    const claims = claimsOf(program, subject);
    if (claims.limits.length === 0) return { decision, reservation: null };
    let current = decision;
    for (const objection of claims.objections) {
      const refusal = objected(objection, decision.policyVersion);
      if (this.#enforces(objection.limit)) return this.#refused(refusal, objection.limit);
      current = this.#would(current, refusal, objection.limit);
    }
    if (claims.claims.length === 0) return { decision: current, reservation: null };
    const holder = `${this.#holder}.${++this.#next}`;
    const needs = claims.claims.map(({ need }) => (this.#parts.shadow ? { ...need, enforce: false } : need));
    try {
      const taken = this.#parts.store.take(holder, needs);
      if (!(taken instanceof Promise)) return this.#told(claims, { holder, needs, taken }, current);
      return taken.then(
        (come) => this.#told(claims, { holder, needs, taken: come }, current),
        (thrown: unknown) => this.#outage(claims, current, thrown),
      );
    } catch (thrown) {
      return this.#outage(claims, current, thrown);
    }
  }

  #told(claims: Claims, { holder, needs, taken }: Taking, decision: Decision): Limited {
    let current = decision;
    const marked = new Set<Limit>();
    for (const [i, claim] of claims.claims.entries()) {
      const level = taken.levels[i];
      if (level === undefined || level.fits) continue;
      const refusal = overLimit(claim, level, taken.now, decision.policyVersion);
      if (this.#enforces(claim.limit)) return this.#refused(refusal, claim.limit);
      if (!marked.has(claim.limit)) current = this.#would(current, refusal, claim.limit);
      marked.add(claim.limit);
    }
    if (!taken.taken) {
      // It says of each that it fits, and took none: whoever counts so is not to be believed, and nothing was counted.
      return this.#outage(claims, decision, new RangeError("the counters took nothing and refuse nothing"));
    }
    for (const limit of claims.limits) if (!marked.has(limit)) this.#parts.counted(limit.id, "allowed");
    const reservation = new Reservation(
      { holder, claims: claims.claims, needs, taken },
      { store: this.#parts.store, places: this.#holds ? this.#places : null, decode: this.#parts.runtime.decode },
    );
    return { decision: current, reservation };
  }

  #outage({ claims }: Claims, decision: Decision, thrown: unknown): Limited {
    this.#parts.failed(thrown);
    const touched = [...new Set(claims.map(({ limit }: Claim) => limit))];
    for (const { id } of touched) this.#parts.counted(id, "unavailable");
    const out = isOutage(thrown);
    const closed = touched.find((limit) => limit.enforce && !(out && limit.openOnOutage));
    const mode = "degraded";
    if (closed === undefined) return { decision: { ...decision, mode }, reservation: null };
    const refusal = unavailable(closed, decision.policyVersion, out);
    if (!this.#parts.shadow) return { decision: refusal, reservation: null };
    return { decision: softened(decision, refusal), reservation: null };
  }

  #enforces(limit: Limit): boolean {
    return limit.enforce && !this.#parts.shadow;
  }

  #refused(refusal: Decision, limit: Limit): Limited {
    this.#parts.counted(limit.id, "refused");
    return { decision: refusal, reservation: null };
  }

  #would(decision: Decision, refusal: Decision, limit: Limit): Decision {
    this.#parts.counted(limit.id, "shadow");
    // What comes first in the order of a ruling has said it already.
    return decision.would === null ? softened(decision, refusal) : decision;
  }
}

/** Nobody answers. What a client can bring about, or a defect of ours, is none: `on_outage: open` is not for that. */
function isOutage(thrown: unknown): boolean {
  return thrown instanceof Fault && (thrown.code === "redis_failed" || thrown.code === "limits_unreachable");
}

interface Taking {
  readonly holder: string;
  readonly needs: readonly Need[];
  readonly taken: Taken;
}

function softened(decision: Decision, { verdict, reason, pillar, vector, rule }: Decision): Decision {
  return { ...decision, mode: "shadow", would: verdict, reason, pillar, vector, rule };
}
