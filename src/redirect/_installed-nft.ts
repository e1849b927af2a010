/** Rules of nft(8) in words that do not depend on its version: those it is given, and those it lists. */
import type { Chains, Line } from "./installed.ts";

/** Bounds on a listing that somebody else wrote. */
const MOST_LINES = 4096;
/** None of ours is as long; what is cut is another rule than ours. */
const MOST_CHARS = 4096;

export function nftWords(text: string): Chains {
  const chains = new Map<string, Line[]>();
  let rules: Line[] = [];
  let why = "";
  for (const raw of text.split("\n", MOST_LINES)) {
    const line = raw.slice(0, MOST_CHARS).trim();
    const chain = /^chain (\S+) \{/.exec(line)?.[1];
    if (chain !== undefined) {
      rules = [];
      chains.set(chain, rules);
    } else if (line.startsWith("#")) why = line.slice(1).trim();
    else if (line.startsWith("type ")) rules.push({ text: hook(line), why: "the hook into the kernel" });
    else if (line !== "" && line !== "}" && !/^(?:delete )?table /.test(line)) rules.push({ text: words(line), why });
  }
  return chains;
}

/** A priority has names in some versions; where the chain hangs and what becomes of the rest is what counts. */
function hook(line: string): string {
  const [, type = "", place = ""] = /^type (\w+) hook (\w+) /.exec(line) ?? [];
  const [, policy = "?"] = /policy (\w+);/.exec(line) ?? [];
  return `type ${type} hook ${place} policy ${policy}`;
}

function words(line: string): string {
  return withSet(line)
    .replace(/ ?#.*$/, "")
    .replace(/\bcounter(?: packets \d+ bytes \d+)? ?/, "")
    .replace(/\bmeta (skuid|skgid|mark|nfproto|l4proto)\b/g, "$1")
    .replace(/\btcp flags (?:& ?\([a-z |]+\) != syn|!= syn \/ [a-z,]+)/, "begins-nothing")
    .replace(/\bl4proto tcp (?=begins-nothing)/, "")
    .replace(/\bct mark set ct mark (?:\||or) 0x0*/, "remembered ")
    .replace(/\bct mark (?:&|and) 0x0*([0-9a-f]+) == 0x0*\1\b/, "remembered $1")
    .replace(/\bmark 0x([0-9a-f]+)/, (_, hex: string) => `mark ${Number.parseInt(hex, 16)}`)
    .replace(/^nfproto ipv6 (?=icmpv6 )/, "")
    .replace(/\bip6? daddr /, "daddr ")
    .replace(/\baccept$/, "pass")
    .replace(/\breject with tcp reset$/, "reset")
    .replace(/\breject(?: with icmpx(?: type)? port-unreachable)?$/, "refuse")
    .replace(/\bredirect to :(\d+)$/, "redirect $1")
    .trim();
}

/** The one set of the line as a list. */
function withSet(line: string): string {
  const from = line.indexOf("{ ");
  const to = from === -1 ? -1 : line.indexOf(" }", from);
  if (to === -1) return line;
  return `${line.slice(0, from)}${setOf(line.slice(from + 2, to).split(/, ?/))}${line.slice(to + 2)}`;
}

/** Sorted, and what is next to each other in one, as some versions have it and others not. */
function setOf(items: readonly string[]): string {
  if (!items.every((item) => /^\d+(?:-\d+)?$/.test(item))) return [...items].sort().join(",");
  const ranges = items.map((item) => {
    const [from = 0, to = from] = item.split("-").map(Number);
    return { from, to };
  });
  ranges.sort((a, b) => a.from - b.from);
  const merged: { from: number; to: number }[] = [];
  for (const range of ranges) {
    const before = merged.at(-1);
    if (before !== undefined && range.from <= before.to + 1) before.to = Math.max(before.to, range.to);
    else merged.push(range);
  }
  return merged.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}
