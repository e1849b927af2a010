/**
 * The rules as input of nft(8). One file is one transaction: the old table goes and the new one comes at once, or nothing
 * changes. Needs a kernel with nat in the inet family (5.2).
 */
import { formatIp } from "../wire/ip.ts";
import type { GatewayMark, PortRange, Redirect, Rule, Verdict, When } from "./redirect.ts";
import { FLOW_MARK, rulesOf } from "./redirect.ts";

const TABLE = "table inet sallyport";

/** Whether or not there is such a table. */
export const NFT_REMOVE = `${TABLE}\ndelete ${TABLE}\n`;

const WORD: Readonly<Record<Exclude<Verdict, "redirect">, string>> = {
  pass: "accept",
  reset: "counter reject with tcp reset",
  refuse: "counter reject with icmpx port-unreachable",
  drop: "counter drop",
};
const FLOW = `0x${FLOW_MARK.toString(16).padStart(8, "0")}`;
const NOT_SYN = "tcp flags & (fin | syn | rst | ack) != syn";

export function nftScript(redirect: Redirect): string {
  const { nat, output, input, leaving } = rulesOf(redirect);
  const lines = (rules: readonly Rule[]): string => rules.map((rule) => lineOf(redirect, rule)).join("");
  // A packet without a process has no uid, and a match on one never holds for it, negated or not. So the question "has
  // it a process" is asked by a jump, and what stands behind it is for those that have none.
  const at = output.findIndex(({ when }) => when.last === true);
  const last = output[at];
  const kernel = last === undefined ? "" : lineOf(redirect, last);
  return `${NFT_REMOVE}${TABLE} {
	chain nat {
		type nat hook output priority -100; policy accept;
${lines(nat)}	}
	chain output {
		type filter hook output priority 0; policy accept;
${lines(output.slice(0, at))}		# whatever a process sends
		meta skuid 0-4294967295 goto processes
${kernel}		goto processes
	}
	chain processes {
${lines(output.slice(at + 1))}	}
	chain input {
		type filter hook input priority 0; policy accept;
${lines(input)}	}
	chain leaving {
		type filter hook postrouting priority 0; policy accept;
${lines(leaving)}	}
}
`;
}

function lineOf(redirect: Redirect, { why, family, when, verdict, remembered }: Rule): string {
  const of = family === undefined ? [] : [`meta nfproto ipv${family}`];
  const memory = remembered === true ? `ct mark set ct mark | ${FLOW} ` : "";
  const word = verdict === "redirect" ? `counter redirect to :${redirect.port}` : `${memory}${WORD[verdict]}`;
  return matches(redirect.gateway, when).reduce(
    (text, match) => `${text}\t\t${[...of, ...match, word].join(" ")}\n`,
    `\t\t# ${why}\n`,
  );
}

/** Each is a line; several mean "or". */
function matches(gateway: GatewayMark, when: When): string[][] {
  if (when.error === true) {
    const known = "ct state related";
    return [
      [`icmp type { destination-unreachable, time-exceeded, parameter-problem } ${known}`],
      [`icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } ${known}`],
    ];
  }
  if (when.neighbours === true) {
    const solicited = "nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert";
    return [[`icmpv6 type { ${solicited}, mld-listener-report, mld-listener-done, mld2-listener-report }`]];
  }
  if (when.within === true) return [['oifname "lo" fib daddr type local'], ["ct status dnat fib daddr type local"]];
  const words: string[] = [];
  if (when.gateway === true) words.push(...owner(gateway));
  if (when.own === true) words.push("fib daddr type local");
  if (when.stray === true) words.push('oifname != "lo" fib daddr type local');
  if (when.foreign === true) words.push("ct direction original fib saddr type != local");
  if (when.answer === true) words.push("ct direction reply");
  if (when.last === true) words.push(`ct mark & ${FLOW} == ${FLOW} ct state established ${NOT_SYN}`);
  if (when.untracked === true) words.push('iifname != "lo" ct state new');
  if (when.to !== undefined) words.push(`${when.to.ip.family === 4 ? "ip" : "ip6"} daddr ${network(when.to)}`);
  const { protocol, ports, from } = when;
  if (protocol !== undefined) {
    if (ports === undefined && from === undefined) words.push(`meta l4proto ${protocol}`);
    if (from !== undefined) words.push(`${protocol} sport ${set(from)}`);
    if (ports !== undefined) words.push(`${protocol} dport ${set(ports)}`);
    if (when.untracked === true && protocol === "tcp") words.push(NOT_SYN);
  }
  return [words];
}

function owner({ uid, gid, mark }: GatewayMark): string[] {
  return [
    ...(uid === null ? [] : [`meta skuid ${uid}`]),
    ...(gid === null ? [] : [`meta skgid ${gid}`]),
    ...(mark === null ? [] : [`meta mark 0x${mark.toString(16)}`]),
  ];
}

function network({ ip, prefix, text }: NonNullable<When["to"]>): string {
  return prefix === ip.bytes.length * 8 ? formatIp(ip) : text;
}

function set(ports: readonly PortRange[]): string {
  const words = ports.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
  return words.length === 1 ? (words[0] ?? "") : `{ ${words.join(", ")} }`;
}
