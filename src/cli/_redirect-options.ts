/** The options of `redirect`, read into what the rules are made of. */
import { readPort, readPorts, readResolvers, readWayOut, resolversIn } from "../redirect/read.ts";
import type { GatewayMark, Redirect } from "../redirect/redirect.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type Cidr, parseIp } from "../wire/ip.ts";
import { quote } from "../words/quote.ts";
import type { Arguments, OptionSpec } from "./_args.ts";
import { textOf } from "./_proc.ts";

export const RULE_OPTIONS: readonly OptionSpec[] = [
  { name: "uid", value: "USER", doc: "user the gateway runs as, by number or name; its sockets pass" },
  { name: "gid", value: "GROUP", doc: "group the gateway runs as, by number or name" },
  { name: "mark", value: "MARK", doc: "mark of the gateway's sockets (SO_MARK), such as 0x5a11" },
  { name: "port", value: "PORT", doc: "port of the gateway (default: EVE_PROXY_PORT, else 3128)" },
  { name: "ports", value: "PORTS", doc: "TCP ports to redirect (default: 80,443)" },
  { name: "all-tcp", doc: "redirect TCP to every port" },
  { name: "except", value: "CIDR[:PORTS]", repeat: true, doc: "TCP and UDP to there pass by the gateway" },
  { name: "dns", value: "ADDR,ADDR", doc: "resolvers that port 53 may go to, or none (default: those of the host)" },
  { name: "ipv6", value: "redirect|drop|auto", doc: "what becomes of IPv6 (default: auto)" },
];

const MARK_REASON =
  "say who the gateway is, by --uid, --gid or --mark: what it sends itself must pass, and nobody else's may";

export interface Read {
  readonly redirect: Redirect;
  /** What was chosen where nothing was said, a line each. */
  readonly notes: readonly string[];
}

/** What cannot be used: `usage` is the command line's, `config` the environment's or the host's. */
export interface Refused {
  readonly refused: "usage" | "config";
  readonly problem: string;
}

const RESOLV_CONF = "/etc/resolv.conf";
/** Behind the stub of systemd-resolved, which asks these. */
const BEHIND_THE_STUB = "/run/systemd/resolve/resolv.conf";
const MAX_WAYS = 256;

export async function readRules(runtime: Runtime, given: Arguments): Promise<Read | Refused> {
  const gateway = await readGateway(runtime, given);
  if ("refused" in gateway) return gateway;
  const notes: string[] = [];
  const said = given.value("port");
  const portText = said ?? runtime.env.EVE_PROXY_PORT ?? "3128";
  const port = readPort(portText);
  if (port === null) {
    if (said !== null) return usage(`--port is 1 to 65535, not ${quote(said)}`);
    return {
      refused: "config",
      problem: `EVE_PROXY_PORT is ${quote(portText)}, and to redirect a fixed port is needed`,
    };
  }
  const allTcp = given.has("all-tcp");
  if (allTcp && given.has("ports")) return usage("--ports says less than --all-tcp: give one of them");
  const ports = readPorts(given.value("ports") ?? "80,443");
  if (typeof ports === "string") return usage(`--ports: ${ports}`);
  if (given.values("except").length > MAX_WAYS) return usage(`--except is given more than ${MAX_WAYS} times`);
  const waysOut = [];
  for (const text of given.values("except")) {
    const way = readWayOut(text);
    if (typeof way === "string") return usage(`--except: ${way}`);
    waysOut.push(way);
  }
  const dns = given.value("dns");
  const resolvers = dns === null ? await ownResolvers(runtime, notes) : readResolvers(dns);
  if (typeof resolvers === "string") return usage(`--dns: ${resolvers}`);
  const ipv6 = readIpv6(runtime, given.value("ipv6") ?? "auto", notes);
  if (ipv6 === null) return usage("--ipv6 is redirect, drop or auto");
  return { redirect: { gateway, port, ports, allTcp, waysOut, resolvers, ipv6 }, notes };
}

