/**
 * The rules as input of iptables-restore(8) and ip6tables-restore(8), with --noflush. A COMMIT is one transaction of one
 * table, and nat comes last: in between nothing passes that the rules would not let pass. Other chains are left
 * alone, but for the jumps to ours.
 */
import type { GatewayMark, PortRange, Redirect, Rule, Verdict, When } from "./redirect.ts";
import { FLOW_MARK, rulesOf } from "./redirect.ts";

/** Name of the chain in the tables mangle, nat and filter, and of the one for what arrives. */
const CHAIN = "sallyport";
const CHAIN_IN = "sallyport-in";

const FLOW = `0x${FLOW_MARK.toString(16)}/0x${FLOW_MARK.toString(16)}`;

interface Place {
  readonly table: "filter" | "nat" | "mangle";
  readonly hook: "OUTPUT" | "INPUT" | "POSTROUTING";
  readonly chain: string;
}

const FILTER: Place = { table: "filter", hook: "OUTPUT", chain: CHAIN };
const FILTER_IN: Place = { table: "filter", hook: "INPUT", chain: CHAIN_IN };
const NAT: Place = { table: "nat", hook: "OUTPUT", chain: CHAIN };
/** Of the tables that may drop the one that is asked behind nat. */
const LEAVING: Place = { table: "mangle", hook: "POSTROUTING", chain: CHAIN };

/** What of ours is there: how many jumps lead to each chain, null where there is no such chain. */
export interface Present {
  readonly filter: number | null;
  readonly filterIn: number | null;
  readonly nat: number | null;
  readonly leaving: number | null;
}

export const NOTHING: Present = { filter: null, filterIn: null, nat: null, leaving: null };

/** `saved`: what iptables-save prints of all tables. */
export function presentIn(saved: string): Present {
  let table = "";
  const found = new Map<string, number>();
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const chain = /^:(\S+) /.exec(line)?.[1];
    if (chain === CHAIN || chain === CHAIN_IN) found.set(`${table} ${chain}`, 0);
    const jump = /^-A (?:OUTPUT|INPUT|POSTROUTING) -j (\S+)$/.exec(line.trim())?.[1];
    if (jump === CHAIN || jump === CHAIN_IN) found.set(`${table} ${jump}`, (found.get(`${table} ${jump}`) ?? 0) + 1);
  }
  const count = ({ table: of, chain }: Place): number | null => found.get(`${of} ${chain}`) ?? null;
  return { filter: count(FILTER), filterIn: count(FILTER_IN), nat: count(NAT), leaving: count(LEAVING) };
}

export interface IptablesTarget {
  readonly family: 4 | 6;
  readonly present: Present;
  /** The highest uid that this user namespace knows; xt_owner refuses others. */
  readonly highestUid: number;
}

export function iptablesScript(redirect: Redirect, target: IptablesTarget): string {
  const { nat, output, input, leaving } = rulesOf(redirect);
  const { family, present } = target;
  const chain = (name: string, rules: readonly Rule[]): string =>
    rules.flatMap((rule) => linesOf(redirect, rule, { ...target, chain: name })).join("");
  const before = [
    `*mangle\n:${CHAIN} - [0:0]\n`,
    chain(CHAIN, leaving),
    hooked(LEAVING, present.leaving),
    "COMMIT\n",
    `*filter\n:${CHAIN} - [0:0]\n:${CHAIN_IN} - [0:0]\n`,
    chain(CHAIN, output),
    chain(CHAIN_IN, input),
    hooked(FILTER, present.filter),
    hooked(FILTER_IN, present.filterIn),
    "COMMIT\n",
  ];
  if (family === 6 && redirect.ipv6 === "drop") return before.join("") + away("nat", gone(NAT, present.nat));
  return [...before, `*nat\n:${CHAIN} - [0:0]\n`, chain(CHAIN, nat), hooked(NAT, present.nat), "COMMIT\n"].join("");
}

/** Takes exactly ours away; null when there is nothing of ours. */
export function iptablesRemoval({ filter, filterIn, nat, leaving }: Present): string | null {
  const text = [
    away("nat", gone(NAT, nat)),
    away("filter", gone(FILTER, filter) + gone(FILTER_IN, filterIn)),
    away("mangle", gone(LEAVING, leaving)),
  ].join("");
  return text === "" ? null : text;
}

function away(table: Place["table"], lines: string): string {
  return lines === "" ? "" : `*${table}\n${lines}COMMIT\n`;
}

/** First of its hook, once, wherever and however often it stood before. */
function hooked({ hook, chain }: Place, jumps: number | null): string {
  return `${`-D ${hook} -j ${chain}\n`.repeat(jumps ?? 0)}-I ${hook} 1 -j ${chain}\n`;
}

