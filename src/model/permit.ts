import type { Destination } from "./egress.ts";

declare const seal: unique symbol;

/**
 * A dial tries this many of the vetted addresses, and a certificate names as many: what may be dialled and what evidence
 * says might have been are one list.
 */
const MAX_DIALLED = 16;

/** Those of the vetted addresses that a permit and its certificate name. */
export function diallable(vetted: readonly string[]): readonly string[] {
  return vetted.length > MAX_DIALLED ? vetted.slice(0, MAX_DIALLED) : vetted;
}

/**
 * The authorisation to let one egress out. It is minted in decide/permit.ts and nowhere else, after an allow and after
 * the address guard; enforce takes nothing less, so code that forgot to ask cannot dial. Its addresses are all that is dialled
 * but for one place, which no request can name: the upstream proxy of the configuration (`dialProxy`), and also that for a
 * permit only.
 */
export interface Permit {
  readonly [seal]: true;
  readonly destination: Destination;
  /** The vetted addresses in the order to try them; empty when an upstream proxy resolves the name. */
  readonly addresses: readonly string[];
}
