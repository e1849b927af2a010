/** `sallyport redirect` in a network namespace, against real sockets on the other side of a wire. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { APP, type Attempt, FAR4, FAR6, GATEWAY, missing, Namespaces, PORT, RESOLVER } from "./_namespaces.ts";

const LIMIT = 120_000;
const spaces = new Namespaces();
const folder = mkdtempSync(join(tmpdir(), "sallyport-redirect-"));
beforeAll(async () => {
  if (missing === null) await spaces.start();
}, LIMIT);
afterAll(() => {
  if (missing === null) spaces.close();
  rmSync(folder, { recursive: true });
});

/** A PATH with nothing but these programs, under these names. */
function path(name: string, programs: readonly (readonly [string, string])[]): string {
  const place = join(folder, name);
  mkdirSync(place);
  for (const [as, program] of [["ip", "ip"] as const, ...programs]) {
    const found = Bun.which(program);
    if (found !== null) symlinkSync(found, join(place, as));
  }
  return place;
}

const IPTABLES = ["iptables-restore", "iptables-save", "ip6tables-restore", "ip6tables-save"];
const legacy = path(
  "legacy",
  IPTABLES.map((name) => [name, name.replace("tables-", "tables-legacy-")] as const),
);
const BACK_ENDS = [
  { name: "nft", flags: ["--backend", "nft"], env: {}, lacks: tool("nft") },
  { name: "iptables (nf_tables)", flags: ["--backend", "iptables"], env: {}, lacks: tool("iptables-nft-restore") },
  {
    name: "iptables (legacy)",
    flags: ["--backend", "iptables"],
    env: { PATH: legacy },
    lacks: tool("iptables-legacy-restore"),
  },
] as const;
const WHO = ["--uid", String(GATEWAY), "--dns", RESOLVER] as const;

const OUT: readonly Attempt[] = [FAR4, FAR6].flatMap((host): Attempt[] => [
  ["tcp", host, 80],
  ["tcp", host, 443],
  ["tcp", host, 8443],
  ["tcp", host, 53],
  ["udp", host, 443],
  ["udp", host, 53],
  ["udp", host, 9999],
  ["ping", host, 0],
  ["sctp", host, 0],
]);
const REFUSED = "ECONNREFUSED";
const NO = "EPERM";
/** Of APP, for which raw sockets are not to be had anyway; root's are tried apart. */
const REST = [NO, NO, NO, NO, NO];

