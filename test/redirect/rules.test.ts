import { describe, expect, test } from "bun:test";
import { iptablesRemoval, iptablesScript, NOTHING, presentIn } from "../../src/redirect/iptables.ts";
import { NFT_REMOVE, nftScript } from "../../src/redirect/nft.ts";
import { type Redirect, rulesOf } from "../../src/redirect/redirect.ts";
import { parseCidr } from "../../src/wire/ip.ts";

const cidr = (text: string) => parseCidr(text) ?? expect.unreachable(text);
const PLAIN: Redirect = {
  gateway: { uid: 900, gid: null, mark: null },
  port: 3128,
  ports: [{ from: 80, to: 80 }],
  allTcp: false,
  waysOut: [],
  resolvers: [cidr("10.0.0.53")],
  ipv6: "redirect",
};
const four = (redirect: Redirect, present = NOTHING) =>
  iptablesScript(redirect, { family: 4, present, highestUid: 65_535 });
const six = (redirect: Redirect, present = NOTHING) =>
  iptablesScript(redirect, { family: 6, present, highestUid: 65_535 });
/** What a script does, without the reasons. */
const bare = (script: string) => script.split("\n").filter((line) => !line.trim().startsWith("#"));

describe("rulesOf", () => {
  test("TCP that is chosen is redirected or reset, never passed, whatever else is asked for", () => {
    for (const allTcp of [false, true]) {
      for (const ipv6 of ["redirect", "drop"] as const) {
        const { nat, output } = rulesOf({ ...PLAIN, allTcp, ipv6 });
        expect(nat.at(-1)?.verdict).toBe("redirect");
        const passes = output.findIndex(
          ({ when, verdict }) => verdict === "pass" && when.protocol === "tcp" && when.to === undefined,
        );
        const resets = output.findIndex(({ when, verdict }) => verdict === "reset" && when === nat.at(-1)?.when);
        expect(resets).toBeGreaterThan(-1);
        expect(passes === -1 || passes > resets).toBe(true);
        expect(passes === -1).toBe(allTcp);
        expect(output.at(-1)).toMatchObject({ when: {}, verdict: "drop" });
      }
    }
  });

  test("every way out is declared to nat and to the filter alike", () => {
    const { nat, output } = rulesOf({ ...PLAIN, waysOut: [{ to: cidr("10.0.0.0/8"), ports: [] }] });
    const told = (rules: typeof nat) =>
      rules.filter(({ when }) => when.to !== undefined).map(({ when }) => `${when.to?.text} ${when.protocol}`);
    expect(told(nat)).toEqual(["10.0.0.0/8 tcp", "10.0.0.53/32 tcp"]);
    expect(told(output)).toEqual(["10.0.0.0/8 tcp", "10.0.0.0/8 udp", "10.0.0.53/32 tcp", "10.0.0.53/32 udp"]);
  });
});

describe("nftScript", () => {
  test("is one transaction, in which the old table goes first", () => {
    expect(nftScript(PLAIN)).toStartWith(`${NFT_REMOVE}table inet sallyport {\n`);
  });

  test("puts everything that has a process behind the question", () => {
    const lines = bare(nftScript(PLAIN)).map((line) => line.trim());
    const at = lines.indexOf("meta skuid 0-4294967295 goto processes");
    expect(lines.slice(at - 7, at + 3)).toEqual([
      "type filter hook output priority 0; policy accept;",
      "meta skuid 900 ct mark set ct mark | 0x02000000 accept",
      "meta nfproto ipv6 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
      "ct direction original fib saddr type != local counter drop",
      'oifname "lo" fib daddr type local accept',
      "ct status dnat fib daddr type local accept",
      "ct direction reply accept",
      "meta skuid 0-4294967295 goto processes",
      "ct mark & 0x02000000 == 0x02000000 ct state established tcp flags & (fin | syn | rst | ack) != syn accept",
      "goto processes",
    ]);
  });

  test("what is for this host leaves by loopback alone, asked when nat is over", () => {
    expect(nftScript(PLAIN)).toContain(
      'type filter hook postrouting priority 0; policy accept;\n\t\t# to this host by a wire: from a socket bound to an interface even 127.0.0.1 leaves, and what was redirected\n\t\toifname != "lo" fib daddr type local counter drop\n',
    );
  });

  test("the words of each part", () => {
    const all: Redirect = {
      ...PLAIN,
      gateway: { uid: 900, gid: 901, mark: 0x5a11 },
      port: 8080,
      ports: [PLAIN.ports[0] ?? expect.unreachable(), { from: 8000, to: 8010 }],
      waysOut: [{ to: cidr("fd00::/8"), ports: [{ from: 443, to: 443 }] }],
      ipv6: "drop",
    };
    const script = nftScript(all);
    for (const line of [
      "meta skuid 900 meta skgid 901 meta mark 0x5a11 ct mark set ct mark | 0x02000000 accept",
      "meta skuid 900 meta skgid 901 meta mark 0x5a11 accept",
      "meta nfproto ipv4 tcp dport { 80, 8000-8010 } counter redirect to :8080",
      "ip6 daddr fd00::/8 udp dport 443 accept",
      "ip daddr 10.0.0.53 udp dport 53 accept",
      "meta nfproto ipv6 meta l4proto tcp counter reject with tcp reset",
      "meta l4proto udp counter reject with icmpx port-unreachable",
    ])
      expect(script).toContain(`\t${line}\n`);
  });
});

