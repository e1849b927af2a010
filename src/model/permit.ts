import type { Destination } from "./egress.ts";

declare const seal: unique symbol;

/**
 * The authorisation to let one egress out. It is minted in decide/permit.ts and nowhere else, after an allow and after
 * the address guard; enforce takes nothing less, so code that forgot to ask cannot dial.
 */
export interface Permit {
  readonly [seal]: true;
  readonly destination: Destination;
  /** The vetted addresses in the order to try them; empty when an upstream proxy resolves the name. */
  readonly addresses: readonly string[];
}
