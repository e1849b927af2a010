/** Whether the kernel sends what leaves to the gateway: the rules that are there, and whether they are this gateway's. */
import type { Config } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import type { Redirect } from "../redirect/redirect.ts";
import type { Runtime } from "../runtime/contract.ts";
import { formatIp } from "../wire/ip.ts";
import type { Finding } from "./_doctor-needs.ts";
import { type Running, unreadable } from "./_doctor-rights.ts";
import { portProcess } from "./_holder.ts";
import { CAPABILITY, identityOf, textOf } from "./_proc.ts";
import { portsText } from "./_redirect-check.ts";
import { findTools, otherRedirects, readInstalled } from "./_redirect-kernel.ts";

const ABOUT = "redirect";
const AGAIN = "sallyport redirect install, with the options it had";
const NOT_WHOLE = "perhaps open: the rules are not as install makes them";
/** Bounds on what a crowded host can cost. */
const MAX_PROCESSES = 8192;
const MAX_NAMED = 5;

/** What is known of the rules; `redirect` null: there are none, or nobody tells. */
export interface Rules {
  readonly findings: readonly Finding[];
  readonly redirect: Redirect | null;
  /** Whether it could be seen that there are none. */
  readonly looked: boolean;
  /** As install made them. */
  readonly whole: boolean;
}

export type Served = Pick<Config, "host" | "port" | "transparent">;

/** The process that has the gateway's port, as far as this user is told. */
export async function runningGateway(runtime: Runtime, config: Pick<Served, "port"> | null): Promise<Running | null> {
  if (config === null || config.port === 0 || runtime.platform !== "linux") return null;
  const pid = await portProcess(runtime, config.port);
  const identity = pid === null ? null : await identityOf(runtime, pid);
  return pid === null || pid === String(runtime.pid) || identity === null ? null : { pid, identity };
}

/** Never rejects, and changes nothing. */
export async function rules(runtime: Runtime, config: Served | null, running: Running | null): Promise<Rules> {
  try {
    return await look(runtime, config, running);
  } catch (thrown) {
    return unknown({ state: "note", about: ABOUT, detail: `the rules cannot be looked at: ${messageOf(thrown)}` });
  }
}

function unknown(finding: Finding): Rules {
  return { findings: [finding], redirect: null, looked: false, whole: false };
}

async function look(runtime: Runtime, config: Served | null, running: Running | null): Promise<Rules> {
  const ignore = "clients that ignore the proxy are not caught";
  if (runtime.platform !== "linux") {
    const detail = `kernel rules are Linux's, and this is ${runtime.platform}: ${ignore}`;
    return unknown({ state: "note", about: ABOUT, detail, fix: "let the network leave no other way out" });
  }
  const tools = await findTools(runtime);
  const has = [tools.nft === null ? "" : "nft", tools.iptables === null ? "" : "iptables"].filter(
    (name) => name !== "",
  );
  if (has.length === 0) {
    const detail = `there is no nft and no iptables-restore, so no rules can be installed from here: ${ignore}`;
    return unknown({ state: "note", about: ABOUT, detail, fix: "install nftables, or leave it to an init container" });
  }
  const own = await identityOf(runtime, "self");
  if (own === null) return unknown(unreadable(ABOUT));
  if (!own.has(CAPABILITY.netAdmin)) {
    const detail = `${has.join(" and ")} are here; which rules there are only root is told (CAP_NET_ADMIN)`;
    return unknown({
      state: "note",
      about: ABOUT,
      detail,
      fix: "run doctor as root, or try with sallyport redirect check",
    });
  }
  const { found, refused } = await readInstalled(runtime, tools);
  const [first, ...more] = found;
  if (first === undefined) {
    if (refused.length > 0 && refused.length >= has.length) {
      const fix = "load nf_tables or ip_tables on the host, or let another tool of the same kind be found";
      return unknown({ state: "warn", about: ABOUT, detail: `the kernel answers no tool: ${refused.join("; ")}`, fix });
    }
    const detail = `no rules of sallyport redirect are installed (${has.join(" and ")} could): ${ignore}`;
    const fix = "sallyport redirect install --uid USER";
    return { findings: [{ state: "note", about: ABOUT, detail, fix }], redirect: null, looked: true, whole: false };
  }
  const findings: Finding[] = [];
  const { redirect, problems } = first;
  if (redirect !== null) findings.push(...(await fits(runtime, redirect, { config, running })));
  if (problems.length > 0)
    findings.push({ state: "warn", about: ABOUT, detail: `${first.by}: ${problems.join("; ")}`, fix: AGAIN });
  if (more.length > 0) {
    const detail = `there are rules twice, in ${found.map(({ by }) => by).join(" and in ")}`;
    findings.push({ state: "warn", about: ABOUT, detail, fix: "sallyport redirect remove, then install" });
  }
  if (findings.length === 0 && redirect !== null)
    findings.push({ state: "ok", about: ABOUT, detail: `${first.by}: ${described(redirect)}` });
  const others = first.by === "nft" ? await otherRedirects(runtime, tools) : [];
  if (others.length > 0) {
    const named = others.slice(0, MAX_NAMED).join(", ");
    const detail = `other tables may change where connections go, and who comes first decides: ${named}`;
    const fix = "look at their chains with hook output: nft list ruleset";
    findings.push({ state: "note", about: ABOUT, detail, fix });
  }
  return { findings, redirect, looked: true, whole: problems.length === 0 };
}

