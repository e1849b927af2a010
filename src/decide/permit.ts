/** The one place where a Permit comes into being. */
import { type Decision, permits } from "../model/decision.ts";
import type { Destination } from "../model/egress.ts";
import type { Permit } from "../model/permit.ts";

/** A dial tries this many; the guard has judged all of them. */
const MAX_DIALLED = 32;

/**
 * `addresses` have all passed the address guard; empty only when `viaProxy`, where the proxy resolves the name. Throws when
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
  const dialled = addresses.length > MAX_DIALLED ? addresses.slice(0, MAX_DIALLED) : addresses;
  return { destination, addresses: dialled } as Permit;
}
