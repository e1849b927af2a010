/** Names under the prefix that are no setting: a typo in a security product must not be ignored. */

import type { Problem } from "./config.ts";
import { quote } from "./kinds.ts";
import { manualOf, RESERVED_NAMES, SETTING_NAMES } from "./schema.ts";

const PREFIX = "EVE_PROXY_";

/** Every name that may be set, `…_FILE` forms included. */
export const KNOWN_NAMES: readonly string[] = SETTING_NAMES.flatMap((name) =>
  manualOf(name).file === null ? [name] : [name, `${name}_FILE`],
);

/**
 * What Kubernetes injects for a Service whose name begins with `eve-proxy`. They are nobody's mistake and no setting
 * ends like this, so they are passed over.
 */
function isServiceLink(name: string, value: string): boolean {
  if (/_SERVICE_(?:HOST|PORT)(?:_[A-Z0-9_]*)?$/.test(name)) return true;
  if (/_PORT_[0-9]{1,5}_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name.endsWith("_PORT") && /^(?:tcp|udp|sctp):\/\//.test(value);
}

export function unknownNames(env: Readonly<Record<string, string | undefined>>): Problem[] {
  const known = new Set(KNOWN_NAMES);
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.toUpperCase().startsWith(PREFIX) || known.has(name)) continue;
    if (RESERVED_NAMES.includes(name)) {
      const hint = "unset it; it would be ignored, and what it asks for would not be enforced";
      problems.push({ variable: name, problem: "is not supported by this version", hint });
    } else if (!isServiceLink(name, value)) {
      problems.push({ variable: printable(name), problem: "is not a setting", hint: suggestion(name) });
    }
  }
  return problems;
}

function printable(name: string): string {
  return /^[A-Za-z0-9_]{1,64}$/.test(name) ? name : quote(name);
}

function suggestion(name: string): string {
  const near = nearest(name.toUpperCase(), KNOWN_NAMES);
  return near === null ? "unset it, or see docs/configuration.md for the names" : `did you mean ${near}?`;
}

/** The candidate within a third of its length in edits, or null. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  if (word.length > 64) return null;
  for (const candidate of candidates) {
    // The shared prefix says nothing about how alike two names are.
    const own = candidate.startsWith(PREFIX) ? candidate.length - PREFIX.length : candidate.length;
    const distance = edits(word, candidate);
    if (distance < bestDistance && distance <= Math.max(1, Math.floor(own / 3))) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that make one of the other. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}
