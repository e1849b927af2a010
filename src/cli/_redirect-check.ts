/** What is tried to get out, and what each outcome means. */
import type { PortRange, Redirect } from "../redirect/redirect.ts";
import { formatIp, inCidr, parseIp } from "../wire/ip.ts";
import type { Attempt, Outcome } from "./_redirect-probe.ts";
import { ERRNO } from "./_redirect-sockets.ts";

export interface Finding {
  /** What was tried, or is declared. */
  readonly way: string;
  readonly state: "closed" | "open" | "declared" | "untested";
  readonly detail: string;
  /** Of what is open. */
  readonly fix?: string;
}

export interface Trial {
  readonly way: string;
  readonly attempt: Attempt;
  judge(outcome: Outcome): Omit<Finding, "way">;
}

/** Nobody's: documentation (RFC 5737, RFC 3849). Routers have no route to them. */
export const TARGETS = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "2001:db8:ffff::1"] as const;

const INSTALL = "sallyport redirect install with these options";
const CAPABILITIES = "take the capability from the program (Kubernetes: securityContext.capabilities.drop: [ALL])";

/** `targets`: addresses to try to reach; of each family the first that is no declared way out is taken. */
export function trialsOf(redirect: Redirect, targets: readonly string[]): Trial[] {
  const trials: Trial[] = [];
  for (const family of [4, 6] as const) {
    const to = targets.find((text) => {
      const ip = parseIp(text);
      const within = [...redirect.waysOut.map((way) => way.to), ...redirect.resolvers];
      return ip?.family === family && !within.some((cidr) => inCidr(ip, cidr));
    });
    if (to !== undefined) trials.push(...outward(redirect, family, to));
  }
  return [...trials, ...byInterfaces(), frames(), ...theft(redirect), ...impostor(redirect)];
}

/** The ways around that the operator wants, and what the rules leave alone. */
export function declared({ waysOut, resolvers, allTcp, ports }: Redirect): Finding[] {
  const found: Finding[] = waysOut.map(({ to, ports: only }) => ({
    way: `${to.text}${only.length === 0 ? "" : ` port ${portsText(only)}`}`,
    state: "declared",
    detail: "by --except, TCP and UDP",
  }));
  for (const { ip } of resolvers) {
    const detail = "the resolver: what is asked of it can carry data, slowly";
    found.push({ way: `${formatIp(ip)} port 53`, state: "declared", detail });
  }
  const detail = "left alone without --all-tcp, and whoever has a server there gets out";
  if (!allTcp) found.push({ way: `TCP to ports other than ${portsText(ports)}`, state: "declared", detail });
  return found;
}

export function portsText(ports: readonly PortRange[]): string {
  return ports.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}

function outward(redirect: Redirect, family: 4 | 6, to: string): Trial[] {
  const chosen = redirect.allTcp ? 443 : (redirect.ports[0]?.from ?? 443);
  const other = [8443, 9, 4443].find((port) => !covers(redirect.ports, port)) ?? 8443;
  const all = redirect.allTcp || (family === 6 && redirect.ipv6 === "drop");
  const tcp = (port: number, caught: boolean): Trial => ({
    way: `TCP to ${to} port ${port}`,
    attempt: { kind: "tcp", to, port },
    judge: (outcome) => (caught ? redirected(outcome) : leftAlone(outcome)),
  });
  const send = (way: string, attempt: Attempt, fix = INSTALL): Trial => ({
    way: `${way} ${to}`,
    attempt,
    judge: (outcome) => sending(outcome, fix),
  });
  return [
    tcp(chosen, true),
    tcp(other, all),
    ...(covers(redirect.ports, 53) ? [] : [tcp(53, true)]),
    send("QUIC (UDP port 443) to", { kind: "udp", to, port: 443 }),
    send("DNS (UDP port 53) to", { kind: "udp", to, port: 53 }),
    send("UDP port 4500 to", { kind: "udp", to, port: 4500 }),
    send("ICMP echo to", { kind: "echo", to }),
    // By IPv4 nobody sends from an address of others without NET_ADMIN or NET_RAW.
    ...(family === 6 ? [inNameOf(to)] : []),
    send("a raw packet to", { kind: "raw", to }, `${INSTALL}, and ${CAPABILITIES}: NET_RAW`),
  ];
}

function inNameOf(from: string): Trial {
  return {
    way: `UDP to ${from}, as an answer to what was asked in its name (IPV6_FREEBIND)`,
    attempt: { kind: "in-name-of", from },
    judge: (outcome) => sending(outcome, INSTALL),
  };
}

function byInterfaces(): Trial[] {
  return ["127.0.0.1", "::1"].map((to) => ({
    way: `UDP to ${to} by another interface (SO_BINDTODEVICE)`,
    attempt: { kind: "by-interfaces", to },
    judge: (outcome) => sending(outcome, INSTALL),
  }));
}

function covers(ports: readonly PortRange[], port: number): boolean {
  return ports.some(({ from, to }) => from <= port && port <= to);
}

