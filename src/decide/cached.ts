/** Remembers allows of plain reads for as long as whoever decided said. Each use is a decision of its own with a certificate. */
import type { Decision } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import { type Decider, passedOn } from "./decider.ts";
import { isPlainRead } from "./plain-read.ts";
import { Recent } from "./recent.ts";

/** Before the reason in every certificate of a decision that was not made anew: `reason` is signed. */
export const FROM_CACHE = "from the decision cache: ";

export interface CacheOptions {
  /** Entries kept, 0 keeps none, and how long one is kept at most. Asked every time: a policy may have a say in it. */
  readonly bounds: () => { readonly entries: number; readonly mostMs: number };
  readonly org: string;
  /** Keyed with something that nobody else knows: what is remembered must not tell a credential. */
  readonly hash: (text: string) => string;
  /** Monotonic ms. */
  readonly clock: () => number;
  /** A plain read was answered from the cache, or had to be asked about. */
  readonly looked: (result: "hit" | "miss") => void;
}

export interface CachingDecider extends Decider {
  /** Nothing that was decided before now is used again, nor what is being decided. */
  forget(): void;
}

export function cachedDecider(inner: Decider, options: CacheOptions): CachingDecider {
  const { bounds, org, hash, clock, looked } = options;
  const recent = new Recent<Decision>(clock);
  /** Of another generation are the answers to what was asked before `forget`. */
  let generation = 0;
  let version: string | null = null;

  function forget(): void {
    generation += 1;
    recent.clear();
  }

  /** A verdict of one policy says nothing of the next one. */
  function followPolicy(): void {
    if (inner.policyVersion === version) return;
    version = inner.policyVersion;
    forget();
  }

  /** Everything a decider is told of a plain read, and what it is not told besides. */
  function keyOf(egress: Egress, held: HeldBody | null): string {
    const { destination, principal } = egress;
    return hash(
      // An array of strings as JSON has one reading: no value can be taken for two, nor two for one.
      JSON.stringify([
        org,
        version,
        egress.door,
        egress.phase,
        egress.caller,
        egress.method,
        destination.scheme,
        destination.host,
        destination.port,
        destination.literal,
        egress.target,
        egress.path,
        egress.upgrade,
        egress.conflict,
        principal.agent,
        principal.parentAgent,
        egress.parent,
        held === null,
        egress.headers,
      ]),
    );
  }

  function keep(decision: Decision, asked: { readonly key: string | null; readonly at: number }, about: Asked): void {
    followPolicy();
    if (generation !== asked.at || !isKeepable(decision)) return;
    const key = asked.key ?? keyOf(about.egress, about.held);
    const { entries, mostMs } = bounds();
    const forMs = Math.min(decision.ttlS * 1000, mostMs);
    recent.set(key, { ...decision, reason: FROM_CACHE + decision.reason }, { forMs, most: entries });
  }

  return {
    ...passedOn(inner),
    get policyVersion() {
      return inner.policyVersion;
    },
    async reload() {
      const result = await inner.reload();
      forget();
      return result;
    },
    forget,
    decide(egress, held) {
      if (!isPlainRead(egress, held) || bounds().entries === 0) return inner.decide(egress, held);
      followPolicy();
      // Where nobody says how long a verdict lasts nothing is ever hashed.
      const key = recent.size === 0 ? null : keyOf(egress, held);
      const known = key === null ? undefined : recent.get(key);
      looked(known === undefined ? "miss" : "hit");
      if (known !== undefined) return known;
      const asked = { key, at: generation };
      const answer = inner.decide(egress, held);
      if (!(answer instanceof Promise)) {
        keep(answer, asked, { egress, held });
        return answer;
      }
      return answer.then((decision) => {
        keep(decision, asked, { egress, held });
        return decision;
      });
    },
  };
}

interface Asked {
  readonly egress: Egress;
  readonly held: HeldBody | null;
}

/** Only what was plainly allowed: nothing that shadow, an outage or a person softened, and nothing that found anything. */
function isKeepable({ verdict, mode, would, findings, replacement, ttlS }: Decision): boolean {
  if (verdict !== "allow" || mode !== "enforce" || would !== null || replacement !== null) return false;
  return findings.length === 0 && ttlS > 0;
}
