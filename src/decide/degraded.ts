/**
 * What may still leave while the plane is down, where an operator has said so: what the plane itself allowed a while ago,
 * if the embedded engine has nothing against it. Everything else fails closed as without it.
 */
import { Fault } from "../errors.ts";
import type { Decision } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import { pathIn, queryIn } from "../wire/target.ts";
import { type Fingerprint, headerFields, namesCredential, queryFields } from "./credential-fields.ts";
import { breakerOpen, type Decider, passedOn } from "./decider.ts";
import { isPlainRead, mayOverrideMethod } from "./plain-read.ts";
import { Recent } from "./recent.ts";

const MAX_ENTRIES = 4096;
const MAX_TEMPLATE = 1024;

export interface DegradedTerms {
  /** True: everything may be listed. False: plain reads only. */
  readonly writes: boolean;
  /** How long an allow of the plane counts. */
  readonly forMs: number;
}

export interface DegradedOptions {
  /** Null: nothing passes. Asked every time: a policy may have a say in it. */
  readonly terms: () => DegradedTerms | null;
  readonly org: string;
  readonly fingerprint: Fingerprint;
  /** Monotonic ms. */
  readonly clock: () => number;
  /** The first use of the list in an outage. */
  readonly began: () => void;
  readonly used: () => void;
}

export interface DegradableDecider extends Decider {
  forget(): void;
}

/** `engine` decides as if there were no plane. */
export function degradable(plane: Decider, engine: Decider, options: DegradedOptions): DegradableDecider {
  const { terms, clock, began, used } = options;
  const allowed = new Recent<true>(clock);
  let version: string | null = null;
  let announced = false;

  function remember(key: string | null, decision: Decision): void {
    announced = false;
    if (plane.policyVersion !== version) {
      version = plane.policyVersion;
      allowed.clear();
    }
    const forMs = terms()?.forMs ?? 0;
    if (key === null) return;
    // The last word counts: what it has come to refuse is off the list.
    if (decision.verdict === "allow" && decision.would === null) allowed.set(key, true, { forMs, most: MAX_ENTRIES });
    else allowed.delete(key);
  }

  /** Null for what is never on the list. */
  function keyOf(egress: Egress, held: HeldBody | null): string | null {
    const current = terms();
    if (current === null) return null;
    const read = isPlainRead(egress, held);
    if (!read && !current.writes) return null;
    // Its method is not the one that it would be listed under.
    if (!read && mayOverrideMethod(egress, held)) return null;
    const { destination, principal } = egress;
    return JSON.stringify([
      options.org,
      principal.agent,
      principal.parentAgent,
      credentials(egress, options.fingerprint),
      egress.door,
      egress.phase,
      read ? "read" : egress.method,
      egress.upgrade,
      destination.scheme,
      destination.host,
      destination.port,
      pathTemplate(egress.path),
    ]);
  }

  function degrade(decision: Decision): Decision {
    if (decision.verdict !== "allow") return { ...decision, mode: "degraded" };
    used();
    if (!announced) began();
    announced = true;
    return { ...decision, mode: "degraded", reason: "the governance plane is down; it allowed this place before" };
  }

  function lapsed(thrown: unknown, egress: Egress, held: HeldBody | null): Decision | Promise<Decision> {
    if (!(thrown instanceof Fault) || thrown.code !== "governance_breaker_open") throw thrown;
    const key = keyOf(egress, held);
    if (key === null || allowed.get(key) === undefined) throw thrown;
    const local = engine.decide(egress, held);
    return local instanceof Promise ? local.then(judged) : judged(local);
  }

  function judged(decision: Decision): Decision {
    // A body that the engine would change is one that the plane has not seen changed. It is a verdict, no fault of the plane's.
    if (decision.verdict === "sanitize") return { ...breakerOpen(), mode: "degraded" };
    return degrade(decision);
  }

  return {
    ...passedOn(plane),
    get policyVersion() {
      return plane.policyVersion;
    },
    reading: (egress) => (plane.reading?.(egress) ?? false) || (engine.reading?.(egress) ?? false),
    forget: () => allowed.clear(),
    decide(egress, held) {
      let answer: Decision | Promise<Decision>;
      try {
        answer = plane.decide(egress, held);
      } catch (thrown) {
        return lapsed(thrown, egress, held);
      }
      // Without waiting it is a veto of this side.
      if (!(answer instanceof Promise)) return answer;
      const key = keyOf(egress, held);
      return answer.then(
        (decision) => {
          remember(key, decision);
          return decision;
        },
        (thrown) => lapsed(thrown, egress, held),
      );
    },
  };
}

/** Whose key is used, as far as head and URL tell. A cookie or a signature is another one each time. */
function credentials({ headers, path }: Egress, fingerprint: Fingerprint): readonly unknown[] {
  const named: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (namesCredential(name) && !PASSING.test(name)) named.push(name, headers[i + 1] as string);
  }
  const query = queryIn(path);
  const fields = query === null ? [] : queryFields(query, fingerprint);
  const inQuery = fields.filter(([name, value]) => typeof value !== "string" && !PASSING.test(name));
  return [...headerFields(named, fingerprint), ...inQuery];
}

const PASSING = /^cookie$|signature|session|^sig$/i;

/** The path without its query, identifiers left out: the same place for other things. */
export function pathTemplate(path: string): string {
  const plain = pathIn(path);
  // A longer one stands for itself.
  if (plain.length > MAX_TEMPLATE) return plain;
  return plain
    .split("/")
    .map((segment) => (isIdentifier(segment) ? "*" : segment))
    .join("/");
}

function isIdentifier(segment: string): boolean {
  if (/^[0-9]+$/.test(segment)) return true;
  return segment.length >= 16 && /[0-9]/.test(segment) && /^[0-9A-Fa-f-]+$/.test(segment);
}
