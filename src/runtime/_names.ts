/** What a lookup came to, in the words of the contract, whoever was asked. */
import { Fault, messageOf } from "../errors.ts";
import type { ResolvedAddress } from "./contract.ts";

/** Without zones, each address once. Throws Fault `resolve_failed` when there is none. */
export function addressesOf(name: string, found: readonly { readonly address: string }[]): readonly ResolvedAddress[] {
  const addresses: ResolvedAddress[] = [];
  for (const one of found) {
    const address = one.address.split("%")[0] ?? one.address;
    if (!addresses.some((known) => known.address === address))
      addresses.push({ address, family: address.includes(":") ? 6 : 4 });
  }
  if (addresses.length === 0) throw new Fault("resolve_failed", `cannot resolve "${name}": no address`);
  return addresses;
}

export function unresolved(name: string, error: unknown): Fault {
  const { code } = error as { readonly code?: unknown };
  const said = typeof code === "string" ? code.replace(/^DNS_/, "") : messageOf(error);
  return new Fault("resolve_failed", `cannot resolve "${name}": ${said}`, { cause: error });
}
