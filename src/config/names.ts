/** Names under the prefix that are no setting: a typo in a security product must not be ignored. */

import { edits, nearest } from "../words/nearest.ts";
import { quote } from "../words/quote.ts";
import type { Problem } from "./config.ts";
import { manualOf, RESERVED_NAMES, SETTING_NAMES } from "./schema.ts";

const PREFIX = "EVE_PROXY_";

/** Every name that may be set, `…_FILE` forms included. */
const KNOWN_NAMES: readonly string[] = SETTING_NAMES.flatMap((name) =>
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

/** The longest a name of ours is misspelt in before what follows the prefix. */
const MAX_NAME = 64;

/**
 * Names that would be a setting if they began with the prefix, and nearly do. A warning only: what others call theirs is
 * not ours to refuse.
 */
export function nearNames(env: Readonly<Record<string, string | undefined>>): string[] {
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    const upper = name.toUpperCase();
    if (value === undefined || upper.startsWith(PREFIX) || name.length > MAX_NAME || isServiceLink(upper, value))
      continue;
    const meant = KNOWN_NAMES.find((known) => known.startsWith(PREFIX) && isNear(upper, known.slice(PREFIX.length)));
    if (meant !== undefined)
      warnings.push(`${printable(name)} is not a setting and does nothing: did you mean ${meant}?`);
  }
  return warnings;
}

function isNear(name: string, setting: string): boolean {
  if (!name.endsWith(setting)) return false;
  const prefix = name.slice(0, -setting.length);
  const slips = edits(prefix, PREFIX);
  // Two slips away is much: EVE_PROD_ and EVENT_PROXY_ are others' words.
  return slips === 1 || (slips === 2 && /^EVE_?P[A-Z]*X/.test(prefix));
}

function printable(name: string): string {
  return /^[A-Za-z0-9_]{1,64}$/.test(name) ? name : quote(name);
}

function suggestion(name: string): string {
  const near = nearest(name.toUpperCase(), KNOWN_NAMES, PREFIX);
  return near === null ? "unset it, or see docs/configuration.md for the names" : `did you mean ${near}?`;
}
