/**
 * What stands in the kernel, read back from what the tools list, and held against what would be installed. Two texts are
 * compared in words that every version of a tool lists alike; rules that stand next to each other and do the same may
 * stand in either order.
 */
import { parseCidr } from "../wire/ip.ts";
import { iptablesWords, listedInIptables, openedByOthers } from "./_installed-iptables.ts";
import { nftWords } from "./_installed-nft.ts";
import { iptablesScript, NOTHING } from "./iptables.ts";
import { nftScript } from "./nft.ts";
import { readPort, readPorts } from "./read.ts";
import type { PortRange, Redirect, WayOut } from "./redirect.ts";

export interface Installed {
  /** What they were made of; resolvers are among the ways out, as nobody can tell them apart. Null: not to be told. */
  readonly redirect: Redirect | null;
  /** What is missing, foreign or in the wrong place, for people; bounded. */
  readonly problems: readonly string[];
}

/** One rule: its words in a fixed order, and why it stands there (of rules that are made here). */
export interface Line {
  readonly text: string;
  readonly why: string;
}

/** By the name of the chain, for iptables with its table. */
export type Chains = ReadonlyMap<string, readonly Line[]>;

/** Told of one chain; what is more is not worth reading. */
const MOST_PROBLEMS = 4;
const MOST_WORDS = 120;

/** `listing`: of `nft list table inet sallyport`. */
export function installedInNft(listing: string): Installed {
  const found = nftWords(listing);
  const redirect = recovered([...(found.get("nat") ?? [])]);
  if (redirect === null)
    return { redirect, problems: ["the rule that redirects, or the one of the gateway, is missing"] };
  return { redirect, problems: differences(found, nftWords(nftScript(redirect))) };
}

/** Of `iptables-save` and `ip6tables-save`. `six`: null where the kernel has no IPv6. Null: neither has rules of ours. */
export function installedInIptables(four: string, six: string | null): Installed | null {
  const listed = { four: listedInIptables(four), six: six === null ? null : listedInIptables(six) };
  if (!listed.four && listed.six !== true) return null;
  if (!listed.four) return { redirect: null, problems: ["the rules stand for IPv6 only: IPv4 is open"] };
  const found = iptablesWords(four);
  const found6 = six === null ? null : iptablesWords(six);
  const nat6 = found6?.get("nat sallyport") ?? [];
  const first = recovered(found.get("nat sallyport") ?? []);
  if (first === null)
    return { redirect: null, problems: ["the rule that redirects, or the one of the gateway, is missing"] };
  const declared6 = (nat6.length > 0 ? nat6 : (found6?.get("filter sallyport") ?? [])).flatMap(({ text }) =>
    wayOut(text),
  );
  const redirect: Redirect = {
    ...first,
    waysOut: [...first.waysOut, ...declared6],
    ipv6: found6 === null || nat6.length > 0 ? "redirect" : "drop",
  };
  const problems: string[] = [];
  for (const [family, chains, saved] of [
    [4, found, four],
    [6, found6, six],
  ] as const) {
    if (chains === null || saved === null) continue;
    const name = `IPv${family}`;
    if (family === 6 && listed.six !== true) {
      problems.push("the rules stand for IPv4 only: IPv6 is open");
      continue;
    }
    const wanted = iptablesWords(iptablesScript(redirect, { family, present: NOTHING, highestUid: 0 }));
    problems.push(...differences(chains, wanted).map((problem) => `${name}: ${problem}`));
    problems.push(...openedByOthers(saved, wanted.has("nat sallyport")).map((problem) => `${name}: ${problem}`));
  }
  return { redirect, problems };
}

const GATEWAY = /^(?:skuid (\d+) ?)?(?:skgid (\d+) ?)?(?:mark (\d+) ?)?pass$/;
const REDIRECT = /^(nfproto ipv4 )?(?:l4proto tcp|tcp dport (\S+)) redirect (\d+)$/;

/** Of the rules of nat. Null when the two that everything hangs on are not among them. */
function recovered(nat: readonly Line[]): Redirect | null {
  const owner = nat.map(({ text }) => (text === "pass" ? null : GATEWAY.exec(text))).find((match) => match !== null);
  const sent = nat.map(({ text }) => REDIRECT.exec(text)).filter((match) => match !== null);
  const [last] = sent;
  const port = readPort(last?.[3] ?? "");
  if (owner === undefined || last === undefined || port === null) return null;
  const [, uid, gid, mark] = owner;
  const allTcp = sent.some((match) => match[2] === undefined);
  const ports = allTcp ? [] : portsOf(sent.map((match) => match[2]).join(","));
  if (ports === null) return null;
  return {
    gateway: { uid: number(uid), gid: number(gid), mark: number(mark) },
    port,
    ports,
    allTcp,
    waysOut: nat.flatMap(({ text }) => wayOut(text)),
    resolvers: [],
    ipv6: last[1] === undefined ? "redirect" : "drop",
  };
}

function number(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

function portsOf(text: string): readonly PortRange[] | null {
  const ports = readPorts(text);
  return typeof ports === "string" ? null : ports;
}

/** Each is declared for TCP and for UDP; the one of TCP stands for both. */
function wayOut(text: string): WayOut[] {
  const [, to, port] = /^daddr (\S+) (?:l4proto tcp|tcp dport (\S+)) pass$/.exec(text) ?? [];
  const cidr = to === undefined ? null : parseCidr(to);
  const ports = port === undefined ? [] : portsOf(port);
  return cidr === null || ports === null ? [] : [{ to: cidr, ports }];
}

function differences(found: Chains, wanted: Chains): string[] {
  const problems: string[] = [];
  for (const [chain, rules] of wanted) {
    const there = found.get(chain);
    if (there === undefined) problems.push(`the chain ${chain} is missing`);
    else problems.push(...inChain(chain, there, rules));
  }
  for (const chain of found.keys()) if (!wanted.has(chain)) problems.push(`the chain ${chain} is not ours`);
  return problems.slice(0, MOST_PROBLEMS);
}

function inChain(chain: string, found: readonly Line[], wanted: readonly Line[]): string[] {
  const [there, ours] = [sorted(found), sorted(wanted)];
  if (there.length === ours.length && there.every(({ text }, at) => text === ours[at]?.text)) return [];
  const known = new Set(there.map(({ text }) => text));
  const own = new Set(ours.map(({ text }) => text));
  const missing = ours.filter(({ text }) => !known.has(text)).map(({ why }) => `${chain} lacks: ${why}`);
  const foreign = there
    .filter(({ text }) => !own.has(text))
    .map(({ text }) => `${chain} has: ${text.slice(0, MOST_WORDS)}`);
  const differ = [...new Set([...missing, ...foreign])];
  return differ.length > 0 ? differ : [`the rules of ${chain} stand in another order, or twice`];
}

/** Neighbours that do the same are in the order of their words. */
function sorted(lines: readonly Line[]): Line[] {
  const done: Line[] = [];
  let run: Line[] = [];
  let verdict = "";
  for (const line of lines) {
    const word = line.text.slice(line.text.lastIndexOf(" ") + 1);
    if (word !== verdict) {
      done.push(...run.sort(byText));
      run = [];
      verdict = word;
    }
    run.push(line);
  }
  return [...done, ...run.sort(byText)];
}

function byText(a: Line, b: Line): number {
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}
