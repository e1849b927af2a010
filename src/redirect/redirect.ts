/** What the kernel is asked to do with what leaves this network namespace. Pure: nothing here knows a tool or a kernel. */
import type { Cidr } from "../wire/ip.ts";

/** Both inclusive. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Whose sockets pass. Of what is given all must hold, so that a second word never lets more through. */
export interface GatewayMark {
  readonly uid: number | null;
  readonly gid: number | null;
  /** SO_MARK of its sockets. */
  readonly mark: number | null;
}

/** A way around the gateway that the operator wants: TCP and UDP to a network. */
export interface WayOut {
  readonly to: Cidr;
  /** Empty: every port. */
  readonly ports: readonly PortRange[];
}

export interface Redirect {
  readonly gateway: GatewayMark;
  /** Where the gateway listens, on loopback. */
  readonly port: number;
  /** TCP to these ports is redirected. Nothing is said about it when `allTcp`. */
  readonly ports: readonly PortRange[];
  readonly allTcp: boolean;
  readonly waysOut: readonly WayOut[];
  /** Networks of one address: who may be asked for names on port 53. */
  readonly resolvers: readonly Cidr[];
  /** `drop`: a gateway that does not listen on ::1 could not take it. */
  readonly ipv6: "redirect" | "drop";
}

/**
 * `pass`: left to whatever other rules there are. `reset`: TCP is told at once. `refuse`: UDP is told at once (port
 * unreachable), so that QUIC falls back to TCP instead of waiting. `drop`: the sender gets EPERM, which needs no packet.
 */
export type Verdict = "pass" | "redirect" | "reset" | "refuse" | "drop";

/** All that is given must hold. */
export interface When {
  readonly gateway?: true;
  /** To an address of this host, loopback included. */
  readonly own?: true;
  /**
   * The same by loopback, and what was redirected, whose first way is still told. By another interface it is not this
   * host's: a link-local address of one is a neighbour's on another.
   */
  readonly within?: true;
  /** From an address that is none of this host, on a flow that this begins. */
  readonly foreign?: true;
  /** To an address of this host, and not by loopback. */
  readonly stray?: true;
  /** On a flow that the other side began. */
  readonly answer?: true;
  /** TCP of a flow remembered as the gateway's, sent by the kernel for no process: the last words of a socket that was closed. */
  readonly last?: true;
  /** ICMP errors about a flow that is known. */
  readonly error?: true;
  /** Neighbour discovery and multicast listener reports, without which there is no IPv6 at all. */
  readonly neighbours?: true;
  /** From another host, of a flow that was under way before it was tracked. */
  readonly untracked?: true;
  readonly to?: Cidr;
  readonly protocol?: "tcp" | "udp";
  /** Destination. */
  readonly ports?: readonly PortRange[];
  /** Source. */
  readonly from?: readonly PortRange[];
}

/**
 * The bit of the mark of a flow (conntrack's) that says it is the gateway's. What the kernel sends for a socket that was
 * closed has no owner any more, and a program could have filled such a socket before the rules were there.
 */
export const FLOW_MARK = 0x0200_0000;

/** The first that fits decides; a packet that none fits passes. */
export interface Rule {
  /** One line for whoever reviews the rules. */
  readonly why: string;
  /** Absent: both. */
  readonly family?: 4 | 6;
  readonly when: When;
  readonly verdict: Verdict;
  /** The flow is marked with FLOW_MARK, too. */
  readonly remembered?: true;
}

export interface Rules {
  /** Asked once a connection, before `output`. */
  readonly nat: readonly Rule[];
  /** Asked for every packet that leaves, with the destination that nat gave it. */
  readonly output: readonly Rule[];
  /** Asked for every packet that arrives. */
  readonly input: readonly Rule[];
  /** Asked for every packet that leaves, when all is settled: before, what was redirected is not yet seen to go by loopback. */
  readonly leaving: readonly Rule[];
}

const DNS: PortRange = { from: 53, to: 53 };
const QUIC: PortRange = { from: 443, to: 443 };

export function rulesOf(redirect: Redirect): Rules {
  const { ports, allTcp } = redirect;
  const chosen: When = allTcp ? { protocol: "tcp" } : { protocol: "tcp", ports };
  const only4 = redirect.ipv6 === "drop" ? { family: 4 as const } : {};
  const gateway: Rule = { why: "the gateway itself", when: { gateway: true }, verdict: "pass" };
  const own: Rule = { why: "this host's own addresses", when: { own: true }, verdict: "pass" };
  return {
    nat: [
      gateway,
      own,
      ...declared(redirect, ["tcp"]),
      { why: "to the gateway", ...only4, when: chosen, verdict: "redirect" },
    ],
    output: [
      { ...gateway, remembered: true },
      { why: "neighbour discovery", family: 6, when: { neighbours: true }, verdict: "pass" },
      {
        why: "begun in somebody else's name: by IPv6 anybody may, and what comes back to this host would pass as an answer",
        when: { foreign: true },
        verdict: "drop",
      },
      {
        why: "this host's own addresses, by loopback, and what was redirected",
        when: { within: true },
        verdict: "pass",
      },
      { why: "answers on connections that others opened", when: { answer: true }, verdict: "pass" },
      { why: "the kernel's last words on connections that the gateway closed", when: { last: true }, verdict: "pass" },
      { why: "ICMP errors about known connections", when: { error: true }, verdict: "pass" },
      ...declared(redirect, ["tcp", "udp"]),
      ...tcp(redirect, chosen),
      { why: "QUIC and all other UDP", when: { protocol: "udp" }, verdict: "refuse" },
      { why: "ICMP, SCTP, tunnels, raw packets", when: {}, verdict: "drop" },
    ],
    input: [
      {
        why: "QUIC begun before these rules: with it tracked from here on, its answers would pass as answers",
        when: { untracked: true, protocol: "udp", from: [QUIC] },
        verdict: "drop",
      },
      {
        why: "connections opened before these rules: the same",
        when: { untracked: true, protocol: "tcp", ...(allTcp ? {} : { from: ports }) },
        verdict: "drop",
      },
    ],
    leaving: [
      {
        why: "to this host by a wire: from a socket bound to an interface even 127.0.0.1 leaves, and what was redirected",
        when: { stray: true },
        verdict: "drop",
      },
    ],
  };
}

function declared({ waysOut, resolvers }: Redirect, protocols: readonly ("tcp" | "udp")[]): Rule[] {
  const rules: Rule[] = [];
  for (const { to, ports } of waysOut) {
    for (const protocol of protocols) {
      const when: When = ports.length === 0 ? { to, protocol } : { to, protocol, ports };
      rules.push({ why: "declared way out", when, verdict: "pass" });
    }
  }
  for (const to of resolvers) {
    for (const protocol of protocols)
      rules.push({ why: "resolver", when: { to, protocol, ports: [DNS] }, verdict: "pass" });
  }
  return rules;
}

function tcp({ allTcp, ipv6 }: Redirect, chosen: When): Rule[] {
  const rules: Rule[] = [];
  if (ipv6 === "drop")
    rules.push({ why: "IPv6 is not redirected", family: 6, when: { protocol: "tcp" }, verdict: "reset" });
  // nat is asked once a connection: what was open before has kept its destination, and is cut here.
  rules.push({ why: "opened before these rules, and never redirected", when: chosen, verdict: "reset" });
  if (allTcp) return rules;
  rules.push(
    { why: "DNS over TCP to anybody else", when: { protocol: "tcp", ports: [DNS] }, verdict: "reset" },
    { why: "other TCP is left alone", when: { protocol: "tcp" }, verdict: "pass" },
  );
  return rules;
}
