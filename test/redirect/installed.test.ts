import { describe, expect, test } from "bun:test";
import { installedInIptables, installedInNft } from "../../src/redirect/installed.ts";
import { iptablesScript, NOTHING } from "../../src/redirect/iptables.ts";
import { nftScript } from "../../src/redirect/nft.ts";
import { readWayOut } from "../../src/redirect/read.ts";
import type { Redirect } from "../../src/redirect/redirect.ts";

const way = (text: string) => {
  const read = readWayOut(text);
  if (typeof read === "string") throw new Error(read);
  return read;
};
const REDIRECT: Redirect = {
  gateway: { uid: 900, gid: 901, mark: 0x5a11 },
  port: 3128,
  ports: [
    { from: 80, to: 80 },
    { from: 443, to: 443 },
    { from: 8000, to: 8010 },
  ],
  allTcp: false,
  waysOut: ["10.96.0.1:443,6443", "[fd00::/8]:443", "10.1.0.0/16", "10.0.0.53:53", "[fd00::53]:53"].map(way),
  resolvers: [],
  ipv6: "redirect",
};
const KINDS: readonly Redirect[] = [
  REDIRECT,
  { ...REDIRECT, ipv6: "drop" },
  { ...REDIRECT, allTcp: true, ports: [] },
  { ...REDIRECT, waysOut: [], gateway: { uid: null, gid: 7, mark: null } },
];

