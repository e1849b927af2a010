/** Step 4 of a decision: no address of a destination may lead where the public Internet does not. */
import { block, type Decision } from "../model/decision.ts";
import { type Cidr, type Ip, inCidr, parseIp, unmap } from "../wire/ip.ts";
import type { HostGate } from "./host.ts";

/** Most severe last. Everything but `public` is vetoed unless EVE_PROXY_ALLOW_ADDRESSES covers it. */
const CLASSES = [
  "public",
  "reserved",
  "documentation",
  "benchmarking",
  "transition",
  "broadcast",
  "multicast",
  "cgnat",
  "site_local",
  "ula",
  "private",
  "link_local",
  "unspecified",
  "loopback",
  "metadata",
] as const;

export type AddressClass = (typeof CLASSES)[number];

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
}

export interface AddressGuardParts {
  readonly allow: readonly Cidr[];
  readonly gate: Pick<HostGate, "checkAddress">;
  readonly policy?: AddressPolicy;
}

const MAX_CACHED = 8192;

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
  };
}

/** Total: every IPv4 and IPv6 address has exactly one class. An address that embeds an IPv4 one is at least as severe as it. */
export function classifyAddress(address: Ip): AddressClass {
  const ip = unmap(address);
  return ip.family === 4 ? classifyFour(ip.bytes, 0) : classifySix(ip.bytes);
}

type Range = readonly [cidr: string, found: AddressClass];

/** IANA IPv4 special-purpose registry, multicast, and the addresses clouds serve credentials on. First match wins. */
const FOUR: readonly Range[] = [
  ["169.254.169.254/32", "metadata"], // AWS, Azure, GCP, OCI, OpenStack, DigitalOcean, …
  ["169.254.169.253/32", "metadata"], // AWS resolver
  ["169.254.169.123/32", "metadata"], // AWS time
  ["169.254.170.2/32", "metadata"], // ECS task credentials
  ["169.254.170.23/32", "metadata"], // EKS pod identity
  ["169.254.42.42/32", "metadata"], // Scaleway
  ["169.254.0.23/32", "metadata"], // Tencent
  ["100.100.100.200/32", "metadata"], // Alibaba
  ["168.63.129.16/32", "metadata"], // Azure wire server
  ["192.0.0.192/32", "metadata"], // Oracle, classic
  ["0.0.0.0/8", "unspecified"],
  ["10.0.0.0/8", "private"],
  ["100.64.0.0/10", "cgnat"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link_local"],
  ["172.16.0.0/12", "private"],
  ["192.0.0.0/24", "reserved"],
  ["192.0.2.0/24", "documentation"],
  ["192.31.196.0/24", "reserved"], // AS112
  ["192.52.193.0/24", "reserved"], // AMT
  ["192.88.99.0/24", "reserved"], // 6to4 relay
  ["192.168.0.0/16", "private"],
  ["192.175.48.0/24", "reserved"], // AS112
  ["198.18.0.0/15", "benchmarking"],
  ["198.51.100.0/24", "documentation"],
  ["203.0.113.0/24", "documentation"],
  ["224.0.0.0/4", "multicast"],
  ["255.255.255.255/32", "broadcast"],
  ["240.0.0.0/4", "reserved"],
];

/** IANA IPv6 special-purpose registry. First match wins; what is left outside 2000::/3 is not yet anybody's: reserved. */
const SIX: readonly Range[] = [
  ["fd00:ec2::/32", "metadata"], // AWS: metadata ::254, resolver ::253, time ::123, pod identity ::23
  ["fd20:ce::254/128", "metadata"], // GCP
  ["fd00:42::42/128", "metadata"], // Scaleway
  ["fd00:c1::a9fe:a9fe/128", "metadata"], // OCI
  ["fe80::a9fe:a9fe/128", "metadata"], // OpenStack
  ["::/128", "unspecified"],
  ["::1/128", "loopback"],
  ["::/96", "transition"], // v4-compatible
  ["::ffff:0:0:0/96", "transition"], // v4-translated
  ["64:ff9b::/96", "public"], // NAT64: as public as what it embeds
  ["64:ff9b:1::/48", "private"], // NAT64, local use
  ["2001::/32", "transition"], // Teredo
  ["2001:2::/48", "benchmarking"],
  ["2001:db8::/32", "documentation"],
  ["2001::/23", "reserved"],
  ["2002::/16", "transition"], // 6to4
  ["2620:4f:8000::/48", "reserved"], // AS112
  ["3fff::/20", "documentation"],
  ["2000::/3", "public"],
  ["fc00::/7", "ula"],
  ["fe80::/10", "link_local"],
  ["fec0::/10", "site_local"],
  ["ff00::/8", "multicast"],
];

interface Compiled {
  readonly bytes: Uint8Array;
  readonly prefix: number;
  readonly found: AddressClass;
}

const four = FOUR.map(compile);
const six = SIX.map(compile);

function compile([text, found]: Range): Compiled {
  const slash = text.indexOf("/");
  const ip = parseIp(text.slice(0, slash));
  if (ip === null) throw new TypeError(`address table: "${text}" is not a network`);
  return { bytes: ip.bytes, prefix: Number(text.slice(slash + 1)), found };
}

function classifyFour(bytes: Uint8Array, at: number): AddressClass {
  for (const range of four) if (covers(range, bytes, at)) return range.found;
  return "public";
}

function classifySix(bytes: Uint8Array): AddressClass {
  const range = six.find((each) => covers(each, bytes, 0));
  const own = range?.found ?? "reserved";
  const group = ((bytes[0] as number) << 8) | (bytes[1] as number);
  if (group === 0x2002) return worst(own, classifyFour(bytes, 2));
  if (group === 0x64 || (group === 0 && own === "transition")) {
    const last = classifyFour(bytes, 12);
    if (own !== "private") return worst(own, last);
    // RFC 6052 under a /48: the address lies around bits 64–71; deployments also use a /96 of it. The form that is not
    // in use reads as zeros.
    const split = classifyFour(Uint8Array.of(bytes[6] ?? 0, bytes[7] ?? 0, bytes[9] ?? 0, bytes[10] ?? 0), 0);
    const inUse = [last, split].filter((found) => found !== "unspecified");
    return inUse.reduce(worst, own);
  }
  if (own === "transition") {
    // Teredo: the server in the clear, the client inverted.
    const client = bytes.slice(12).map((byte) => byte ^ 0xff);
    return worst(worst(own, classifyFour(bytes, 4)), classifyFour(client, 0));
  }
  return own;
}

function covers(range: Compiled, bytes: Uint8Array, at: number): boolean {
  const whole = range.prefix >> 3;
  for (let i = 0; i < whole; i++) if (bytes[at + i] !== range.bytes[i]) return false;
  const rest = range.prefix & 7;
  if (rest === 0) return true;
  return (((bytes[at + whole] as number) ^ (range.bytes[whole] as number)) & (0xff00 >> rest) & 0xff) === 0;
}

function worst(one: AddressClass, other: AddressClass): AddressClass {
  return CLASSES.indexOf(one) >= CLASSES.indexOf(other) ? one : other;
}
