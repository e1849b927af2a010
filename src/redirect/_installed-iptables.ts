/** Rules of iptables in the words of the others: those that are given to …-restore, and those that …-save prints. */
import type { Chains, Line } from "./installed.ts";
import { presentIn } from "./iptables.ts";

const MOST_LINES = 65_536;
/** None of ours is as long; what is cut is another rule than ours. */
const MOST_CHARS = 1024;
const OURS = /^-A (sallyport(?:-in)?) (.*)$/;

/** Whether any chain of ours is there. */
export function listedInIptables(saved: string): boolean {
  return Object.values(presentIn(saved)).some((jumps) => jumps !== null);
}

/** Ours alone, by table and chain. */
export function iptablesWords(text: string): Chains {
  const chains = new Map<string, Line[]>();
  let table = "";
  let why = "";
  for (const line of text.split("\n", MOST_LINES)) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    if (line.startsWith("#")) why = line.slice(1).trim();
    const made = /^:(sallyport(?:-in)?) /.exec(line)?.[1];
    if (made !== undefined && !chains.has(`${table} ${made}`)) chains.set(`${table} ${made}`, []);
    const [, chain, rule] = OURS.exec(line) ?? [];
    if (chain !== undefined && rule !== undefined)
      chains.get(`${table} ${chain}`)?.push({ text: words(rule.slice(0, MOST_CHARS)), why });
  }
  return chains;
}

/** Whether our chains are asked at all, and first. */
export function openedByOthers(saved: string, redirects: boolean): string[] {
  const first = new Map<string, string>();
  let table = "";
  for (const line of saved.split("\n", MOST_LINES)) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const [, hook, rule = ""] = /^-A (INPUT|OUTPUT|POSTROUTING) (.*)$/.exec(line) ?? [];
    const place = `${hook} of ${table}`;
    if (hook !== undefined && !first.has(place)) first.set(place, rule.trim());
  }
  const { filter, filterIn, nat, leaving } = presentIn(saved);
  const jumps = [
    { place: "OUTPUT of filter", count: filter, chain: "sallyport" },
    { place: "INPUT of filter", count: filterIn, chain: "sallyport-in" },
    { place: "POSTROUTING of mangle", count: leaving, chain: "sallyport" },
    ...(redirects ? [{ place: "OUTPUT of nat", count: nat, chain: "sallyport" }] : []),
  ];
  return jumps.flatMap(({ place, count, chain }) => {
    if ((count ?? 0) === 0) return [`nothing leads from ${place} to ours`];
    return first.get(place) === `-j ${chain}` ? [] : [`other rules stand before ours in ${place}`];
  });
}

const VERDICTS: Readonly<Record<string, string>> = { RETURN: "pass", DROP: "drop" };

/** Options with their values, in the order of the others' words; what is unknown stays, and is then a difference. */
function words(rule: string): string {
  const parts = new Map<string, string>();
  const rest: string[] = [];
  const tokens = rule.replaceAll("! --syn", "! --tcp-flags FIN,SYN,RST,ACK SYN").split(/ +/);
  let not = "";
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? "";
    if (token === "!") {
      not = "! ";
      continue;
    }
    if (token === "-m") {
      at++;
      continue;
    }
    let value = "";
    for (; at + 1 < tokens.length && !/^(?:-|!$)/.test(tokens[at + 1] ?? ""); at++) value += ` ${tokens[at + 1]}`;
    const known = KNOWN[token];
    if (known === undefined || not !== "") rest.push(`${not}${token}${value.replace(/ 0-\d+$/, " anybody")}`);
    else parts.set(known, value.trim());
    not = "";
  }
  const verdict = verdictOf(parts);
  const protocol = parts.get("protocol")?.replace("icmpv6", "ipv6-icmp");
  const port = parts.get("dport")?.replace(":", "-");
  const to = parts.get("daddr");
  const mark = parts.get("mark");
  const all = [
    ["skuid", parts.get("skuid")],
    ["skgid", parts.get("skgid")],
    ["mark", mark === undefined || !/^0x[0-9a-f]+$/.test(mark) ? mark : `${Number(mark)}`],
    ["daddr", to === undefined || to.includes("/") ? to : `${to}/${to.includes(":") ? 128 : 32}`],
    port === undefined ? ["l4proto", protocol] : [`${protocol ?? ""} dport`, port],
  ].flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]));
  return [...all, ...rest.sort(), verdict].join(" ");
}

const KNOWN: Readonly<Record<string, string>> = {
  "-p": "protocol",
  "-d": "daddr",
  "-j": "target",
  "--dport": "dport",
  "--uid-owner": "skuid",
  "--gid-owner": "skgid",
  "--mark": "mark",
  "--to-ports": "to",
  "--reject-with": "with",
};

function verdictOf(parts: ReadonlyMap<string, string>): string {
  const target = parts.get("target") ?? "";
  if (target === "REDIRECT") return `redirect ${parts.get("to") ?? "?"}`;
  if (target !== "REJECT") return VERDICTS[target] ?? target;
  const how = parts.get("with") ?? "";
  if (how === "tcp-reset") return "reset";
  return how === "icmp-port-unreachable" || how === "icmp6-port-unreachable" ? "refuse" : how;
}