function described({ gateway, port, ports, allTcp, waysOut }: Redirect): string {
  const what = allTcp ? "all TCP" : `TCP to ports ${portsText(ports)}`;
  const out = waysOut.slice(0, MAX_NAMED).map(({ to, ports: only }) => {
    const where = to.prefix === to.ip.bytes.length * 8 ? formatIp(to.ip) : to.text;
    return `${where}${only.length === 0 ? "" : ` port ${portsText(only)}`}`;
  });
  const others = waysOut.length > out.length ? ` and ${waysOut.length - out.length} more` : "";
  const declared = out.length === 0 ? "" : `; declared ways out: ${out.join(", ")}${others}`;
  return `${what} of everybody but ${who(gateway)} goes to port ${port}${declared}`;
}

function who({ uid, gid, mark }: Redirect["gateway"]): string {
  const words = [
    uid === null ? "" : `user ${uid}`,
    gid === null ? "" : `group ${gid}`,
    mark === null ? "" : `mark 0x${mark.toString(16)}`,
  ];
  return words.filter((word) => word !== "").join(" and ");
}

interface Gateway {
  readonly config: Served | null;
  readonly running: Running | null;
}

/** Whether the rules and the gateway are made for each other. */
async function fits(runtime: Runtime, redirect: Redirect, { config, running }: Gateway): Promise<Finding[]> {
  const findings: Finding[] = [];
  const warn = (detail: string, fix: string): void => void findings.push({ state: "warn", about: ABOUT, detail, fix });
  const { gateway, port } = redirect;
  if (config !== null && config.port !== port)
    warn(
      `the rules send to port ${port}, and the gateway listens on ${config.port}`,
      `EVE_PROXY_PORT=${port}, or redirect install with --port ${config.port}`,
    );
  if (config !== null && !hearsLoopback(config.host))
    warn(
      `what is redirected arrives on 127.0.0.1, and the gateway listens on ${config.host} alone`,
      "EVE_PROXY_HOST=0.0.0.0, or :: for both families",
    );
  if (config !== null && !config.transparent)
    warn("what is redirected is not served: EVE_PROXY_TRANSPARENT is 0", "set it to 1, or leave it out");
  if (gateway.uid === 0 || gateway.gid === 0)
    warn(
      `the rules let ${who(gateway)} pass, which is every program of root's`,
      "run the gateway as a user of its own",
    );
  const served = running ?? (await runningGateway(runtime, { port }));
  findings.push(...(await exempt(runtime, redirect, served)));
  return findings;
}

function hearsLoopback(host: string): boolean {
  return ["0.0.0.0", "::", "localhost"].includes(host) || host.startsWith("127.");
}

