/** From what detectors met to findings: of several readings of one place the strongest, with what it leads to. */
import type { Detectors } from "./dlp.ts";
import { type DlpFinding, type Mode, VECTORS } from "./finding.ts";
import { ownership } from "./issuers.ts";
import { WIDE } from "./readings.ts";
import type { Hit } from "./rule.ts";

/** Told by a name beside the value, not by the value's own shape: enforced only when it is as random as a key. */
const GENERIC = new Set(["generic-secret", "password", "authorization"]);

const CLASS_RANK = { canary: 5, pattern: 4, dictionary: 4, secret: 3, health: 2, personal: 1 } as const;
const CONFIDENCE_RANK = { high: 2, medium: 1, low: 0 } as const;

export interface Where {
  readonly where: string;
  readonly host: string;
  /** True when the body asks for a token: credentials without an issuer are what it is there for. */
  readonly tokenRequest: boolean;
  /** False: nobody can use one more of this name and mode. */
  readonly room: (name: string, mode: DlpFinding["mode"]) => boolean;
}

/** Hits that are judged in one go. */
const HITS_A_TURN = 400;

/** Hits of one part, in any order, as findings in the order of their starts; none overlaps one of its own strength. */
export function* findingsOf(
  hits: readonly Hit[],
  bytes: Uint8Array,
  detectors: Detectors,
  where: Where,
): Generator<void, DlpFinding[]> {
  const kept = yield* strongest(hits);
  const findings: DlpFinding[] = [];
  for (let i = 0; i < kept.length; i++) {
    if (i % HITS_A_TURN === HITS_A_TURN - 1) yield;
    const finding = findingOf(kept[i] as Hit, bytes, detectors, where);
    if (finding !== null) findings.push(finding);
  }
  return findings;
}

/** Null: nobody wants to know. */
function findingOf(
  hit: Hit,
  bytes: Uint8Array,
  detectors: Detectors,
  { where, host, tokenRequest, room }: Where,
): DlpFinding | null {
  const { rule, start, end, confidence, view } = hit;
  if (detectors.allowedNames.has(rule.name)) return null;
  const mode = detectors.modes[rule.class];
  if (mode === "off" || detectors.allowed(bytes.subarray(start, end))) return null;
  if (rule.class === "secret" && ownership(rule.issuer, host) === "own") return null;
  const leadsTo = sure(hit, tokenRequest) ? mode : "shadow";
  if (!room(rule.name, leadsTo)) return null;
  const fixed = view.includes(WIDE);
  const said =
    rule.issuer === null || rule.class !== "secret"
      ? `${rule.reason} stands in the ${where}`
      : `${rule.reason} is on its way to ${host}`;
  return {
    pillar: "CoreGuard",
    vector: VECTORS[rule.class],
    name: rule.name,
    severity: rule.severity,
    view,
    where,
    start,
    end,
    reason: `${said}${fixed ? ", in UTF-16 or UTF-32, of which nothing can be taken out" : ""}`,
    class: rule.class,
    mode: leadsTo,
    confidence,
    issuer: rule.issuer,
    redactable: where === "body" && !fixed,
  };
}

function sure({ rule, confidence }: Hit, tokenRequest: boolean): boolean {
  if (confidence === "low") return false;
  if (rule.class !== "secret") return true;
  if (tokenRequest && (rule.issuer === null || rule.issuer === "jwt") && rule.name !== "private-key") return false;
  return confidence === "high" || !GENERIC.has(rule.name);
}

function rank(hit: Hit): number {
  return (
    CLASS_RANK[hit.rule.class] * 100 +
    CONFIDENCE_RANK[hit.confidence] * 10 +
    (GENERIC.has(hit.rule.name) ? 0 : 25) +
    (hit.view === "plain" ? 1 : 0)
  );
}

/** What was kept and may still reach another hit; ranges are short, so few do. */
const REACH = 8;

function* strongest(hits: readonly Hit[]): Generator<void, readonly Hit[]> {
  if (hits.length < 2) return hits;
  const order = orderOf(hits);
  const kept: Hit[] = [];
  for (let i = 0; i < order.length; i++) {
    if (i % HITS_A_TURN === 0) yield;
    const hit = hits[(order[i] as number) % PLACES] as Hit;
    let beaten = false;
    for (let k = kept.length - 1; k >= 0 && k >= kept.length - REACH; k--) {
      const other = kept[k] as Hit;
      if (other.end <= hit.start) continue;
      if (rank(other) >= rank(hit)) {
        beaten = true;
        break;
      }
      kept.splice(k, 1);
    }
    if (!beaten) kept.push(hit);
  }
  return kept;
}

const PLACES = 2 ** 18;
const LENGTHS = 2 ** 10;

/** By their starts, the longer first, as numbers that end with the hit's place: numbers are sorted in no time. */
function orderOf(hits: readonly Hit[]): Float64Array {
  const order = new Float64Array(hits.length);
  const base = (hits[0] as Hit).start - LENGTHS * LENGTHS;
  hits.forEach(({ start, end }, place) => {
    const short = LENGTHS - 1 - Math.min(LENGTHS - 1, end - start);
    order[place] = ((start - base) * LENGTHS + short) * PLACES + place;
  });
  return order.sort();
}

export type { Mode };
