/** What doctor says of capabilities and of the rules in the kernel: of hosts that are told, and in network namespaces for real. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { gatewayUser, rights } from "../../src/cli/_doctor-rights.ts";
import { conntrack, ipv6, type Rules, rules, runningGateway, udp } from "../../src/cli/_doctor-rules.ts";
import { nftScript } from "../../src/redirect/nft.ts";
import type { Redirect } from "../../src/redirect/redirect.ts";
import type { Runtime } from "../../src/runtime/contract.ts";
import { testUnless } from "../_skip.ts";
import { missing } from "../e2e/_namespaces.ts";
import { emptyDirectory, MAIN } from "./_program.ts";

const ALL = "000001ffffffffff";
const status = (uid: number, { caps = "0", nnp = 0, gid = uid, parent = 1 } = {}): string =>
  `Name:\tx\nPPid:\t${parent}\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nGid:\t${gid}\t${gid}\t${gid}\t${gid}\nCapEff:\t${caps}\nNoNewPrivs:\t${nnp}\n`;

interface Host {
  readonly platform?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly programs?: readonly string[];
  /** What a program prints; a number: its exit status. */
  readonly says?: (command: string) => string | number;
  readonly listen?: boolean;
}

function host({ platform = "linux", files = {}, programs = [], says = () => 1 }: Host): Runtime {
  const all: Readonly<Record<string, string>> = { "/proc/self/status": status(0, { caps: ALL }), ...files };
  const asked: Partial<Runtime> = {
    platform,
    pid: 77,
    env: { PATH: "/bin" },
    readFile: async (path) => {
      const text = all[path];
      if (text === undefined) throw new Error(`no ${path}`);
      return new TextEncoder().encode(text);
    },
    stat: async (path) => {
      const there = path in all || programs.some((name) => path === `/bin/${name}`);
      return there
        ? {
            size: 0,
            mode: 0o777,
            directory: false,
            regular: true,
            inode: path === "/proc/12/fd/3" ? 555 : 1,
            modified: 0,
          }
        : null;
    },
    list: async (path) => {
      const names = Object.keys(all).flatMap((name) =>
        name.startsWith(`${path}/`) ? [name.slice(path.length + 1).split("/")[0] ?? ""] : [],
      );
      return [...new Set(names)];
    },
    capture: async (command) => {
      const said = says([command[0].slice("/bin/".length), ...command.slice(1)].join(" "));
      return typeof said === "number"
        ? { code: said, stdout: "", stderr: "Operation not supported\nmore\n" }
        : { code: 0, stdout: said, stderr: "" };
    },
  };
  return asked as Runtime;
}

const REDIRECT: Redirect = {
  gateway: { uid: 900, gid: null, mark: null },
  port: 3128,
  ports: [],
  allTcp: true,
  waysOut: [],
  resolvers: [],
  ipv6: "redirect",
};
const CONFIG = { host: "::", port: 3128, transparent: true };
const SEEN: Rules = { findings: [], redirect: REDIRECT, looked: true, whole: true };
const NONE: Rules = { findings: [], redirect: null, looked: true, whole: false };
const withNft = (listing: string): Pick<Host, "programs" | "says"> => ({
  programs: ["nft"],
  says: (command) => (command === "nft list tables" ? "table inet sallyport\n" : listing),
});

describe("capabilities", () => {
  test("elsewhere than on Linux, and without /proc, nothing is claimed", async () => {
    expect((await rights(host({ platform: "darwin" }))).detail).toBe("they are Linux's, and this is darwin");
    expect(await rights(host({ files: { "/proc/self/status": "" } }))).toMatchObject({
      state: "note",
      detail: "cannot be told: /proc is not to be read",
    });
  });

  test("each that is held is named, with what a program would do with the worst", async () => {
    const caps = ((1n << 13n) | (1n << 7n)).toString(16);
    const { state, detail, fix } = await rights(host({ files: { "/proc/self/status": status(7, { caps }) } }));
    expect(state).toBe("note");
    expect(detail).toBe(
      "user 7 has NET_RAW, SETUID: a program with these writes frames that no rule sees, becomes the gateway's user",
    );
    expect(fix).toContain("allowPrivilegeEscalation: false");
  });

  test("without any, no_new_privs is what is left; with it all is well", async () => {
    const of = (nnp: number) => rights(host({ files: { "/proc/self/status": status(7, { nnp }) } }));
    expect(await of(0)).toMatchObject({ state: "note", detail: expect.stringContaining("no_new_privs is off") });
    expect(await of(1)).toEqual({
      state: "ok",
      about: "capabilities",
      detail: "user 7 has none that leads around the gateway",
    });
  });

  test("the gateway that runs is found by its port, and what it has too much is told", async () => {
    const line = "  0: 00000000:0C38 00000000:0000 0A 0:0 0:0 0 900 0 555 1";
    const at = (text: string) =>
      runningGateway(
        host({ files: { "/proc/net/tcp": `head\n${line}\n`, "/proc/12/fd/3": "", "/proc/12/status": text } }),
        CONFIG,
      );
    expect(gatewayUser(await runningGateway(host({}), CONFIG))).toEqual([]);
    expect(gatewayUser(await at(status(0, { caps: ALL })))[0]).toMatchObject({
      state: "note",
      detail: expect.stringMatching(/^the gateway, process 12, is user 0 and group 0 with NET_ADMIN, /),
    });
    expect(gatewayUser(await at(status(900)))[0]).toMatchObject({ state: "ok" });
  });
});

