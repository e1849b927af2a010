/** What kind of place an address is, and what a name says of itself. */
import { type Ip, parseIp, unmap } from "./ip.ts";

/** Most severe last. */
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
  if (isIsatap(bytes)) return worst(own, classifyFour(bytes, 12));
  if (own === "transition") {
    // Teredo: the server in the clear, the client inverted.
    const client = bytes.slice(12).map((byte) => byte ^ 0xff);
    return worst(worst(own, classifyFour(bytes, 4)), classifyFour(client, 0));
  }
  return own;
}

/** RFC 5214: under any prefix, the last 64 bits say 0000:5efe or 0200:5efe and then an IPv4 address. */
function isIsatap(bytes: Uint8Array): boolean {
  return ((bytes[8] as number) & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;
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

/** Where names lead that no public resolver answers; for names that somebody else will resolve. */
const NAMES: ReadonlyMap<string, AddressClass> = new Map([
  ["localhost", "loopback"],
  ["localhost.localdomain", "loopback"],
  ["localhost6", "loopback"],
  ["localhost6.localdomain6", "loopback"],
  ["ip6-localhost", "loopback"],
  ["ip6-loopback", "loopback"],
  ["metadata", "metadata"],
  ["metadata.google.internal", "metadata"],
  ["metadata.goog", "metadata"],
  ["metadata.google", "metadata"],
  ["instance-data", "metadata"],
  ["instance-data.ec2.internal", "metadata"],
  ["metadata.tencentyun.com", "metadata"],
  ["metadata.platformequinix.com", "metadata"],
  ["metadata.packet.net", "metadata"],
  ["metadata.azure.internal", "metadata"],
  ["host.docker.internal", "private"],
  ["gateway.docker.internal", "private"],
  ["kubernetes", "private"],
  ["kubernetes.default", "private"],
  ["kubernetes.default.svc", "private"],
]);
const TREES: readonly (readonly [ending: string, found: AddressClass])[] = [
  [".localhost", "loopback"],
  [".cluster.local", "private"],
  [".metadata.google.internal", "metadata"],
];

/** Words anywhere, and of code: `metadata.google = key`. */
const ALSO_WORDS: ReadonlySet<string> = new Set(["metadata", "instance-data", "metadata.google"]);

function metadataIn(table: readonly (readonly [string, AddressClass])[]): string[] {
  return table.flatMap(([text, found]) => (found === "metadata" ? [text] : []));
}

/** How a metadata service is called where no scheme stands before it: by an address, as a network with its length, or by a name. */
export const METADATA: { readonly networks: readonly string[]; readonly names: readonly string[] } = {
  networks: metadataIn([...FOUR, ...SIX]),
  names: metadataIn([...NAMES]).filter((name) => !ALSO_WORDS.has(name)),
};

/** `name`: as `normalizeHost` answers it. Null: what it is decides its address. */
export function classifyName(name: string): AddressClass | null {
  return NAMES.get(name) ?? TREES.find(([ending]) => name.endsWith(ending))?.[1] ?? null;
}