function gone({ hook, chain }: Place, jumps: number | null): string {
  if (jumps === null) return "";
  return `${`-D ${hook} -j ${chain}\n`.repeat(jumps)}-F ${chain}\n-X ${chain}\n`;
}

interface Writing extends IptablesTarget {
  readonly chain: string;
}

function linesOf(redirect: Redirect, { why, family, when, verdict, remembered }: Rule, writing: Writing): string[] {
  if (family !== undefined && family !== writing.family) return [];
  if (when.to !== undefined && when.to.ip.family !== writing.family) return [];
  const words = [
    ...(remembered === true ? [`CONNMARK --set-xmark ${FLOW}`] : []),
    target(redirect, verdict, writing.family),
  ];
  const rules = matches(redirect.gateway, when, writing).flatMap((match) =>
    words.map((word) => `-A ${writing.chain} ${match === "" ? "" : `${match} `}-j ${word}\n`),
  );
  return [`# ${why}\n`, ...rules];
}

/** RETURN and not ACCEPT: other rules of the host are asked, too. */
function target(redirect: Redirect, verdict: Verdict, family: 4 | 6): string {
  switch (verdict) {
    case "pass":
      return "RETURN";
    case "redirect":
      return `REDIRECT --to-ports ${redirect.port}`;
    case "reset":
      return "REJECT --reject-with tcp-reset";
    case "refuse":
      return `REJECT --reject-with ${family === 4 ? "icmp-port-unreachable" : "icmp6-port-unreachable"}`;
    case "drop":
      return "DROP";
  }
}

/** Each is a line; several mean "or". */
function matches(gateway: GatewayMark, when: When, { family, highestUid }: Writing): string[] {
  if (when.error === true)
    return icmp(family, family === 4 ? [3, 11, 12] : [1, 2, 3, 4]).map(
      (one) => `${one} -m conntrack --ctstate RELATED`,
    );
  if (when.neighbours === true) return icmp(family, [131, 132, 133, 135, 136, 143]);
  if (when.within === true)
    return ["-o lo", "-m conntrack --ctstate DNAT"].map((how) => `${how} -m addrtype --dst-type LOCAL`);
  const { protocol, to, ports, from } = when;
  const words: string[] = [];
  if (when.gateway === true) words.push(owner(gateway));
  if (when.own === true) words.push("-m addrtype --dst-type LOCAL");
  if (when.stray === true) words.push("! -o lo -m addrtype --dst-type LOCAL");
  if (when.foreign === true) words.push("-m conntrack --ctdir ORIGINAL -m addrtype ! --src-type LOCAL");
  if (when.answer === true) words.push("-m conntrack --ctdir REPLY");
  // Negated it holds for a packet without a process, and for no other.
  if (when.last === true)
    words.push(
      `-p tcp -m tcp ! --syn -m connmark --mark ${FLOW} -m conntrack --ctstate ESTABLISHED -m owner ! --uid-owner 0-${highestUid}`,
    );
  if (when.untracked === true) words.push("! -i lo");
  if (to !== undefined) words.push(`-d ${to.text}`);
  if (protocol !== undefined) words.push(`-p ${protocol} -m ${protocol}`);
  if (when.untracked === true && protocol === "tcp") words.push("! --syn");
  const tail = when.untracked === true ? " -m conntrack --ctstate NEW" : "";
  // One line a range: the multiport match takes fifteen, and is one module more.
  const ends = ports !== undefined ? each("--dport", ports) : from !== undefined ? each("--sport", from) : [""];
  return ends.map((end) => `${[...words, end].filter((word) => word !== "").join(" ")}${tail}`);
}

function icmp(family: 4 | 6, types: readonly number[]): string[] {
  const match = family === 4 ? "-p icmp -m icmp --icmp-type" : "-p icmpv6 -m icmp6 --icmpv6-type";
  return types.map((type) => `${match} ${type}`);
}

function owner({ uid, gid, mark }: GatewayMark): string {
  const who = `${uid === null ? "" : ` --uid-owner ${uid}`}${gid === null ? "" : ` --gid-owner ${gid}`}`;
  const marked = mark === null ? "" : `-m mark --mark 0x${mark.toString(16)}`;
  return [who === "" ? "" : `-m owner${who}`, marked].filter((word) => word !== "").join(" ");
}

function each(option: string, ports: readonly PortRange[]): string[] {
  return ports.map(({ from, to }) => `${option} ${from === to ? from : `${from}:${to}`}`);
}