/** The gateway passes, and nobody else does. A mark is of sockets, and none to be seen from here. */
async function exempt(runtime: Runtime, { gateway }: Redirect, running: Running | null): Promise<Finding[]> {
  const is = (one: { readonly uid: number; readonly gid: number }): boolean =>
    (gateway.uid === null || gateway.uid === one.uid) && (gateway.gid === null || gateway.gid === one.gid);
  if (running !== null && !is(running.identity)) {
    const { pid, identity } = running;
    const detail = `the gateway (process ${pid}) is user ${identity.uid} and group ${identity.gid}, and the rules let ${who(gateway)} pass: what it sends comes back to it`;
    const fix = `run it as ${who(gateway)}, or install again with --uid ${identity.uid}`;
    return [{ state: "warn", about: ABOUT, detail, fix }];
  }
  if (gateway.mark !== null || (gateway.uid === null && gateway.gid === null)) return [];
  const pid = running?.pid ?? "";
  const others: string[] = [];
  const processes = (await runtime.list("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const other of processes.slice(0, MAX_PROCESSES)) {
    if (other === pid || other === String(runtime.pid)) continue;
    const one = await identityOf(runtime, other);
    // Workers are the gateway's own.
    if (one === null || !is(one) || String(one.parent) === pid || one.parent === runtime.pid) continue;
    if (Number(other) === running?.identity.parent) continue;
    const name = (await textOf(runtime, `/proc/${other}/comm`)).replace(/[^\x21-\x7e]/g, "").slice(0, 32);
    others.push(`${other} (${name})`);
  }
  if (others.length === 0) return [];
  const named = others.slice(0, MAX_NAMED).join(", ");
  const more = others.length > MAX_NAMED ? ` and ${others.length - MAX_NAMED} more` : "";
  const detail = `processes that pass because they are ${who(gateway)}, as the gateway ${pid === "" ? "would be" : "is"}: ${named}${more}`;
  return [{ state: "warn", about: ABOUT, detail, fix: "run the gateway as a user that runs nothing else" }];
}

/** IPv6, in which most ways around are forgotten. */
export async function ipv6(
  runtime: Runtime,
  config: Served | null,
  { redirect, looked, whole }: Rules,
): Promise<Finding> {
  const about = "IPv6";
  if (runtime.platform !== "linux")
    return { state: "note", about, detail: "not looked at but on Linux: see that it is not left open" };
  const interfaces = await textOf(runtime, "/proc/net/if_inet6");
  if (interfaces === "" && (await textOf(runtime, "/proc/net/route")) === "") return unreadable(about);
  if (interfaces.trim() === "") return { state: "ok", about, detail: "this host has none" };
  const outside = interfaces.split("\n").some((line) => /^[0-9a-f]{32} [0-9a-f]+ [0-9a-f]+ 00 /.test(line));
  const has = outside ? "with addresses that reach outside" : "without an address that reaches outside";
  if (redirect === null) {
    const detail = `present, ${has}; ${looked ? "no rule stops or redirects it" : "whether rules stop it cannot be told"}`;
    return { state: "note", about, detail, fix: "sallyport redirect install takes care of both families" };
  }
  if (!whole) return { state: "warn", about, detail: NOT_WHOLE, fix: AGAIN };
  if (redirect.ipv6 === "drop") return { state: "ok", about, detail: "present and refused: clients take IPv4 at once" };
  if (config !== null && !["::", "::1"].includes(config.host)) {
    const detail = `redirected to [::1]:${redirect.port}, and the gateway listens on ${config.host}: IPv6 ends there, and any program may take that port`;
    const fix = "EVE_PROXY_HOST=::, or redirect install with --ipv6 drop";
    return { state: "warn", about, detail, fix };
  }
  if (config?.host === "::" && (await textOf(runtime, "/proc/sys/net/ipv6/bindv6only")).trim() === "1") {
    const detail = "redirected, but net.ipv6.bindv6only is 1: a gateway on :: may not hear IPv4";
    return { state: "warn", about, detail, fix: "sysctl -w net.ipv6.bindv6only=0" };
  }
  return { state: "ok", about, detail: "present and redirected, and the gateway listens on both families" };
}

export function udp({ platform }: Pick<Runtime, "platform">, { redirect, looked, whole }: Rules): Finding {
  const about = "QUIC and UDP";
  if (redirect === null) {
    const detail =
      looked || platform !== "linux"
        ? "not blocked: HTTP/3 goes around the gateway"
        : "whether it is blocked cannot be told: HTTP/3 would go around the gateway";
    const fix = platform === "linux" ? "sallyport redirect install" : "let the network drop UDP but DNS";
    return { state: "note", about, detail, fix };
  }
  if (!whole) return { state: "warn", about, detail: NOT_WHOLE, fix: AGAIN };
  return { state: "ok", about, detail: "refused but for DNS and declared ways out: clients fall back to TCP" };
}

/** Redirection lives on connection tracking: a full table drops connections. */
export async function conntrack(
  runtime: Runtime,
  config: Pick<Config, "maxConnections"> | null,
  { redirect }: Rules,
): Promise<Finding[]> {
  if (redirect === null) return [];
  const about = "conntrack";
  const [count, max] = await Promise.all(
    ["count", "max"].map(async (name) => {
      const text = (await textOf(runtime, `/proc/sys/net/netfilter/nf_conntrack_${name}`)).trim();
      return /^\d+$/.test(text) ? Number(text) : null;
    }),
  );
  if (count === null || count === undefined || max === null || max === undefined)
    return [{ state: "note", about, detail: "this kernel does not tell how many connections it tracks" }];
  const fix = (most: number): string => `sysctl -w net.netfilter.nf_conntrack_max=${most}`;
  if (count > max * 0.8) {
    const detail = `${count} of ${max} connections are tracked: when it is full, new ones are dropped`;
    return [{ state: "warn", about, detail, fix: fix(max * 2) }];
  }
  // A redirected connection is one entry, and the gateway's own another.
  const wanted = 2 * (config?.maxConnections ?? 16_384);
  if (max < wanted) {
    const detail = `${max} connections can be tracked, and twice EVE_PROXY_MAX_CONNECTIONS is ${wanted}`;
    return [{ state: "note", about, detail, fix: fix(wanted * 2) }];
  }
  return [{ state: "ok", about, detail: `${count} of ${max} connections tracked` }];
}