describe("iptablesScript", () => {
  test("nat last, each table a transaction", () => {
    expect(bare(four(PLAIN))).toEqual([
      "*mangle",
      ":sallyport - [0:0]",
      "-A sallyport ! -o lo -m addrtype --dst-type LOCAL -j DROP",
      "-I POSTROUTING 1 -j sallyport",
      "COMMIT",
      "*filter",
      ":sallyport - [0:0]",
      ":sallyport-in - [0:0]",
      "-A sallyport -m owner --uid-owner 900 -j CONNMARK --set-xmark 0x2000000/0x2000000",
      "-A sallyport -m owner --uid-owner 900 -j RETURN",
      "-A sallyport -m conntrack --ctdir ORIGINAL -m addrtype ! --src-type LOCAL -j DROP",
      "-A sallyport -o lo -m addrtype --dst-type LOCAL -j RETURN",
      "-A sallyport -m conntrack --ctstate DNAT -m addrtype --dst-type LOCAL -j RETURN",
      "-A sallyport -m conntrack --ctdir REPLY -j RETURN",
      "-A sallyport -p tcp -m tcp ! --syn -m connmark --mark 0x2000000/0x2000000 -m conntrack --ctstate ESTABLISHED -m owner ! --uid-owner 0-65535 -j RETURN",
      "-A sallyport -p icmp -m icmp --icmp-type 3 -m conntrack --ctstate RELATED -j RETURN",
      "-A sallyport -p icmp -m icmp --icmp-type 11 -m conntrack --ctstate RELATED -j RETURN",
      "-A sallyport -p icmp -m icmp --icmp-type 12 -m conntrack --ctstate RELATED -j RETURN",
      "-A sallyport -d 10.0.0.53/32 -p tcp -m tcp --dport 53 -j RETURN",
      "-A sallyport -d 10.0.0.53/32 -p udp -m udp --dport 53 -j RETURN",
      "-A sallyport -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset",
      "-A sallyport -p tcp -m tcp --dport 53 -j REJECT --reject-with tcp-reset",
      "-A sallyport -p tcp -m tcp -j RETURN",
      "-A sallyport -p udp -m udp -j REJECT --reject-with icmp-port-unreachable",
      "-A sallyport -j DROP",
      "-A sallyport-in ! -i lo -p udp -m udp --sport 443 -m conntrack --ctstate NEW -j DROP",
      "-A sallyport-in ! -i lo -p tcp -m tcp ! --syn --sport 80 -m conntrack --ctstate NEW -j DROP",
      "-I OUTPUT 1 -j sallyport",
      "-I INPUT 1 -j sallyport-in",
      "COMMIT",
      "*nat",
      ":sallyport - [0:0]",
      "-A sallyport -m owner --uid-owner 900 -j RETURN",
      "-A sallyport -m addrtype --dst-type LOCAL -j RETURN",
      "-A sallyport -d 10.0.0.53/32 -p tcp -m tcp --dport 53 -j RETURN",
      "-A sallyport -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128",
      "-I OUTPUT 1 -j sallyport",
      "COMMIT",
      "",
    ]);
  });

  test("IPv6 that is dropped needs no nat, and loses the one it had", () => {
    const dropped = { ...PLAIN, ipv6: "drop" } as const;
    expect(six(dropped)).not.toContain("*nat");
    expect(six(dropped)).toContain("-A sallyport -p tcp -m tcp -j REJECT --reject-with tcp-reset\n");
    expect(six(dropped, { filter: 1, filterIn: 1, nat: 1, leaving: 1 })).toEndWith(
      "*nat\n-D OUTPUT -j sallyport\n-F sallyport\n-X sallyport\nCOMMIT\n",
    );
    expect(six(PLAIN)).toContain("REDIRECT");
    expect(six(PLAIN)).not.toContain("10.0.0.53");
  });

  test("jumps that are there are replaced by one in the same transaction", () => {
    const again = bare(four(PLAIN, { filter: 2, filterIn: 0, nat: 1, leaving: 1 }));
    expect(again.filter((line) => /^-[DI]/.test(line))).toEqual([
      "-D POSTROUTING -j sallyport",
      "-I POSTROUTING 1 -j sallyport",
      "-D OUTPUT -j sallyport",
      "-D OUTPUT -j sallyport",
      "-I OUTPUT 1 -j sallyport",
      "-I INPUT 1 -j sallyport-in",
      "-D OUTPUT -j sallyport",
      "-I OUTPUT 1 -j sallyport",
    ]);
  });
});

describe("presentIn", () => {
  const saved = `*filter
:OUTPUT ACCEPT [0:0]
:sallyport - [0:0]
:sallyports - [0:0]
-A OUTPUT -j sallyport
-A OUTPUT -j sallyports
-A OUTPUT -p tcp -j sallyport-not
-A OUTPUT -j sallyport
COMMIT
*nat
:sallyport - [0:0]
COMMIT
*mangle
:sallyport - [0:0]
-A POSTROUTING -j sallyport
COMMIT
`;

  test("counts jumps to our chains by table, and no neighbours", () => {
    expect(presentIn(saved)).toEqual({ filter: 2, filterIn: null, nat: 0, leaving: 1 });
    expect(presentIn("")).toEqual(NOTHING);
  });

  test("iptablesRemoval takes exactly those away", () => {
    expect(iptablesRemoval(NOTHING)).toBeNull();
    expect(iptablesRemoval(presentIn(saved))).toBe(
      "*nat\n-F sallyport\n-X sallyport\nCOMMIT\n*filter\n-D OUTPUT -j sallyport\n-D OUTPUT -j sallyport\n-F sallyport\n-X sallyport\nCOMMIT\n*mangle\n-D POSTROUTING -j sallyport\n-F sallyport\n-X sallyport\nCOMMIT\n",
    );
  });
});