function usage(problem: string): Refused {
  return { refused: "usage", problem };
}

async function readGateway(runtime: Runtime, given: Arguments): Promise<GatewayMark | Refused> {
  const uid = given.value("uid");
  const gid = given.value("gid");
  const mark = given.value("mark");
  if (uid === null && gid === null && mark === null) return usage(MARK_REASON);
  const user = uid === null ? null : await readId(runtime, uid, "/etc/passwd");
  const group = gid === null ? null : await readId(runtime, gid, "/etc/group");
  if (uid !== null && user === null) return usage(`--uid: there is no user ${quote(uid)}`);
  if (gid !== null && group === null) return usage(`--gid: there is no group ${quote(gid)}`);
  // What runs as root would all pass, and whoever becomes root for a moment.
  if (user === 0) return usage("--uid 0 would let all of root's programs pass: run the gateway as a user of its own");
  if (group === 0) return usage("--gid 0 would let all of root's programs pass: run the gateway in a group of its own");
  const number = mark === null ? null : /^(?:0x[0-9a-f]{1,8}|[0-9]{1,10})$/i.test(mark) ? Number(mark) : 0;
  if (number === 0 || (number !== null && number > 0xffff_ffff))
    return usage(`--mark is a number from 1 to 0xffffffff, not ${quote(mark ?? "")}`);
  return { uid: user, gid: group, mark: number };
}

/** A number, or a name that passwd(5) or group(5) tells; the id stands third in both. */
async function readId(runtime: Runtime, text: string, file: "/etc/passwd" | "/etc/group"): Promise<number | null> {
  if (/^[0-9]{1,10}$/.test(text)) return Number(text) < 0xffff_ffff ? Number(text) : null;
  const line = (await textOf(runtime, file)).split("\n").find((one) => one.startsWith(`${text}:`));
  const id = line?.split(":")[2] ?? "";
  return /^[0-9]{1,10}$/.test(id) ? Number(id) : null;
}

async function ownResolvers(runtime: Runtime, notes: string[]): Promise<readonly Cidr[]> {
  const named = resolversIn(await textOf(runtime, RESOLV_CONF));
  const stub = named.length > 0 && named.every(({ ip }) => (ip.family === 4 ? ip.bytes[0] === 127 : isOne(ip.bytes)));
  const behind = stub ? resolversIn(await textOf(runtime, BEHIND_THE_STUB)) : [];
  const found = stub && behind.length > 0 ? behind : named;
  const told = found.map(({ ip, text }) => text.replace(ip.family === 4 ? "/32" : "/128", "")).join(", ");
  const from = stub && behind.length > 0 ? BEHIND_THE_STUB : RESOLV_CONF;
  notes.push(
    found.length === 0
      ? `${RESOLV_CONF} names no resolver: DNS may go nowhere but to this host (see --dns)`
      : `DNS may go to ${told}, from ${from}`,
  );
  if (stub && behind.length === 0)
    notes.push("the resolver on this host asks others, which --dns must name: without it no name is found");
  return found;
}

function isOne(bytes: Uint8Array): boolean {
  return bytes.every((byte, at) => byte === (at === 15 ? 1 : 0));
}

function readIpv6(runtime: Runtime, text: string, notes: string[]): "redirect" | "drop" | null {
  if (text === "redirect" || text === "drop") return text;
  if (text !== "auto") return null;
  const host = runtime.env.EVE_PROXY_HOST ?? "0.0.0.0";
  const ip = parseIp(host.replace(/^\[(.*)\]$/, "$1"));
  const listens = ip !== null && ip.family === 6 && (isOne(ip.bytes) || ip.bytes.every((byte) => byte === 0));
  if (listens) return "redirect";
  notes.push(`IPv6 is refused, not redirected: the gateway listens on ${quote(host)} (EVE_PROXY_HOST=:: takes both)`);
  return "drop";
}
