/** Step 4 of a decision: no address of a destination may lead where the public Internet does not. */
import { block, type Decision } from "../model/decision.ts";
import { type AddressClass, classifyAddress, classifyName } from "../wire/address-class.ts";
import { type Cidr, inCidr, parseIp } from "../wire/ip.ts";
import type { HostGate } from "./host.ts";

export { type AddressClass, classifyAddress };

/** A policy's own verdict about an address a name resolved to. */
export interface AddressPolicy {
  deniedAddress(address: string, port: number): Decision | null;
}

export interface AddressGuard {
  /**
   * Null: every address may be dialled. One that may not refuses them all, because a name that also points inside is
   * not a public name. `host` is only for the reason's text.
   */
  check(addresses: readonly string[], port: number, host?: string): Decision | null;
  /** For a name that somebody else resolves: whether it says itself that it leads to loopback or to metadata. */
  checkName(name: string): Decision | null;
}

export interface AddressGuardParts {
  readonly allow: readonly Cidr[];
  readonly gate: Pick<HostGate, "checkAddress">;
  readonly policy?: AddressPolicy;
}

const MAX_CACHED = 8192;
/** What such names stand for: who allows these, allows the names. */
const LOOPBACK = "127.0.0.1";
const METADATA = "169.254.169.254";

export function addressGuard({ allow, gate, policy }: AddressGuardParts): AddressGuard {
  /** Null: passes. Nothing in it can change: the allowed networks are fixed for the life of the guard. */
  const known = new Map<string, AddressClass | "invalid" | null>();

  function judge(address: string): AddressClass | "invalid" | null {
    const ip = parseIp(address);
    if (ip === null) return "invalid";
    const found = classifyAddress(ip);
    return found === "public" || allow.some((cidr) => inCidr(ip, cidr)) ? null : found;
  }

  return {
    check(addresses, port, host) {
      if (addresses.length === 0) return block("the destination has no address", "address_none");
      for (const address of addresses) {
        const own = gate.checkAddress(address, port) ?? policy?.deniedAddress(address, port) ?? null;
        if (own !== null) return own;
        let found = known.get(address);
        if (found === undefined) {
          found = judge(address);
          if (known.size >= MAX_CACHED) known.clear();
          known.set(address, found);
        }
        if (found === null) continue;
        const name = host === undefined || host === address ? address : `${host} → ${address}`;
        return block(`destination address ${name} is ${found}`, `address_${found}`);
      }
      return null;
    },
    checkName(name) {
      const found = classifyName(name);
      const example = found === "loopback" ? LOOPBACK : found === "metadata" ? METADATA : null;
      if (example === null || judge(example) === null) return null;
      return block(`destination name ${name} is ${found}`, `address_${found}`);
    },
  };
}