describe("the rules", () => {
  const about = async (given: Host, config: Parameters<typeof rules>[1] = CONFIG) =>
    (await rules(host(given), config, null)).findings;

  test("where nobody can look, why not and what would help", async () => {
    const of = async (given: Host) =>
      (await about(given)).map(({ state, detail, fix }) => `${state} ${detail}; ${fix}`);
    expect(await of({ platform: "darwin" })).toEqual([
      "note kernel rules are Linux's, and this is darwin: clients that ignore the proxy are not caught; let the network leave no other way out",
    ]);
    expect((await of({}))[0]).toStartWith("note there is no nft and no iptables-restore");
    const nft = { programs: ["nft"] };
    expect((await of({ ...nft, files: { "/proc/self/status": status(7) } }))[0]).toStartWith(
      "note nft are here; which rules there are only root is told (CAP_NET_ADMIN)",
    );
    expect((await of({ ...nft, files: { "/proc/self/status": "" } }))[0]).toContain("/proc is not to be read");
    expect((await of(nft))[0]).toStartWith("warn the kernel answers no tool: nft: Operation not supported; load");
    expect((await of({ ...nft, says: () => "" }))[0]).toStartWith("note no rules of sallyport redirect are installed");
  });

  test("rules that are no longer whole, are there twice, or are for another gateway, are warnings", async () => {
    const lacking = nftScript(REDIRECT).replace(/.*l4proto udp.*\n/, "");
    expect(await about(withNft(lacking))).toEqual([
      {
        state: "warn",
        about: "redirect",
        detail: "nft: processes lacks: QUIC and all other UDP",
        fix: "sallyport redirect install, with the options it had",
      },
    ]);
    const whole = withNft(nftScript(REDIRECT));
    const details = async (config: Parameters<typeof rules>[1]) =>
      (await about(whole, config)).map(({ detail }) => detail);
    expect(await details({ ...CONFIG, port: 8080 })).toEqual([
      "the rules send to port 3128, and the gateway listens on 8080",
    ]);
    expect(await details({ ...CONFIG, host: "10.0.0.5" })).toEqual([
      "what is redirected arrives on 127.0.0.1, and the gateway listens on 10.0.0.5 alone",
    ]);
    expect(await details({ ...CONFIG, transparent: false })).toEqual([
      "what is redirected is not served: EVE_PROXY_TRANSPARENT is 0",
    ]);
    expect(await details(CONFIG)).toEqual(["nft: all TCP of everybody but user 900 goes to port 3128"]);
  });

  test("a gateway that the rules do not let pass, and others that they do", async () => {
    const files = {
      "/proc/12/status": status(900),
      "/proc/13/status": status(900, { parent: 12 }),
      "/proc/14/status": status(900, { gid: 5 }),
      "/proc/14/comm": "sh\u001b[2J\n",
      "/proc/15/status": status(1000),
    };
    const runtime = host({ ...withNft(nftScript(REDIRECT)), files });
    const running = (uid: number) => ({
      pid: "12",
      identity: { uid, gid: uid, parent: 1, noNewPrivs: false, has: () => false },
    });
    const stranger = (await rules(runtime, CONFIG, running(1000))).findings;
    expect(stranger[0]).toMatchObject({
      state: "warn",
      detail: expect.stringContaining("is user 1000 and group 1000, and the rules let user 900 pass"),
    });
    expect((await rules(runtime, CONFIG, running(900))).findings.map(({ detail }) => detail)).toEqual([
      "processes that pass because they are user 900, as the gateway is: 14 (sh[2J)",
    ]);
    // No gateway runs: whoever is its user is not it.
    expect((await rules(runtime, CONFIG, null)).findings[0]?.detail).toMatch(/would be: 12 \(\), 13 \(\), 14 /);
  });
});

