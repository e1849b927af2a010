import { afterAll, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { emptyDirectory, sallyport } from "./_program.ts";

const cwd = await emptyDirectory();
afterAll(() => rm(cwd, { recursive: true }));
const redirect = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  sallyport(cwd, ["redirect", ...args], env);

test("redirect refuses what has two meanings, or lets everybody pass", async () => {
  for (const [args, said] of [
    [[], "say install, remove, check or print"],
    [["instal"], "did you mean install?"],
    [["print"], "say who the gateway is, by --uid, --gid or --mark"],
    [["print", "--uid", "0"], "--uid 0 would let all of root's programs pass"],
    [["print", "--uid", "root"], "--uid 0 would let all of root's programs pass"],
    [["print", "--gid", "0"], "--gid 0 would let"],
    [["print", "--uid", "no such"], '--uid: there is no user "no such"'],
    [["print", "--mark", "0"], "--mark is a number from 1"],
    [["print", "--mark", "0x123456789"], "--mark is a number from 1"],
    [["print", "--uid", "900", "--port", "0"], "--port is 1 to 65535"],
    [["print", "--uid", "900", "--ports", "80,80"], "--ports: port 80 stands twice"],
    [["print", "--uid", "900", "--ports", "80", "--all-tcp"], "--ports says less than --all-tcp"],
    [["print", "--uid", "900", "--except", "0.0.0.0/0"], "is everywhere"],
    [["print", "--uid", "900", "--dns", "dns.google"], "--dns: "],
    [["print", "--uid", "900", "--ipv6", "no"], "--ipv6 is redirect, drop or auto"],
    [["print", "--uid", "900", "--backend", "pf"], "--backend is nft, iptables or auto"],
    [["check", "--uid", "900", "--as", "me"], "--as is UID or UID:GID"],
    [["check", "--uid", "900", "--target", "example.com"], "--target: "],
  ] as const) {
    const { code, stdout, stderr } = await redirect(args);
    expect(`${code} ${stdout}`).toBe("64 ");
    expect(stderr).toContain(said);
    expect(stderr).toContain("\nusage: sallyport redirect");
  }
}, 120_000);

test("redirect takes port and family from the gateway's own settings", async () => {
  const free = await redirect(["print", "--uid", "900"], { EVE_PROXY_PORT: "0" });
  expect(free).toMatchObject({ code: 78, stdout: "" });
  expect(free.stderr).toContain('EVE_PROXY_PORT is "0", and to redirect a fixed port is needed');
  const args = ["print", "--uid", "900", "--backend", "nft", "--dns", "none"];
  const both = await redirect(args, { EVE_PROXY_PORT: "8080", EVE_PROXY_HOST: "::" });
  expect(both).toMatchObject({ code: 0, stderr: "" });
  expect(both.stdout).toContain("\ttcp dport { 80, 443 } counter redirect to :8080\n");
  const four = await redirect(args);
  expect(four.stderr).toContain('IPv6 is refused, not redirected: the gateway listens on "0.0.0.0"');
  expect(four.stdout).toContain("meta nfproto ipv4 tcp dport { 80, 443 } counter redirect to :3128\n");
});

test("redirect print gives both families for iptables, without root and without iptables", async () => {
  const { code, stdout } = await redirect(["print", "--gid", "900", "--backend", "iptables", "--dns", "10.0.0.53"]);
  expect(code).toBe(0);
  expect(stdout.split("\n").filter((line) => line.endsWith("--noflush"))).toEqual([
    "# iptables-restore --noflush",
    "# ip6tables-restore --noflush",
  ]);
  expect(stdout).toContain("-A sallyport -m owner --gid-owner 900 -j RETURN\n");
});