function redirected(outcome: Outcome): Omit<Finding, "way"> {
  const { answer, gateway, outside } = outcome;
  if (answer === 0)
    return gateway === true
      ? { state: "closed", detail: "the gateway took it" }
      : { state: "open", detail: "somebody answered, and it was not the gateway's port here", fix: INSTALL };
  if (answer === -ERRNO.ECONNREFUSED) {
    if (outside === true)
      return { state: "open", detail: "it left this host, and was refused elsewhere", fix: INSTALL };
    if (outside === false) return { state: "closed", detail: "refused by this host" };
    return { state: "untested", detail: "it was refused, and only root can tell whether by this host" };
  }
  const stopped = barred(outcome);
  if (stopped !== null) return stopped;
  const detail =
    answer === null
      ? "no answer, where the rules would have given one at once: it may have left"
      : `it left this host, or another rule refused it (errno ${-answer})`;
  return { state: "open", detail, fix: INSTALL };
}

function leftAlone(outcome: Outcome): Omit<Finding, "way"> {
  const { state, detail } = redirected(outcome);
  return state === "open" ? { state: "declared", detail: "left alone without --all-tcp" } : { state, detail };
}

function sending(outcome: Outcome, fix: string): Omit<Finding, "way"> {
  const stopped = barred(outcome);
  if (stopped !== null) return stopped;
  const { answer, left } = outcome;
  if (left === null) return { state: "untested", detail: "this kernel does not tell whether it left" };
  if (answer !== null && answer >= 0 && left === false) return { state: "closed", detail: "no interface took it" };
  if (answer !== null && answer >= 0) return { state: "open", detail: "it was sent", fix };
  return { state: "untested", detail: `errno ${-(answer ?? 0)}` };
}

/** What is no way out whatever is tried; null when it may be one. */
function barred({ answer, noSocket }: Outcome): Omit<Finding, "way"> | null {
  switch (answer === null ? 0 : -answer) {
    case ERRNO.EPERM:
    case ERRNO.EACCES:
      return { state: "closed", detail: noSocket === true ? "such a socket is not given" : "not permitted" };
    case ERRNO.EAFNOSUPPORT:
    case ERRNO.EPROTONOSUPPORT:
      return { state: "closed", detail: "this kernel has no such sockets" };
    case ERRNO.ENETUNREACH:
    case ERRNO.EADDRNOTAVAIL:
      return { state: "untested", detail: "this host has no route there, so nothing gets there now either" };
    default:
      return null;
  }
}

function frames(): Trial {
  return {
    way: "frames past all rules (AF_PACKET)",
    attempt: { kind: "frames" },
    judge: (outcome) =>
      barred(outcome) ?? { state: "open", detail: "such a socket was given", fix: `${CAPABILITIES}: NET_RAW` },
  };
}

/** Whether the port that traffic is redirected to can be had beside the gateway, or without it. */
function theft({ port, ipv6 }: Redirect): Trial[] {
  return ["127.0.0.1", ...(ipv6 === "redirect" ? ["::1"] : [])].map((to) => ({
    way: `the gateway's port, ${to} port ${port} (SO_REUSEPORT)`,
    attempt: { kind: "bind", to, port },
    judge({ answer, gateway, started }) {
      const taken = answer === -ERRNO.EADDRINUSE;
      if (!taken && (answer === null || answer < 0))
        return barred({ answer }) ?? { state: "untested", detail: `errno ${-(answer ?? 0)}` };
      // Only who listens holds it: what is left of a connection that ended (TIME_WAIT) keeps others from it, for a minute.
      if (gateway === true && taken) return { state: "closed", detail: "it is held" };
      if (gateway === true) {
        const fix = "run the gateway as a user that runs nothing else";
        return { state: "open", detail: "it can be had beside who listens there", fix };
      }
      if (to === "127.0.0.1" || started !== true)
        return { state: "untested", detail: "nobody listens there: start the gateway first" };
      const fix = "set EVE_PROXY_HOST=:: for the gateway, or take --ipv6 drop";
      return { state: "open", detail: "nobody listens there, so that others' IPv6 can be had by any program", fix };
    },
  }));
}

/** Whether a program can pass itself off as the gateway. Ends the process that tries: it is the last. */
function impostor({ gateway: { uid, gid, mark } }: Redirect): Trial[] {
  const trials: Trial[] = [];
  // Of what is asked for all must be had: with one that cannot, there is no way out by the others.
  const all = [uid, gid, mark].filter((one) => one !== null).length;
  const beside = all > 1 ? ", which alone is not enough" : "";
  if (mark !== null)
    trials.push({
      way: `the gateway's mark on a socket${beside}`,
      attempt: { kind: "mark", mark },
      judge: (outcome) =>
        barred(outcome) ?? { state: "open", detail: "it was set", fix: `${CAPABILITIES}: NET_ADMIN and NET_RAW` },
    });
  if (uid !== null || gid !== null) {
    const who = [uid === null ? "" : `user ${uid}`, gid === null ? "" : `group ${gid}`].filter((word) => word !== "");
    trials.push({
      way: `becoming the gateway's ${who.join(" and ")}${mark === null ? "" : beside}`,
      attempt: { kind: "become", uid, gid },
      judge: (outcome) =>
        barred(outcome) ?? { state: "open", detail: "it was done", fix: `${CAPABILITIES}: SETUID and SETGID` },
    });
  }
  return trials;
}