/** As iptables-save prints what …-restore was given, with the chains that are always there. */
function saved(redirect: Redirect, family: 4 | 6): string {
  return iptablesScript(redirect, { family, present: NOTHING, highestUid: 65_535 })
    .replace(/^#.*\n/gm, "")
    .replaceAll("*filter\n", "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n")
    .replaceAll("*nat\n", "*nat\n:OUTPUT ACCEPT [0:0]\n")
    .replace(/^-I (\w+) 1 /gm, "-A $1 ")
    .replaceAll("! --syn", "! --tcp-flags FIN,SYN,RST,ACK SYN")
    .replaceAll("-p icmpv6", "-p ipv6-icmp")
    .replace(/^-A sallyport(\S*) (-p \w+ -m \w+) (.*)-d (\S+)/gm, "-A sallyport$1 -d $4 $2 $3");
}
const iptables = (redirect: Redirect) => installedInIptables(saved(redirect, 4), saved(redirect, 6));

/** What nft 1.0.6 lists of REDIRECT, where it differs from what it was given. */
const LISTED = nftScript(REDIRECT)
  .replace(/^.*\n.*\n/, "")
  .replace(/^\s*#.*\n/gm, "")
  .replaceAll("counter ", "counter packets 12 bytes 720 ")
  .replaceAll("mark 0x5a11", "mark 0x00005a11")
  .replaceAll("ct mark | 0x02000000", "ct mark or 0x2000000")
  .replaceAll("tcp flags & (fin | syn | rst | ack) != syn", "tcp flags != syn / fin,syn,rst,ack")
  .replaceAll("reject with icmpx port-unreachable", "reject")
  .replaceAll("meta nfproto ipv6 icmpv6", "icmpv6")
  .replaceAll("filter hook output priority 0", "filter hook output priority filter");

describe("nft", () => {
  test("without any one of the rules something is missing", () => {
    for (const redirect of KINDS) {
      const lines = nftScript(redirect).split("\n");
      const rules = lines.flatMap((line, at) => (/^\t\t[^#]/.test(line) ? [at] : []));
      expect(rules.length).toBeGreaterThan(10);
      for (const gone of rules) {
        const { problems } = installedInNft(lines.filter((_, at) => at !== gone).join("\n"));
        // A way out that is not declared to nat alone is no way out; told all the same.
        expect(`${lines[gone]}: ${problems.length > 0}`).toBe(`${lines[gone]}: true`);
      }
    }
  });

  test("what was put in by somebody else, or stands in another place, is told", () => {
    const more = (rule: string, where = "chain processes {\n") => {
      return installedInNft(LISTED.replace(where, `${where}\t\t${rule}\n`)).problems;
    };
    expect(more("meta skuid 0 accept")).toEqual(["processes has: skuid 0 pass"]);
    expect(more("accept", "policy accept;\n")).toContain("nat has: pass");
    expect(more("udp dport 443 accept")).toEqual(["processes has: udp dport 443 pass"]);
    expect(more("ip daddr 0.0.0.0/0 tcp dport 443 accept")).toEqual([
      "processes has: daddr 0.0.0.0/0 tcp dport 443 pass",
    ]);
    const early = LISTED.replace("\t\tmeta l4proto udp counter packets 12 bytes 720 reject\n", "").replace(
      "chain processes {\n",
      "chain processes {\n\t\tmeta l4proto udp counter packets 12 bytes 720 reject\n",
    );
    expect(installedInNft(early).problems).toEqual(["the rules of processes stand in another order, or twice"]);
    const forgetful = LISTED.replace("ct mark & 0x02000000 == 0x02000000 ", "");
    expect(installedInNft(forgetful).problems).toContain(
      "output lacks: the kernel's last words on connections that the gateway closed",
    );
    expect(installedInNft(LISTED.replace("ct mark or 0x2000000", "ct mark or 0x4000000")).problems).not.toEqual([]);
    expect(installedInNft(LISTED.replace("redirect to :3128", "redirect to :9")).redirect?.port).toBe(9);
    const dropped = installedInNft(
      LISTED.replace("hook input priority 0; policy accept", "hook input priority 0; policy drop"),
    );
    expect(dropped.problems).toContain("input lacks: the hook into the kernel");
    expect(installedInNft("table inet sallyport {\n}\n")).toEqual({
      redirect: null,
      problems: ["the rule that redirects, or the one of the gateway, is missing"],
    });
  });

  test("a rule that is narrower than ours is not taken for it", () => {
    const narrow = LISTED.replace("meta l4proto udp counter", 'oifname "eth0" meta l4proto udp counter');
    expect(installedInNft(narrow).problems).toEqual([
      "processes lacks: QUIC and all other UDP",
      'processes has: oifname "eth0" l4proto udp refuse',
    ]);
  });

  test("what install makes is complete, as it is given and as it is listed", () => {
    for (const redirect of KINDS) expect(installedInNft(nftScript(redirect))).toEqual({ redirect, problems: [] });
    expect(installedInNft(LISTED)).toEqual({ redirect: REDIRECT, problems: [] });
  });

  test("neighbours among ports that a version lists as one range are the same", () => {
    const ports = [80, 81, 443].map((port) => ({ from: port, to: port }));
    const listed = nftScript({ ...REDIRECT, ports }).replaceAll("{ 80, 81, 443 }", "{ 80-81, 443 }");
    expect(installedInNft(listed).problems).toEqual([]);
  });
});

describe("iptables", () => {
  test("without any one of the rules of either family something is missing", () => {
    for (const redirect of KINDS) {
      for (const family of [4, 6] as const) {
        const [lines, other] = [saved(redirect, family).split("\n"), saved(redirect, family === 4 ? 6 : 4)];
        for (const [gone, line] of lines.entries()) {
          // One of several ports that are redirected: the rest is complete, and says which ports they are.
          if (!line.startsWith("-A ")) continue;
          const text = lines.filter((_, at) => at !== gone).join("\n");
          const found = family === 4 ? installedInIptables(text, other) : installedInIptables(other, text);
          expect(`${line}: ${found === null || found.problems.length > 0}`).toBe(`${line}: true`);
        }
      }
    }
  });

  test("rules of one family alone leave the other open", () => {
    const none = "*filter\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
    expect(installedInIptables(saved(REDIRECT, 4), none)?.problems).toEqual([
      "the rules stand for IPv4 only: IPv6 is open",
    ]);
    expect(installedInIptables(none, saved(REDIRECT, 6))?.problems).toEqual([
      "the rules stand for IPv6 only: IPv4 is open",
    ]);
    expect(installedInIptables(none, none)).toBeNull();
    expect(installedInIptables(saved({ ...REDIRECT, waysOut: [] }, 4), null)?.problems).toEqual([]);
  });

  test("rules that stand before ours are told, and that nothing leads to ours", () => {
    const before = saved(REDIRECT, 4).replace(
      "-A OUTPUT -j sallyport\n",
      "-A OUTPUT -j ACCEPT\n-A OUTPUT -j sallyport\n",
    );
    expect(installedInIptables(before, saved(REDIRECT, 6))?.problems).toEqual([
      "IPv4: other rules stand before ours in OUTPUT of filter",
    ]);
    const without = saved(REDIRECT, 6).replaceAll("-A OUTPUT -j sallyport\n", "");
    expect(installedInIptables(saved(REDIRECT, 4), without)?.problems).toEqual([
      "IPv6: nothing leads from OUTPUT of filter to ours",
      "IPv6: nothing leads from OUTPUT of nat to ours",
    ]);
  });

  test("what install makes is complete", () => {
    for (const redirect of KINDS) {
      const found = iptables(redirect);
      expect(found?.problems).toEqual([]);
      const { waysOut: _, ...rest } = redirect;
      expect(found?.redirect).toMatchObject(rest);
    }
  });
});

test("a listing of anything, of any length, is read in bounded time and answers", () => {
  for (const text of [
    "",
    "\n".repeat(100_000),
    `${"{ ".repeat(50_000)}`,
    `chain nat {\n${"tcp dport { 1, ".repeat(20_000)}`,
    "-A sallyport ! ! ! -m",
  ]) {
    expect(installedInNft(text).redirect).toBeNull();
    installedInIptables(`:sallyport - [0:0]\n${text}`, text);
  }
});
