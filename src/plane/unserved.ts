/** What of a policy does nothing for relays that ask: who wrote it must hear that from the plane, not from an incident. */
import type { Policy } from "../decide/policy.ts";

/** Sections by their names in a policy; none when all of it is obeyed. */
export function unservedSections({ engine: { program } }: Pick<Policy, "engine">): readonly string[] {
  if (program === null) return [];
  const unserved: string[] = [];
  // Sessions are a relay's own: nobody else sees all steps, in their order, from one client.
  if (program.sequences.length > 0) unserved.push("sequences");
  // Only a relay resolves names and dials.
  if (program.deny.hasNetworks) unserved.push("hosts.deny (addresses that names resolve to)");
  if (program.opaque.size > 0) unserved.push("opaque");
  if (Object.keys(program.cache).length > 0) unserved.push("cache");
  return unserved;
}