describe("what goes with the rules", () => {
  const interfaces = (scope: string) => `fd000000000000000000000000000001 02 40 ${scope} 80 eth0\n`;
  const of = (config: Parameters<typeof ipv6>[1], seen: Rules, files: Readonly<Record<string, string>>) =>
    ipv6(host({ files: { "/proc/net/route": "head\n", ...files } }), config, seen);

  test("IPv6 that is open, redirected to nobody, refused, or not there", async () => {
    const six = { "/proc/net/if_inet6": interfaces("00") };
    expect(await of(CONFIG, NONE, six)).toMatchObject({
      state: "note",
      detail: "present, with addresses that reach outside; no rule stops or redirects it",
    });
    expect(await of({ ...CONFIG, host: "0.0.0.0" }, SEEN, six)).toMatchObject({
      state: "warn",
      fix: "EVE_PROXY_HOST=::, or redirect install with --ipv6 drop",
    });
    const bound = { ...six, "/proc/sys/net/ipv6/bindv6only": "1\n" };
    expect(await of(CONFIG, SEEN, bound)).toMatchObject({ state: "warn", fix: "sysctl -w net.ipv6.bindv6only=0" });
    expect((await of(CONFIG, { ...SEEN, whole: false }, six)).detail).toStartWith("perhaps open: ");
    expect(await of(CONFIG, SEEN, six)).toMatchObject({ state: "ok" });
    const dropped = { ...SEEN, redirect: { ...REDIRECT, ipv6: "drop" as const } };
    expect(await of(CONFIG, dropped, six)).toMatchObject({ state: "ok", detail: expect.stringContaining("refused") });
    expect(await of(CONFIG, NONE, {})).toEqual({ state: "ok", about: "IPv6", detail: "this host has none" });
    expect(await ipv6(host({}), CONFIG, NONE)).toMatchObject({
      state: "note",
      detail: expect.stringContaining("/proc"),
    });
  });

  test("UDP is not blocked without rules, and perhaps not with rules that are not whole", async () => {
    const linux = { platform: "linux" };
    expect(udp(linux, NONE)).toMatchObject({ state: "note", detail: "not blocked: HTTP/3 goes around the gateway" });
    expect(udp(linux, { ...NONE, looked: false }).detail).toStartWith("whether it is blocked cannot be told");
    expect(udp(linux, { ...SEEN, whole: false }).state).toBe("warn");
    expect(udp(linux, SEEN).state).toBe("ok");
  });

  test("a table of connections that is full, or too small, says the setting", async () => {
    const table = (count: number, max: number) => ({
      "/proc/sys/net/netfilter/nf_conntrack_count": `${count}\n`,
      "/proc/sys/net/netfilter/nf_conntrack_max": `${max}\n`,
    });
    const at = (files: Readonly<Record<string, string>>, seen = SEEN) =>
      conntrack(host({ files }), { maxConnections: 1000 }, seen);
    expect(await at(table(4900, 5000))).toMatchObject([
      { state: "warn", fix: "sysctl -w net.netfilter.nf_conntrack_max=10000" },
    ]);
    expect(await at(table(1, 1999))).toMatchObject([
      { state: "note", fix: "sysctl -w net.netfilter.nf_conntrack_max=4000" },
    ]);
    expect(await at({})).toMatchObject([{ state: "note" }]);
    expect(await at(table(1, 2000))).toMatchObject([{ state: "ok", detail: "1 of 2000 connections tracked" }]);
    expect(await at(table(4900, 5000), NONE)).toEqual([]);
  });
});