for (const { name, flags, env, lacks } of BACK_ENDS) {
  const skip = missing ?? lacks;
  const install = async (...args: string[]) => {
    const { code, stderr } = await spaces.redirect(["install", ...WHO, ...flags, ...args], env);
    expect(`${code} ${stderr}`).toStartWith("0 ");
    await spaces.crossed();
  };
  describe(name, () => {
    testUnless(
      skip,
      `${name}: both families are redirected, and what cannot be is stopped`,
      async () => {
        await install("--ipv6", "redirect");
        const each = ["gateway", "gateway", "far", REFUSED, ...REST];
        expect(await spaces.attempts(APP, OUT)).toEqual([...each, ...each]);
        expect(new Set(await spaces.crossed())).toEqual(new Set([`6 ${FAR4} 8443`, `6 ${FAR6} 8443`]));
        // Root may have raw sockets, and they are of no use.
        expect(await spaces.attempts(0, OUT)).toEqual([...each, ...each]);
        expect(new Set(await spaces.crossed())).toEqual(new Set([`6 ${FAR4} 8443`, `6 ${FAR6} 8443`]));
      },
      LIMIT,
    );

    testUnless(
      skip,
      `${name}: the gateway gets out`,
      async () => {
        await install("--ipv6", "redirect", "--all-tcp");
        const got = await spaces.attempts(
          GATEWAY,
          OUT.filter(([kind]) => kind === "tcp" || kind === "udp"),
        );
        expect(new Set(got)).toEqual(new Set(["far"]));
        // The kernel sends the most of it when the socket has no process any more.
        expect(await spaces.poured(FAR4, 3_000_000)).toBe(3_000_000);
        expect(await spaces.poured(FAR6, 3_000_000)).toBe(3_000_000);
      },
      LIMIT,
    );

    testUnless(
      skip,
      `${name}: the resolver is asked, by UDP and by TCP, and nobody else`,
      async () => {
        await install("--ipv6", "redirect");
        const asked: Attempt[] = [
          ["udp", RESOLVER, 53],
          ["tcp", RESOLVER, 53],
          ["udp", RESOLVER, 853],
          ["udp", FAR4, 53],
        ];
        expect(await spaces.attempts(APP, asked)).toEqual(["far", "far", NO, NO]);
      },
      LIMIT,
    );

    testUnless(
      skip,
      `${name}: this host's own services, and who comes from outside, are left alone`,
      async () => {
        await install("--ipv6", "redirect", "--all-tcp");
        const own: Attempt[] = ["127.0.0.1", "10.77.0.2", "::1", "fd77::2"].flatMap((host): Attempt[] => [
          ["tcp", host, 8000],
          ["udp", host, 8000],
          ["tcp", host, PORT],
        ]);
        expect(await spaces.attempts(APP, own)).toEqual(
          ["127.0.0.1", "10.77.0.2", "::1", "fd77::2"].flatMap(() => ["own", "own", "gateway"]),
        );
        const served: Attempt[] = [
          ["tcp", "10.77.0.2", 8000],
          ["udp", "10.77.0.2", 8000],
          ["tcp", "fd77::2", 8000],
        ];
        expect(await spaces.fromOutside(served)).toEqual(["own", "own", "own"]);
      },
      LIMIT,
    );

    testUnless(
      skip,
      `${name}: --all-tcp, --except, --ipv6 drop, in the place of what was there`,
      async () => {
        await install("--all-tcp", "--except", `${FAR4}:443`, "--ipv6", "drop");
        const six = [REFUSED, REFUSED, REFUSED, REFUSED, ...REST];
        expect(await spaces.attempts(APP, OUT)).toEqual([
          "gateway",
          "far",
          "gateway",
          "gateway",
          "far",
          NO,
          NO,
          NO,
          NO,
          ...six,
        ]);
        expect(new Set(await spaces.crossed())).toEqual(new Set([`6 ${FAR4} 443`, `17 ${FAR4} 443`]));
        await install("--except", `${FAR6}/128`, "--ipv6", "redirect");
        const rest = [NO, NO];
        expect(await spaces.attempts(APP, OUT)).toEqual([
          "gateway",
          "gateway",
          "far",
          REFUSED,
          ...REST,
          "far",
          "far",
          "far",
          "far",
          "far",
          "far",
          "far",
          ...rest,
        ]);
      },
      LIMIT,
    );

    testUnless(
      skip,
      `${name}: a mark, a group, and both together`,
      async () => {
        const http: Attempt[] = [["tcp", FAR4, 80]];
        const marked = async (...args: string[]) => {
          const { code, stderr } = await spaces.redirect(["install", ...args, "--dns", "none", ...flags], env);
          expect(`${code} ${stderr}`).toStartWith("0 ");
        };
        await marked("--mark", "0x5a11");
        expect(await spaces.attempts(0, http, 0x5a11)).toEqual(["far"]);
        expect(await spaces.attempts(0, http, 0x5a12)).toEqual(["gateway"]);
        expect(await spaces.attempts(GATEWAY, http)).toEqual(["gateway"]);
        await marked("--gid", String(GATEWAY));
        expect(await spaces.attempts(GATEWAY, http)).toEqual(["far"]);
        await marked("--gid", String(GATEWAY), "--mark", "0x5a11");
        expect(await spaces.attempts(GATEWAY, http)).toEqual(["gateway"]);
        expect(await spaces.attempts(0, http, 0x5a11)).toEqual(["gateway"]);
      },
      LIMIT,
    );

    testUnless(
      skip,
      `${name}: a connection from before the rules is cut, another is left alone`,
      async () => {
        await spaces.redirect(["remove"]);
        const held = [await spaces.held(FAR4, 80), await spaces.held(FAR6, 443), await spaces.held(FAR4, 8443)];
        expect(held.map(({ first }) => first)).toEqual(["far", "far", "far"]);
        expect(await held[0]?.again()).toBe("far");
        await install("--ipv6", "redirect");
        const after = [await held[0]?.again(), await held[1]?.again(), await held[2]?.again()];
        expect(after).toEqual(["ECONNRESET", "ECONNRESET", "far"]);
      },
      LIMIT,
    );

    testUnless(
      skip ?? tool("nft"),
      `${name}: what an app left to the kernel before the rules stays, though its connection was tracked`,
      async () => {
        await spaces.redirect(["remove"]);
        const tracks = "nft add chain ip tracks out '{ type filter hook output priority 5; }'";
        await spaces.told(["sh", "-c", `nft add table ip tracks; ${tracks}; nft add rule ip tracks out ct state new`]);
        for (const host of [FAR4, FAR6]) await spaces.left(host, 150_000);
        const rung: Attempt[] = [
          ["send", FAR4, 9001],
          ["udp", RESOLVER, 9999],
        ];
        const late = async () => {
          await spaces.crossed();
          expect(await spaces.attempts(GATEWAY, rung)).toEqual(["sent", "far"]);
          return (await spaces.crossed()).filter((line) => line.endsWith(" 9002"));
        };
        // What is taken makes room for more, though the kernel may wait before it says so: no number of rings is enough.
        const more = new Set<string>();
        while (more.size < 2) for (const line of await late()) more.add(line);
        expect([...more].sort()).toEqual([`6 ${FAR4} 9002`, `6 ${FAR6} 9002`].sort());
        const waiting = () => spaces.told(["ss", "-Htn", "state", "fin-wait-1", "dport = :9002"]);
        expect((await waiting()).trim().split("\n")).toHaveLength(2);
        await install("--ipv6", "redirect", "--all-tcp");
        // It ends where the kernel has tried.
        do expect(await late()).toEqual([]);
        while ((await waiting()) !== "");
        await spaces.told(["nft", "delete", "table", "ip", "tracks"]);
      },
      LIMIT,
    );

    testUnless(
      skip,
      `${name}: a link-local address that is this host's is a neighbour's on another interface`,
      async () => {
        const same = (device: string) => ["ip", "address", "replace", "fe80::77/64", "dev", device, "nodad"];
        await spaces.told(same("lo"));
        await spaces.toldOutside(same("wire1"));
        const there: Attempt[] = [
          ["tcp", "fe80::77%wire0", 443],
          ["send", "fe80::77%wire0", 9999],
        ];
        await spaces.redirect(["remove"]);
        expect(await spaces.attempts(APP, there)).toEqual(["far", "sent"]);
        expect(await spaces.crossed()).toContain("17 fe80::77 9999");
        await install("--ipv6", "redirect", "--all-tcp");
        expect(await spaces.attempts(APP, there)).toEqual([REFUSED, NO]);
        expect(await spaces.crossed()).toEqual([]);
      },
      LIMIT,
    );

    testUnless(
      skip,
      `${name}: nothing gets out while the rules are replaced`,
      async () => {
        await install("--ipv6", "redirect");
        const [seen, count] = await spaces.hammered(FAR4, async () => {
          for (const ipv6 of ["drop", "redirect", "redirect", "drop"]) await install("--ipv6", ipv6);
        });
        expect(count).toBeGreaterThan(20);
        expect(seen.filter((who) => who !== "gateway" && who !== REFUSED)).toEqual([]);
      },
      LIMIT,
    );

    testUnless(
      skip,
      `${name}: twice is once, and removed is as before`,
      async () => {
        await spaces.redirect(["remove"]);
        const own = "nft add table ip mine; nft add chain ip mine out '{ type filter hook output priority 5; }'";
        await spaces.told(["sh", "-c", own]);
        const rules = () =>
          spaces.told([
            "sh",
            "-c",
            "nft list ruleset; iptables-legacy-save 2>/dev/null; ip6tables-legacy-save 2>/dev/null",
          ]);
        const plain = (text: string) => text.replace(/packets \d+ bytes \d+|\[\d+:\d+\]|^#.*$/gm, "");
        await install("--ipv6", "redirect");
        const once = plain(await rules());
        await install("--ipv6", "redirect");
        expect(plain(await rules())).toBe(once);
        const { code, stderr } = await spaces.redirect(["remove"]);
        expect(`${code} ${stderr}`).toStartWith("0 sallyport redirect remove: removed from ");
        const left = await rules();
        expect(left).toContain("table ip mine");
        expect(left).not.toContain("sallyport");
        expect(await spaces.attempts(APP, [["tcp", FAR4, 80]])).toEqual(["far"]);
        const again = await spaces.redirect(["remove"]);
        expect(again).toMatchObject({ code: 0, stderr: "sallyport redirect remove: there were no rules of ours\n" });
      },
      LIMIT,
    );
  });
}

for (const { name, flags, env, lacks } of BACK_ENDS) {
  testUnless(
    missing ?? lacks,
    `${name}: a connection from before the rules that nobody tracked is cut, though its other side speaks first`,
    async () => {
      const fresh = new Namespaces();
      try {
        await fresh.start();
        const held = await fresh.held(FAR4, 80);
        const { code } = await fresh.redirect(["install", ...WHO, ...flags], env);
        expect(code).toBe(0);
        // Answered by the same process over the same wire, after it has rung: so that has arrived, too.
        const rung: Attempt[] = [
          ["send", FAR4, 9001],
          ["udp", RESOLVER, 9999],
        ];
        expect(await fresh.attempts(GATEWAY, rung)).toEqual(["sent", "far"]);
        expect(await held.again()).toBe("ECONNRESET");
      } finally {
        fresh.close();
      }
    },
    LIMIT,
  );
}

describe("install", () => {
  testUnless(
    missing ?? tool("nft") ?? tool("iptables-nft-restore"),
    "another back end takes over without leaving the first",
    async () => {
      for (const [backEnd, table] of [
        ["iptables", "-A OUTPUT -j sallyport"],
        ["nft", "table inet sallyport"],
      ] as const) {
        expect((await spaces.redirect(["install", ...WHO, "--backend", backEnd])).code).toBe(0);
        const all = await spaces.told(["sh", "-c", "iptables-save; nft list tables"]);
        expect(
          all
            .split("\n")
            .filter((line) => line === table || line === "table inet sallyport" || line === "-A OUTPUT -j sallyport"),
        ).toEqual(backEnd === "nft" ? [table] : [table, table]);
      }
    },
    LIMIT,
  );

  testUnless(
    missing,
    "what is missing is named, and nothing was done",
    async () => {
      const none = await spaces.withoutTools(["install", ...WHO]);
      expect(none.code).toBe(1);
      expect(none.stderr).toContain("there is no nft and no iptables-restore on the PATH or in /usr/sbin: install");
      for (const verb of [["install", ...WHO], ["remove"]]) {
        const nobody = await spaces.unprivileged(verb);
        expect(nobody.code).toBe(1);
        expect(nobody.stderr).toContain("CAP_NET_ADMIN is needed and not held: run it as root, in a pod give");
      }
    },
    LIMIT,
  );
});

describe("check", () => {
  testUnless(
    missing ?? tool("nft"),
    "finds what is open, and that nothing is",
    async () => {
      await spaces.redirect(["remove"]);
      const check = async (...args: string[]) => {
        const { code, stdout } = await spaces.redirect(["check", ...WHO, "--json", ...args]);
        const { ok, findings } = JSON.parse(stdout) as {
          ok: boolean;
          findings: { way: string; state: string; fix?: string }[];
        };
        expect(code).toBe(ok ? 0 : 1);
        for (const { state, fix } of findings) expect(fix !== undefined).toBe(state === "open");
        return (state: string) => findings.filter((one) => one.state === state).map(({ way }) => way);
      };
      const ways = (host: string, port: number): string[] => [
        `TCP to ${host} port ${port}`,
        `TCP to ${host} port 8443`,
        `TCP to ${host} port 53`,
        `QUIC (UDP port 443) to ${host}`,
        `DNS (UDP port 53) to ${host}`,
        `UDP port 4500 to ${host}`,
      ];
      const inNameOf = (host: string) => `UDP to ${host}, as an answer to what was asked in its name (IPV6_FREEBIND)`;
      const byInterfaces = ["127.0.0.1", "::1"].map((to) => `UDP to ${to} by another interface (SO_BINDTODEVICE)`);
      const nothing = await check("--all-tcp", "--ipv6", "redirect");
      expect(nothing("open")).toEqual([
        ...[...ways(FAR4, 443), ...ways(FAR6, 443)],
        ...[inNameOf(FAR6), ...byInterfaces],
      ]);
      // Each alone, of rules that are complete but for one.
      for (const [rule, named] of [
        ["fib saddr type != local", [inNameOf(FAR6)]],
        ['oifname "lo" fib daddr type local', byInterfaces],
      ] as const) {
        await spaces.redirect(["install", ...WHO, "--all-tcp", "--ipv6", "redirect"]);
        expect(await spaces.without(rule)).toBe(1);
        if (named === byInterfaces) {
          expect(await spaces.without('oifname != "lo" fib daddr type local')).toBe(1);
          const wide = "nft insert rule inet sallyport processes fib daddr type local accept";
          await spaces.told(wide.split(" "));
        }
        expect((await check("--all-tcp", "--ipv6", "redirect"))("open")).toEqual([...named]);
      }
      await spaces.redirect(["install", ...WHO, "--all-tcp", "--ipv6", "redirect"]);
      await spaces.crossed();
      // As Docker and containerd have it: who may ping by a socket without a capability.
      await spaces.told(["sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647"]);
      const all = await check("--all-tcp", "--ipv6", "redirect");
      expect(all("open")).toEqual([]);
      expect(all("untested")).toEqual([]);
      expect(all("declared")).toEqual([`${RESOLVER} port 53`]);
      expect(await spaces.crossed()).toEqual([]);
      const rule = "meta l4proto { icmp, ipv6-icmp } accept";
      await spaces.told(["nft", "insert", "rule", "inet", "sallyport", "processes", ...rule.split(" ")]);
      expect((await check("--all-tcp", "--ipv6", "redirect"))("open")).toEqual(
        [FAR4, FAR6].map((host) => `ICMP echo to ${host}`),
      );
      await spaces.redirect(["install", ...WHO, "--all-tcp", "--ipv6", "redirect"]);
      const root = await check("--all-tcp", "--ipv6", "redirect", "--as", "0");
      expect(root("open")).toEqual(["frames past all rules (AF_PACKET)", `becoming the gateway's user ${GATEWAY}`]);
      const less = await spaces.redirect(["install", ...WHO, "--ports", "443", "--ipv6", "drop"]);
      expect(less.code).toBe(0);
      expect((await check("--ports", "80,443", "--ipv6", "drop"))("open")).toEqual([`TCP to ${FAR4} port 80`]);
      expect((await check("--ports", "443", "--except", "10.0.0.0/8:5432", "--ipv6", "drop"))("declared")).toContain(
        "10.0.0.0/8 port 5432",
      );
    },
    LIMIT,
  );

  testUnless(
    missing,
    "calls the gateway's port held only where somebody listens, and IPv6 open only where it is the gateway's lack",
    async () => {
      // What a server leaves that closed first: a socket in TIME_WAIT, which keeps others from its port.
      const leave = `import socket, sys
for host in sys.argv[2:]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family); server.bind((host, int(sys.argv[1]))); server.listen()
    client = socket.create_connection((host, int(sys.argv[1])))
    conn = server.accept()[0]; conn.close(); client.recv(1); client.close(); server.close()`;
      const port = async (number: number): Promise<string[]> => {
        const args = ["check", ...WHO, "--json", "--all-tcp", "--ipv6", "redirect", "--port", String(number)];
        const { findings } = JSON.parse((await spaces.redirect(args)).stdout) as {
          findings: { way: string; state: string; detail: string }[];
        };
        return findings.flatMap(({ way, state, detail }) =>
          way.startsWith("the gateway's port") ? [`${state} ${detail}`] : [],
        );
      };
      const nobody = "untested nobody listens there: start the gateway first";
      const held = "closed it is held";
      const lack = "open nobody listens there, so that others' IPv6 can be had by any program";
      expect(await port(PORT)).toEqual([held, held]);
      expect(await port(4001)).toEqual([nobody, nobody]);
      await spaces.told(["python3", "-c", leave, "4002", "127.0.0.1", "::1"]);
      expect(await spaces.told(["ss", "-Htan", "state", "time-wait", "sport", "= :4002"])).toContain("127.0.0.1:4002");
      expect(await port(4002)).toEqual([nobody, nobody]);
      await spaces.told(["python3", "-c", leave, "4003", "::1"]);
      await spaces.serve("tcp:127.0.0.1=4003");
      expect(await port(4003)).toEqual([held, lack]);
      // At another address than loopback it takes nothing of what is redirected.
      await spaces.serve("tcp:10.77.0.2=4004");
      expect(await port(4004)).toEqual([nobody, nobody]);
    },
    LIMIT,
  );
});
