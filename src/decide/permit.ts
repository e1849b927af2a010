/** The one place where a Permit comes into being. */
import { type Decision, permits } from "../model/decision.ts";
import type { Destination } from "../model/egress.ts";
import { diallable, type Permit } from "../model/permit.ts";

/**
 * `addresses` have all passed the address guard, also those that are too many to be dialled; empty only when `viaProxy`, where the proxy resolves the name. Throws when
 * the decision permits nothing: asking all the same is a defect of the caller, which then answers as for a crash.
 */
export function mintPermit(
  decision: Decision,
  destination: Destination,
  addresses: readonly string[],
  viaProxy: boolean,
): Permit {
  if (!permits(decision)) throw new TypeError(`mint a permit: the verdict is "${decision.verdict}"`);
  if (addresses.length === 0 && !viaProxy) throw new TypeError("mint a permit: no vetted address");
  return { destination, addresses: diallable(addresses) } as Permit;
}