describe("in a network namespace", () => {
  let cwd = "";
  beforeAll(async () => {
    cwd = await emptyDirectory();
  });
  afterAll(() => rm(cwd, { recursive: true }));
  const PROGRAM = `"${process.execPath}" "${MAIN}"`;
  /** One of its own for each, which is gone with the shell; with no process in sight of whoever has user 900 beside the test. */
  async function doctor(before: string, env: Readonly<Record<string, string>> = {}) {
    const script = `ip link set lo up; ${before}; exec ${PROGRAM} doctor --quick`;
    const child = Bun.spawn(["unshare", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c", script], {
      cwd,
      env: { PATH: process.env.PATH ?? "", EVE_PROXY_DEV: "1", EVE_PROXY_HOST: "::", ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const line = (about: string): string =>
      stdout
        .split("\n")
        .filter((one) => one.slice(8).startsWith(about))
        .map((one) => `${one.slice(2, 6).trim()} ${one.slice(23)}`)
        .join("\n");
    return { code: await child.exited, line, stderr, stdout };
  }
  const install = (options: string): string =>
    `${PROGRAM} redirect install --uid 900 --dns none ${options} 2>/dev/null`;

  for (const backEnd of ["nft", "iptables"]) {
    testUnless(
      missing,
      `${backEnd}: rules that are gone, cut, or another gateway's; then whole`,
      async () => {
        const none = await doctor("true");
        expect(none.line("redirect")).toStartWith("note no rules of sallyport redirect are installed");
        expect(none.line("QUIC")).toStartWith("note not blocked");
        const cut =
          backEnd === "nft"
            ? "nft flush chain inet sallyport processes"
            : "ip6tables -D OUTPUT -j sallyport; iptables -D sallyport -p udp -m udp -j REJECT --reject-with icmp-port-unreachable";
        const broken = await doctor(`${install(`--backend ${backEnd}`)}; ${cut}`);
        expect(broken.line("redirect")).toMatch(
          backEnd === "nft" ? /^warn nft: processes lacks: / : /^warn iptables: IPv4: filter sallyport lacks: QUIC/,
        );
        expect(broken.line("redirect")).toEndWith("; fix: sallyport redirect install, with the options it had");
        if (backEnd === "iptables")
          expect(broken.line("redirect")).toContain("IPv6: nothing leads from OUTPUT of filter to ours");
        for (const open of ["QUIC", "IPv6"]) expect(broken.line(open)).toStartWith("warn perhaps open: ");
        expect(broken.stderr).toBe("");
        expect(broken.code).toBe(0);
        const other = await doctor(install(`--backend ${backEnd} --port 4000`));
        expect(other.line("redirect")).toStartWith("warn the rules send to port 4000, and the gateway listens on 3128");
        const four = await doctor(install(`--backend ${backEnd} --ipv6 redirect`), { EVE_PROXY_HOST: "0.0.0.0" });
        expect(four.line("IPv6")).toStartWith("warn redirected to [::1]:3128, and the gateway listens on 0.0.0.0");
        const whole = await doctor(install(`--backend ${backEnd} --all-tcp --except 10.0.0.0/8:443`));
        expect(whole.line("redirect")).toBe(
          `ok ${backEnd}: all TCP of everybody but user 900 goes to port 3128; declared ways out: 10.0.0.0/8 port 443`,
        );
        if (backEnd === "nft") {
          const chain = "'{ type nat hook output priority -150; }'";
          const beside = await doctor(
            `${install("--backend nft")}; nft add table ip other; nft add chain ip other out ${chain}`,
          );
          expect(beside.line("redirect")).toContain(
            "note other tables may change where connections go, and who comes first decides: ip other;",
          );
        }
        expect(whole.line("QUIC")).toStartWith("ok refused");
        expect(whole.line("IPv6")).toStartWith("ok present and redirected");
        expect(whole.line("transparent")).toStartWith("ok ");
        expect(whole.line("conntrack")).toMatch(/^(ok|note) \d+ /);
        expect(whole.stderr).toBe("");
      },
      120_000,
    );
  }

  testUnless(
    missing,
    "a user without capabilities is told that only root knows, and exits 0",
    async () => {
      const script = `exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all ${PROGRAM} doctor --quick`;
      const child = Bun.spawn(["sh", "-c", script], {
        cwd: "/tmp",
        env: {
          PATH: process.env.PATH ?? "",
          EVE_PROXY_DEV: "1",
          EVE_PROXY_PORT: "0",
          EVE_PROXY_AUDIT_PATH: "/tmp/doctor-none/a.jsonl",
        },
        stdout: "pipe",
      });
      const stdout = await new Response(child.stdout).text();
      expect(stdout).toMatch(/^ {2}note {2}redirect .*only root is told/m);
      expect(stdout).toMatch(/^ {2}ok {4}capabilities +user 65534 has none that leads around the gateway$/m);
      expect(await child.exited).toBe(0);
    },
    120_000,
  );
});
