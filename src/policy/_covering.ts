import { type HostSet, parseHostPattern } from "./host-set.ts";

/** The entry of a set that covers everything a pattern covers, or null; of networks and of `*` none is looked for. */
export function coveredBy(set: HostSet, text: string): string | null {
  const pattern = parseHostPattern(text);
  if (typeof pattern === "string" || set.size === 0) return null;
  const port = pattern.port === 0 ? ANY_PORT : pattern.port;
  if (pattern.kind === "name") return set.match(pattern.name, port, false);
  // A name below that nobody has listed: what covers it covers them all.
  if (pattern.kind === "below" || pattern.kind === "tree") {
    const below = set.match(`\u0001.${pattern.name}`, port, false);
    if (pattern.kind === "below" || below === null) return below;
    return set.match(pattern.name, port, false) === null ? null : below;
  }
  return null;
}

/** No pattern has it: only those for every port match. */
const ANY_PORT = -1;
