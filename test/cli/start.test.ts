/** What keeps `run` from starting is told with what to do about it, by `run` and by `doctor`. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { emptyDirectory, MAIN, sallyport } from "./_program.ts";

setDefaultTimeout(120_000);
const directory = await emptyDirectory();
afterAll(() => rm(directory, { recursive: true }));

const SECRET = "a secret of more than thirty-two characters";

test.each([
  // An address for documentation is nobody's.
  [
    { EVE_PROXY_HOST: "192.0.2.1" },
    "192.0.2.1:0",
    "this is no address of this host: set one of them, or 0.0.0.0 for all",
  ],
  [
    { EVE_PROXY_HOST: "no-such-host.invalid" },
    "no-such-host.invalid:0",
    "no address of this host is known for the name: set an address",
  ],
])("%j: the listener says what is wrong with the address", async (given, where, remedy) => {
  const env = { JWT_SECRET_KEY: SECRET, EVE_PROXY_PORT: "0", ...given };
  const { code, stderr } = await sallyport(directory, ["run"], env);
  expect([code, stderr]).toEqual([1, expect.stringContaining(`cannot listen on ${where}: `)]);
  expect(stderr).toContain(`(set by EVE_PROXY_HOST and EVE_PROXY_PORT; ${remedy}`);
  const { stdout } = await sallyport(directory, ["doctor", "--json", "--quick"], env);
  const found = findings(stdout).find(({ about }) => about === "listener");
  expect(found).toMatchObject({ state: "fail", fix: expect.stringContaining(remedy) });
  expect(found?.detail.split("cannot listen on")).toHaveLength(2);
});

/** Root may open and write anything: this is what anybody else meets. */
const NOBODY = process.getuid?.() === 0 ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] : [];

function nobodyMissing(): string | null {
  if (NOBODY.length === 0) return null;
  const absent = tool("setpriv");
  if (absent !== null) return absent;
  const tried = Bun.spawnSync([...NOBODY, process.execPath, MAIN, "version"], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  return tried.exitCode === 0 ? null : "another user cannot run the program from here";
}

async function asNobody(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = Bun.spawn([...NOBODY, process.execPath, MAIN, ...args], {
    cwd: directory,
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, stdout, stderr };
}

function lowestPort(): number {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
  } catch {
    return 1024;
  }
}

testUnless(
  nobodyMissing() ?? (lowestPort() > 81 ? null : "port 81 is everybody's here"),
  "a port below 1024, and a log in a folder that is not this user's",
  async () => {
    await chmod(directory, 0o755);
    await mkdir(join(directory, "closed"), { mode: 0o500 });
    if (NOBODY.length === 0) await chmod(join(directory, "closed"), 0o500);
    const audit = join(directory, "closed/events.jsonl");
    const open = join(directory, "open");
    await mkdir(open);
    await chmod(open, 0o777);
    const env = { JWT_SECRET_KEY: SECRET, EVE_PROXY_HOST: "127.0.0.1", EVE_PROXY_PORT: "81" };
    const low = await asNobody(["run"], { ...env, EVE_PROXY_AUDIT_PATH: join(open, "events.jsonl") });
    expect(low.stderr).toContain("cannot listen on 127.0.0.1:81: EACCES");
    expect(low.stderr).toContain(
      "ports below 1024 are not for this user: set a higher one, or give the gateway CAP_NET_BIND",
    );
    const shut = await asNobody(["run"], { ...env, EVE_PROXY_PORT: "0", EVE_PROXY_AUDIT_PATH: audit });
    const user = NOBODY.length === 0 ? process.getuid?.() : 65534;
    const who = process.platform === "linux" ? `user ${user}` : "this user";
    expect(shut.stderr).toContain(
      `(${who} must be able to write in "${join(directory, "closed")}"; EVE_PROXY_AUDIT_PATH names another place)`,
    );
    expect([low.code, shut.code]).toEqual([1, 1]);
    const doctor = await asNobody(["doctor", "--json", "--quick"], { ...env, EVE_PROXY_AUDIT_PATH: audit });
    const said = findings(doctor.stdout).filter(({ state }) => state !== "ok" && state !== "note");
    for (const about of ["listener", "audit log", "policy"]) {
      expect(said.find((one) => one.about === about)?.fix ?? `no fix for ${about}`).not.toStartWith("no fix");
    }
  },
);

function findings(json: string): { state: string; about: string; detail: string; fix?: string }[] {
  return (JSON.parse(json) as { findings: [] }).findings;
}
