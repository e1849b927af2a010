/** What operators write: ports, networks, resolvers. Each answers the value, or why it is none as a text. */
import { type Cidr, parseCidr, parseIp } from "../wire/ip.ts";
import { quote } from "../words/quote.ts";
import type { PortRange, WayOut } from "./redirect.ts";

/** Of one list; of resolvers and ways out, too. */
const MOST = 64;

/** `80,443,8000-8010`; in any order, nothing twice. */
export function readPorts(text: string): readonly PortRange[] | string {
  const words = text.split(",");
  if (words.length > MOST) return `more than ${MOST} ports`;
  const ranges: PortRange[] = [];
  for (const word of words) {
    const [first, last, more] = word.trim().split("-");
    const from = readPort(first ?? "");
    const to = last === undefined ? from : readPort(last);
    if (from === null || to === null || more !== undefined || to < from)
      return `${quote(word.trim())} is no port: write 443 or 8000-8010`;
    ranges.push({ from, to });
  }
  ranges.sort((a, b) => a.from - b.from);
  for (let i = 1; i < ranges.length; i++) {
    const [before, range] = [ranges[i - 1], ranges[i]];
    if (before !== undefined && range !== undefined && range.from <= before.to)
      return `port ${range.from} stands twice`;
  }
  return ranges;
}

export function readPort(text: string): number | null {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) return null;
  const port = Number(text);
  return port > 65_535 ? null : port;
}

/** `CIDR`, `CIDR:PORTS`, an address for a CIDR; of IPv6 with ports `[ADDRESS]:PORTS`, `[CIDR]:PORTS` or `CIDR:PORTS`. */
export function readWayOut(text: string): WayOut | string {
  const parts = split(text);
  const to = parts === null ? null : parseCidr(parts.network);
  if (parts === null || to === null)
    return `${quote(text)} is no network: write 10.0.0.0/8, 10.0.0.1:443 or [fd00::/8]:443`;
  if (to.prefix === 0) return `${quote(text)} is everywhere: nothing would be left to redirect`;
  if (parts.ports === null) return { to, ports: [] };
  const ports = readPorts(parts.ports);
  return typeof ports === "string" ? ports : { to, ports };
}

function split(text: string): { network: string; ports: string | null } | null {
  if (text.startsWith("[")) {
    const end = text.indexOf("]");
    if (end === -1) return null;
    const rest = text.slice(end + 1);
    if (rest !== "" && !rest.startsWith(":")) return null;
    return { network: text.slice(1, end), ports: rest === "" ? null : rest.slice(1) };
  }
  // Behind a slash there is no colon of an address; without one an IPv6 address with ports would have two readings.
  const slash = text.indexOf("/");
  const colon = slash === -1 && text.indexOf(":") !== text.lastIndexOf(":") ? -1 : text.indexOf(":", slash + 1);
  if (colon === -1 || colon < slash) return { network: text, ports: null };
  return { network: text.slice(0, colon), ports: text.slice(colon + 1) };
}

/** `10.0.0.53,fd00::53`; `none`: nobody may be asked. */
export function readResolvers(text: string): readonly Cidr[] | string {
  if (text === "none") return [];
  const words = text.split(",");
  if (words.length > MOST) return `more than ${MOST} resolvers`;
  const resolvers: Cidr[] = [];
  for (const word of words) {
    const address = word.trim();
    const cidr = parseIp(address) === null ? null : parseCidr(address);
    if (cidr === null) return `${quote(address)} is no address: write 10.0.0.53, or none`;
    resolvers.push(cidr);
  }
  return resolvers;
}

/** Those a resolv.conf(5) names, those on loopback too. A zone (`fe80::1%eth0`) cannot be matched on, and is left away. */
export function resolversIn(resolvConf: string): readonly Cidr[] {
  const resolvers: Cidr[] = [];
  for (const line of resolvConf.split("\n")) {
    const [word, address = ""] = line.trim().split(/[ \t]+/, 2);
    if (word !== "nameserver") continue;
    const cidr = parseCidr(address.split("%")[0] ?? "");
    if (cidr !== null && resolvers.length < MOST && !resolvers.some(({ text }) => text === cidr.text))
      resolvers.push(cidr);
  }
  return resolvers;
}
