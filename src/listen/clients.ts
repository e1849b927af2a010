import { type Cidr, inCidr, parseCidr, parseIp } from "../wire/ip.ts";

/** RFC 1918, unique local and loopback: where a gateway's own agents live when nothing else is said. */
const DEFAULT = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

const MAX_KNOWN = 1024;

/** Says whether an address may use the proxy (EVE_PROXY_CLIENTS). `own` are this host's addresses. */
export function clientCheck(clients: readonly Cidr[] | null, own: readonly string[]): (address: string) => boolean {
  const ranges = clients ?? DEFAULT.map(cidr);
  const ownSet = new Set(clients === null ? own : []);
  const known = new Map<string, boolean>();
  return (address) => {
    let allowed = known.get(address);
    if (allowed === undefined) {
      const ip = parseIp(address);
      allowed = ip !== null && (ownSet.has(address) || ranges.some((range) => inCidr(ip, range)));
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(address, allowed);
    }
    return allowed;
  };
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === null) throw new TypeError(`client table: "${text}" is not a network`);
  return parsed;
}
